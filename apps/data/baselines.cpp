#include "engine/apps/data/baselines.h"

namespace engine::apps {

BaselineResult add_up(const std::vector<BaselineResult>& folds) {
  BaselineResult sum;
  for (const BaselineResult& fold : folds) {
    sum.name = fold.name;
    if (sum.note.find(fold.note) == std::string::npos) {
      sum.note += (sum.note.empty() ? "" : "; ") + fold.note;
    }
    sum.correct += fold.correct;
    sum.total += fold.total;
    sum.seconds += fold.seconds;
    sum.predictions.insert(sum.predictions.end(), fold.predictions.begin(), fold.predictions.end());
  }
  return sum;
}

}  // namespace engine::apps
