#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace engine::apps {

struct Point {
  double x = 0;
  double y = 0;
};

struct Series {
  std::string name;
  std::vector<Point> points;  // points that are not finite break the line
};

// A line chart.
struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;    // at most six
  bool y_is_share = false;       // labels in percent, at most 100 %
  bool x_is_whole = false;       // epochs, iterations: no tick between whole numbers
  std::optional<double> mark_x;  // a vertical line: the chosen epoch
  std::string mark_label;
};

// A share with its interval, one row of a comparison.
struct Estimate {
  std::string name;
  double value = 0;
  double low = 0;
  double high = 0;
  bool is_ours = false;  // drawn in the accent colour
};

// SVG text without any reference to the outside; colours come from the page's CSS classes
// (report.cpp), so that they follow the light or dark scheme.
std::string to_svg(const Chart& chart);
std::string to_svg(const std::vector<Estimate>& estimates);

// At most `count` + 1 round numbers that cover [low, high], in steps of 1, 2 or 5 times a power of
// ten.
std::vector<double> round_ticks(double low, double high, int count);

std::string escape_html(const std::string& text);

}  // namespace engine::apps
