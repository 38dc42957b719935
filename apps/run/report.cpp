#include "engine/apps/run/report.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/core/errors.h"

namespace engine::apps {
namespace {

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --ink: #1d2129; --soft: #646b78; --rule: #e3e1dc;
  --s0: #2563c9; --s1: #d9731a; --s2: #1d8f6a; --s3: #b03a8c; --s4: #8a7414; --s5: #6b5bd0;
  --heat: 37, 99, 201; --wrong: 205, 70, 30; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14161b; --card: #1c1f26; --ink: #e6e7ea; --soft: #9aa1ad; --rule: #31353f;
  --s0: #6ea3ff; --s1: #f2a052; --s2: #52c7a0; --s3: #e57fc4; --s4: #d3bd5a; --s5: #a79cff;
  --heat: 110, 163, 255; --wrong: 240, 120, 80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 4px; font-weight: 650; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 40px 0 6px; font-weight: 650; }
h3 { font-size: 14px; margin: 0 0 6px; font-weight: 600; }
p { margin: 6px 0 12px; max-width: 74ch; }
.soft, .subtitle { color: var(--soft); } .subtitle { margin: 0 0 24px; }
ul { margin: 6px 0 12px; padding-left: 20px; max-width: 78ch; } li { margin: 5px 0; }
.row { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); }
.row.charts { grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: 14px 16px; min-width: 0; overflow-x: auto; }
.figure .value { font-size: 26px; font-weight: 650; letter-spacing: -.01em; line-height: 1.25; }
.figure .label { color: var(--soft); font-size: 13px; }
.figure .note { color: var(--soft); font-size: 12.5px; line-height: 1.4; margin-top: 2px; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 12px; }
svg .label { font-size: 12.5px; } svg .name { font-size: 13.5px; fill: var(--ink); }
svg .ours { font-weight: 650; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); }
.mark { stroke: var(--soft); stroke-dasharray: 3 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.whisker { stroke-width: 3; stroke-linecap: round; opacity: .55; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); }
.s3 { stroke: var(--s3); } .s4 { stroke: var(--s4); } .s5 { stroke: var(--s5); }
.other { stroke: var(--soft); } .dot { stroke: none; }
.dot.s0 { fill: var(--s0); } .dot.s1 { fill: var(--s1); } .dot.s2 { fill: var(--s2); }
.dot.s3 { fill: var(--s3); } .dot.s4 { fill: var(--s4); } .dot.s5 { fill: var(--s5); }
.dot.other { fill: var(--soft); }
.legend { font-size: 12.5px; color: var(--soft); margin: 0 0 4px; }
.legend span { margin-right: 14px; white-space: nowrap; }
.legend i { display: inline-block; width: 16px; height: 3px; border-radius: 2px;
  vertical-align: middle; margin-right: 6px; }
.k0 { background: var(--s0); } .k1 { background: var(--s1); } .k2 { background: var(--s2); }
.k3 { background: var(--s3); } .k4 { background: var(--s4); } .k5 { background: var(--s5); }
table { border-collapse: collapse; font-size: 13.5px; }
td, th { padding: 5px 12px 5px 0; text-align: left; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); } tr:last-child td { border-bottom: none; }
table.settings td:first-child { color: var(--soft); white-space: nowrap; padding-right: 20px; }
table.settings td { overflow-wrap: anywhere; }
table.confusion { font-variant-numeric: tabular-nums; }
table.confusion td { text-align: center; min-width: 44px; padding: 7px 8px;
  border: 1px solid var(--card); }
table.confusion th { border: none; padding: 5px 10px 5px 0; text-align: right; }
table.confusion tr:first-child th { text-align: center; padding: 5px 6px; }
.pictures { display: flex; flex-wrap: wrap; gap: 16px; }
.pictures figure { margin: 0; font-size: 12.5px; line-height: 1.4; color: var(--soft);
  overflow-wrap: anywhere; }
.pictures img { display: block; width: 100%; height: auto; border-radius: 6px; margin-bottom: 4px; }
.pictures img.sharp { image-rendering: pixelated; }
.pictures strong { color: var(--ink); font-weight: 600; display: block; }
footer { margin-top: 48px; color: var(--soft); font-size: 12.5px; }
@media print { .card { break-inside: avoid; } }
)css";

}  // namespace

Report::Report(std::string title, std::string subtitle)
    : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void Report::figures(const std::vector<Figure>& figures) {
  body_ += "<div class=\"row\">";
  for (const Figure& figure : figures) {
    body_ += "<div class=\"card figure\"><div class=\"label\">" + escape_html(figure.label) +
             "</div><div class=\"value\">" + escape_html(figure.value) + "</div>";
    if (!figure.note.empty()) body_ += "<div class=\"note\">" + escape_html(figure.note) + "</div>";
    body_ += "</div>";
  }
  body_ += "</div>\n";
}

