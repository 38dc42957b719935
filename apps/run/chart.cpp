#include "engine/apps/run/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>

#include "engine/core/errors.h"

namespace engine::apps {
namespace {

constexpr double kWidth = 520, kHeight = 300;
constexpr double kLeft = 58, kRight = 14, kTop = 12, kBottom = 44;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

std::string pixel(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  return text;
}

struct Axis {
  double low = 0, high = 1;   // values at the ends
  double begin = 0, end = 1;  // pixels at the ends
  std::vector<double> ticks;

  double at(double value) const { return begin + (value - low) / (high - low) * (end - begin); }
};

Axis make_axis(double low, double high, double begin, double end, int ticks) {
  if (!(low <= high)) low = 0, high = 1;
  if (low == high) low -= 0.5, high += 0.5;
  Axis axis{low, high, begin, end, round_ticks(low, high, ticks)};
  axis.low = std::min(low, axis.ticks.front());
  axis.high = std::max(high, axis.ticks.back());
  return axis;
}

void text(std::ostringstream& out, double x, double y, const char* anchor, const std::string& body,
          const char* css = "tick") {
  out << "<text class=\"" << css << "\" x=\"" << pixel(x) << "\" y=\"" << pixel(y)
      << "\" text-anchor=\"" << anchor << "\">" << escape_html(body) << "</text>";
}

void line(std::ostringstream& out, const char* css, double x1, double y1, double x2, double y2) {
  out << "<line class=\"" << css << "\" x1=\"" << pixel(x1) << "\" y1=\"" << pixel(y1) << "\" x2=\""
      << pixel(x2) << "\" y2=\"" << pixel(y2) << "\"/>";
}

void draw_axes(std::ostringstream& out, const Chart& chart, const Axis& x, const Axis& y) {
  for (const double tick : y.ticks) {
    line(out, "grid", x.begin, y.at(tick), x.end, y.at(tick));
    text(out, x.begin - 8, y.at(tick) + 4, "end",
         chart.y_is_share ? number(100 * tick) + " %" : number(tick));
  }
  for (const double tick : x.ticks) {
    if (tick < x.low || tick > x.high) continue;
    line(out, "axis", x.at(tick), y.begin, x.at(tick), y.begin + 4);
    text(out, x.at(tick), y.begin + 18, "middle", number(tick));
  }
  line(out, "axis", x.begin, y.begin, x.end, y.begin);
  text(out, (x.begin + x.end) / 2, kHeight - 6, "middle", chart.x_label, "label");
  out << "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(13 "
      << pixel((y.begin + y.end) / 2) << ") rotate(-90)\">" << escape_html(chart.y_label)
      << "</text>";
}

void draw_series(std::ostringstream& out, const Series& series, std::size_t index, const Axis& x,
                 const Axis& y) {
  out << "<path class=\"line s" << index << "\" d=\"";
  bool connected = false;
  for (const Point& point : series.points) {
    const bool finite = std::isfinite(point.x) && std::isfinite(point.y);
    if (finite)
      out << (connected ? 'L' : 'M') << pixel(x.at(point.x)) << ' ' << pixel(y.at(point.y));
    connected = finite;
  }
  out << "\"/>";
  if (series.points.size() > 80) return;  // dots would touch
  for (const Point& point : series.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
    out << "<circle class=\"dot s" << index << "\" cx=\"" << pixel(x.at(point.x)) << "\" cy=\""
        << pixel(y.at(point.y)) << "\" r=\"" << (series.points.size() == 1 ? 4 : 2.2)
        << "\"><title>" << escape_html(series.name) << ": " << number(point.y) << " at "
        << number(point.x) << "</title></circle>";
  }
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

}  // namespace

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - 1e-9)) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  const double last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string to_svg(const Chart& chart) {
  Range xs, ys;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) {
      xs.include(point.x);
      ys.include(point.y);
    }
  }
  if (!chart.y_is_share && ys.low > 0 && ys.low < 0.5 * ys.high) ys.low = 0;
  Axis x = make_axis(xs.low, xs.high, kLeft, kWidth - kRight, 7);
  x.low = std::min(xs.low, x.high);  // curves fill the width; outer ticks are left out
  x.high = xs.high > x.low ? xs.high : x.low + 1;
  if (chart.x_is_whole) {
    std::erase_if(x.ticks, [](double tick) { return std::fabs(tick - std::round(tick)) > 1e-9; });
  }
  Axis y = make_axis(ys.low, ys.high, kHeight - kBottom, kTop, 5);
  if (chart.y_is_share && y.high > 1) {
    y.high = 1;
    std::erase_if(y.ticks, [](double tick) { return tick > 1 + 1e-9; });
  }

  std::ostringstream out;
  out << "<svg viewBox=\"0 0 " << kWidth << ' ' << kHeight << "\" role=\"img\" aria-label=\""
      << escape_html(chart.title) << "\">";
  draw_axes(out, chart, x, y);
  if (chart.mark_x) {
    const double at = x.at(*chart.mark_x);
    line(out, "mark", at, y.begin, at, y.end);
    const bool to_the_left = at > (x.begin + x.end) / 2;
    text(out, at + (to_the_left ? -6 : 6), chart.y_is_share ? y.begin - 8 : y.end + 12,
         to_the_left ? "end" : "start", chart.mark_label);
  }
  for (std::size_t i = 0; i < chart.series.size(); ++i) draw_series(out, chart.series[i], i, x, y);
  out << "</svg>";
  return out.str();
}

std::string to_svg(const std::vector<Estimate>& estimates) {
  constexpr double kRow = 34, kNames = 250;
  const double height = kRow * static_cast<double>(estimates.size()) + 42;
  Range range;
  for (const Estimate& estimate : estimates) {
    range.include(estimate.low);
    range.include(estimate.high);
  }
  const double width = 760;
  Axis x = make_axis(range.low, range.high, kNames, width - 90, 6);
  x.low = std::max(x.low, 0.0);
  x.high = std::min(x.high, 1.0);
  std::ostringstream out;
  out << "<svg viewBox=\"0 0 " << width << ' ' << pixel(height)
      << "\" role=\"img\" aria-label=\"accuracies with intervals\">";
  const double bottom = height - 30;
  for (const double tick : x.ticks) {
    if (tick < x.low - 1e-9 || tick > x.high + 1e-9) continue;
    line(out, "grid", x.at(tick), 4, x.at(tick), bottom);
    text(out, x.at(tick), bottom + 18, "middle", number(100 * tick) + " %");
  }
  for (std::size_t i = 0; i < estimates.size(); ++i) {
    const Estimate& estimate = estimates[i];
    const double y = kRow * (static_cast<double>(i) + 0.5) + 4;
    const char* css = estimate.is_ours ? "s0" : "other";
    text(out, 0, y + 4, "start", estimate.name, estimate.is_ours ? "name ours" : "name");
    out << "<line class=\"whisker " << css << "\" x1=\"" << pixel(x.at(estimate.low)) << "\" y1=\""
        << pixel(y) << "\" x2=\"" << pixel(x.at(estimate.high)) << "\" y2=\"" << pixel(y) << "\"/>";
    out << "<circle class=\"dot " << css << "\" cx=\"" << pixel(x.at(estimate.value)) << "\" cy=\""
        << pixel(y) << "\" r=\"5\"/>";
    char value[32];
    std::snprintf(value, sizeof(value), "%.2f %%", 100 * estimate.value);
    text(out, width, y + 4, "end", value, estimate.is_ours ? "name ours" : "name");
  }
  out << "</svg>";
  return out.str();
}

}  // namespace engine::apps
