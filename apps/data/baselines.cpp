#include "engine/apps/data/baselines.h"

#include <algorithm>

namespace engine::apps {

BaselineResult add_up(const std::vector<BaselineResult>& folds) {
  BaselineResult sum;
  for (const BaselineResult& fold : folds) {
    sum.name = fold.name;
    const bool is_known =
        std::any_of(folds.data(), &fold, [&](const auto& f) { return f.note == fold.note; });
    if (!is_known && !fold.note.empty()) sum.note += (sum.note.empty() ? "" : "; ") + fold.note;
    sum.correct += fold.correct;
    sum.total += fold.total;
    sum.seconds += fold.seconds;
    sum.predictions.insert(sum.predictions.end(), fold.predictions.begin(), fold.predictions.end());
  }
  return sum;
}

}  // namespace engine::apps