void Report::section(const std::string& title, const std::string& introduction) {
  body_ += "<h2>" + escape_html(title) + "</h2>\n";
  if (!introduction.empty()) body_ += "<p class=\"soft\">" + escape_html(introduction) + "</p>\n";
}

void Report::paragraph(const std::string& text) {
  body_ += "<p>" + escape_html(text) + "</p>\n";
}

void Report::list(const std::vector<std::string>& items) {
  body_ += "<ul>";
  for (const std::string& item : items) body_ += "<li>" + escape_html(item) + "</li>";
  body_ += "</ul>\n";
}

void Report::settings(const std::vector<std::pair<std::string, std::string>>& rows) {
  body_ += "<div class=\"card\"><table class=\"settings\">";
  for (const auto& [name, value] : rows) {
    body_ += "<tr><td>" + escape_html(name) + "</td><td>" + escape_html(value) + "</td></tr>";
  }
  body_ += "</table></div>\n";
}

void Report::charts(const std::vector<Chart>& charts) {
  body_ += "<div class=\"row charts\">";
  for (const Chart& chart : charts) {
    body_ += "<div class=\"card\"><h3>" + escape_html(chart.title) + "</h3><div class=\"legend\">";
    const bool title_says_it = chart.series.size() == 1 && chart.series[0].name == chart.title;
    for (std::size_t i = 0; i < chart.series.size() && !title_says_it; ++i) {
      body_ +=
          join("<span><i class=\"k", i, "\"></i>", escape_html(chart.series[i].name), "</span>");
    }
    body_ += "</div>" + to_svg(chart) + "</div>";
  }
  body_ += "</div>\n";
}

void Report::comparison(const std::vector<Estimate>& estimates) {
  body_ += "<div class=\"card\">" + to_svg(estimates) + "</div>\n";
}

void Report::confusion_matrix(const ConfusionMatrix& matrix) {
  const std::size_t n = matrix.classes.size();
  std::ostringstream out;
  out << "<div class=\"card\"><table class=\"confusion\"><tr><th>true \\ predicted</th>";
  for (const std::string& name : matrix.classes) out << "<th>" << escape_html(name) << "</th>";
  out << "<th>recall</th></tr>";
  for (std::size_t truth = 0; truth < n; ++truth) {
    std::int64_t total = 0;
    for (std::size_t predicted = 0; predicted < n; ++predicted)
      total += matrix.at(truth, predicted);
    out << "<tr><th>" << escape_html(matrix.classes[truth]) << "</th>";
    for (std::size_t predicted = 0; predicted < n; ++predicted) {
      const std::int64_t count = matrix.at(truth, predicted);
      const double share = total == 0 ? 0 : static_cast<double>(count) / static_cast<double>(total);
      // Mistakes are rare, so their colour grows with the square root of their share.
      const double strength = truth == predicted ? 0.55 * share : 0.9 * std::sqrt(share);
      out << "<td style=\"background: rgba(var(--" << (truth == predicted ? "heat" : "wrong")
          << "), " << strength << ")\">" << count << "</td>";
    }
    out.precision(4);
    if (total == 0) {
      out << "<td class=\"soft\">none</td></tr>";
    } else {
      out << "<td class=\"soft\">"
          << 100 * static_cast<double>(matrix.at(truth, truth)) / static_cast<double>(total)
          << " %</td></tr>";
    }
  }
  out << "</table></div>\n";
  body_ += out.str();
}

void Report::pictures(const std::vector<Picture>& pictures, int side) {
  body_ += "<div class=\"pictures\">";
  for (const Picture& picture : pictures) {
    std::string alt;
    for (const std::string& line : picture.caption) alt += (alt.empty() ? "" : ", ") + line;
    body_ += join("<figure style=\"width:", side, "px\"><img",
                  picture.image.width < side / 2 ? " class=\"sharp\"" : "", " alt=\"",
                  escape_html(alt), "\" src=\"", png_data_uri(picture.image), "\">");
    if (!picture.caption.empty()) {
      body_ += "<figcaption><strong>" + escape_html(picture.caption.front()) + "</strong>";
      for (std::size_t i = 1; i < picture.caption.size(); ++i) {
        body_ += (i > 1 ? "<br>" : "") + escape_html(picture.caption[i]);
      }
      body_ += "</figcaption>";
    }
    body_ += "</figure>";
  }
  body_ += "</div>\n";
}

std::string Report::html() const {
  return join("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n",
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
              reload_seconds_ > 0
                  ? join("<meta http-equiv=\"refresh\" content=\"", reload_seconds_, "\">\n")
                  : std::string(),
              "<title>", escape_html(title_), "</title>\n<style>", kStyle,
              "</style></head>\n<body><main>\n<h1>", escape_html(title_),
              "</h1>\n<p class=\"subtitle\">", escape_html(subtitle_), "</p>\n", body_,
              "</main></body></html>\n");
}

}  // namespace engine::apps
