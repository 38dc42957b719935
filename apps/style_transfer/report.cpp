#include "engine/apps/style_transfer/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/apps/run/console.h"
#include "engine/apps/run/report.h"

namespace engine::apps::style_transfer {
namespace {

constexpr int kSecondsBetweenReads = 5;
constexpr int kThumbnail = 320;  // pixels, longer side of the inputs on the page

std::string number(double value, const char* format) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

Image thumbnail(const Image& image) {
  const double factor =
      std::min(1.0, static_cast<double>(kThumbnail) / std::max(image.width, image.height));
  return resize(image, std::max(1, static_cast<int>(image.width * factor)),
                std::max(1, static_cast<int>(image.height * factor)));
}

// A number that was not finite is null in a run that was resumed.
double number_in(const nlohmann::json& row, const std::string& column) {
  const auto found = row.find(column);
  return found != row.end() && found->is_number() ? found->get<double>() : std::nan("");
}

Chart chart_of(const StyleReport& report, const std::string& column, const std::string& title) {
  Chart chart{.title = title,
              .x_label = "iteration",
              .y_label = "loss (logarithm to base 10)",
              .x_is_whole = true};
  Series series{.name = title, .points = {}};
  for (const nlohmann::json& row : *report.rows) {
    const double value = number_in(row, column);
    if (value > 0) series.points.push_back({number_in(row, "iteration"), std::log10(value)});
  }
  chart.series.push_back(series);
  return chart;
}

}  // namespace

std::string style_report(const StyleReport& r) {
  const StyleSettings& s = *r.settings;
  Report page("Style transfer", join(s.content, " in the style of ", s.styles.front(),
                                     s.styles.size() > 1 ? " and others" : ""));
  if (!r.is_finished) page.reload_every(kSecondsBetweenReads);
  const auto last = [&](const std::string& column) {
    return r.rows->empty() ? std::string("-") : number(number_in(r.rows->back(), column), "%.4g");
  };
  page.figures({{"iteration", join(r.iteration, " of ", r.iterations), ""},
                {r.is_finished ? "time" : "time left",
                 format_duration(r.is_finished ? r.seconds : r.seconds_left), ""},
                {"loss", last("loss"),
                 join("content ", last("content_loss"), ", style ", last("style_loss"))},
                {"memory planned", number(r.memory_gib, "%.2f GiB"), ""}});
  page.section(r.is_finished ? "Result" : "So far");
  page.pictures({{*r.result, {join(r.result->width, " x ", r.result->height)}}},
                std::min(r.result->width, 900));
  if (!r.remark.empty()) page.paragraph(r.remark);
  page.section("Inputs");
  std::vector<Picture> inputs = {{thumbnail(*r.content), {"content", s.content}}};
  for (std::size_t i = 0; i < r.styles->size(); ++i) {
    inputs.push_back({thumbnail((*r.styles)[i]),
                      {join("style, weight ", number(s.style_weights[i], "%.2f")), s.styles[i]}});
    if (i >= r.masks->size()) continue;
    inputs.push_back({convert_channels(thumbnail((*r.masks)[i]), 3), {"its mask", s.masks[i]}});
  }
  page.pictures(inputs, 240);
  page.section("Curves");
  page.charts({chart_of(r, "loss", "total"), chart_of(r, "content_loss", "content"),
               chart_of(r, "style_loss", "style"), chart_of(r, "variation_loss", "variation")});
  page.section("Settings");
  const std::size_t scales = make_scales(s).size();
  page.settings({{"encoder", r.encoder},
                 {"device", r.device},
                 {"size", join(s.size, " pixels, ", scales, scales == 1 ? " scale" : " scales")},
                 {"optimizer", s.optimizer},
                 {"content layers", s.content_layers},
                 {"style layers", s.style_layers},
                 {"weights", join("content ", s.content_weight, ", style ", s.style_weight,
                                  ", variation ", s.variation_weight)},
                 {"pooling", s.pooling},
                 {"colors", s.colors},
                 {"start", s.init}});
  return page.html();
}

}  // namespace engine::apps::style_transfer
