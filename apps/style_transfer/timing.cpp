#include "engine/apps/style_transfer/timing.h"

#include <algorithm>

namespace engine::apps::style_transfer {

double time_left(const std::vector<Scale>& scales, std::size_t scale, std::int64_t step,
                 double seconds) {
  double work_done = 0, work_left = 0;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const double pixels = static_cast<double>(scales[i].size) * scales[i].size;
    const std::int64_t done = i < scale ? scales[i].iterations : i == scale ? step - begin : 0;
    work_done += pixels * static_cast<double>(done);
    work_left += pixels * static_cast<double>(scales[i].iterations - done);
    begin += scales[i].iterations;
  }
  return work_done > 0 ? seconds * work_left / work_done : 0;
}

double seconds_per_iteration(const std::vector<nlohmann::json>& rows, int size) {
  std::vector<double> times;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].at("size") != size || rows[i - 1].at("size") != size) continue;
    times.push_back(rows[i].at("seconds").get<double>() - rows[i - 1].at("seconds").get<double>());
  }
  if (times.empty()) return 0;
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

}  // namespace engine::apps::style_transfer
