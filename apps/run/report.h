#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/apps/data/image.h"
#include "engine/apps/run/chart.h"

namespace engine::apps {

struct Figure {
  std::string label;  // "test accuracy"
  std::string value;  // "98.7 %"
  std::string note;   // "95 % interval 97.1 to 99.5 %"; may be empty
};

struct Picture {
  Image image;
  std::vector<std::string> caption;  // the first line is set in bold
};

struct ConfusionMatrix {
  std::vector<std::string> classes;
  std::vector<std::int64_t> counts;  // [true][predicted], row by row

  std::int64_t at(std::size_t truth, std::size_t predicted) const {
    return counts[truth * classes.size() + predicted];
  }
};

// A page in one file: no scripts, nothing fetched from anywhere; follows the reader's light or dark
// scheme. Parts appear in the order of the calls; all text is escaped.
class Report {
 public:
  Report(std::string title, std::string subtitle);

  void figures(const std::vector<Figure>& figures);
  void section(const std::string& title, const std::string& introduction = "");
  void paragraph(const std::string& text);
  void list(const std::vector<std::string>& items);
  void settings(const std::vector<std::pair<std::string, std::string>>& rows);
  void charts(const std::vector<Chart>& charts);
  void comparison(const std::vector<Estimate>& estimates);
  void confusion_matrix(const ConfusionMatrix& matrix);
  // `side` is the width of a picture on the page, in pixels; small pictures keep sharp pixels.
  void pictures(const std::vector<Picture>& pictures, int side);

  // The page of something that goes on: browsers read it again after so many seconds.
  void reload_every(int seconds) { reload_seconds_ = seconds; }

  std::string html() const;

 private:
  std::string title_;
  std::string subtitle_;
  std::string body_;
  int reload_seconds_ = 0;
};

}  // namespace engine::apps
