#include "engine/apps/run/diagnosis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/apps/data/paired_test.h"
#include "engine/apps/run/console.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

const EpochMetrics& best_epoch(const std::vector<EpochMetrics>& epochs) {
  return *std::min_element(epochs.begin(), epochs.end(), [](const auto& a, const auto& b) {
    return a.validation_loss < b.validation_loss;
  });
}

void judge_fit(const std::vector<EpochMetrics>& epochs, std::vector<std::string>& out) {
  const EpochMetrics& last = epochs.back();
  const EpochMetrics& best = best_epoch(epochs);
  const double gap = last.train_accuracy - last.validation_accuracy;
  const bool loss_turned = epochs.size() >= 4 && best.epoch + 2 <= last.epoch &&
                           last.validation_loss > 1.25 * best.validation_loss + 1e-3;
  if (gap > 0.05 || (loss_turned && gap > 0.01)) {
    out.push_back(join("Overfitting: the net knows ", format_percent(last.train_accuracy),
                       " of its training pictures but ", format_percent(last.validation_accuracy),
                       " of the validation pictures",
                       loss_turned
                           ? join(", and the validation loss has risen since epoch ", best.epoch)
                           : std::string(),
                       ". More data helps most; then augmentation, dropout, a smaller network."));
  } else if (last.train_accuracy < 0.9) {
    out.push_back(
        join("Underfitting: even on its training pictures the net is right in only ",
             format_percent(last.train_accuracy),
             " of cases. Train longer, raise the learning rate, or take a larger network."));
  } else {
    out.push_back(join("The fit is sound: training and validation accuracy (",
                       format_percent(last.train_accuracy), " and ",
                       format_percent(last.validation_accuracy), ") lie close together."));
  }
}

void judge_progress(const std::vector<EpochMetrics>& epochs, std::vector<std::string>& out) {
  if (epochs.size() < 6) {
    return;
  }
  const std::size_t tail = std::max<std::size_t>(2, epochs.size() / 4);
  const double before = epochs[epochs.size() - 1 - tail].train_loss;
  const double now = epochs.back().train_loss;
  if (now < 0.8 * before && now > 0.02) {
    out.push_back("The training loss was still falling when training ended: more epochs may help.");
  } else if (now > 0.97 * before && epochs.back().train_accuracy < 0.95) {
    out.push_back(join("Plateau: the training loss hardly moved in the last ", tail,
                       " epochs. Another learning rate or a larger network may get it going."));
  }
}

void judge_classes(const ConfusionMatrix& matrix, const std::string& part,
                   std::vector<std::string>& out) {
  const std::size_t n = matrix.classes.size();
  std::int64_t wrong = 0, most = 0;
  std::size_t most_truth = 0, most_predicted = 0;
  for (std::size_t truth = 0; truth < n; ++truth) {
    for (std::size_t predicted = 0; predicted < n; ++predicted) {
      if (truth == predicted) continue;
      const std::int64_t count = matrix.at(truth, predicted);
      wrong += count;
      if (count > most) most = count, most_truth = truth, most_predicted = predicted;
    }
  }
  if (wrong == 0) {
    out.push_back(join("No ", part, " picture was misjudged."));
    return;
  }
  const std::int64_t reverse = matrix.at(most_predicted, most_truth);
  out.push_back(join("Of ", wrong, wrong == 1 ? " mistake" : " mistakes", " on the ", part,
                     " part, ", most, most == 1 ? " takes \"" : " take \"",
                     matrix.classes[most_truth], "\" for \"", matrix.classes[most_predicted], "\"",
                     reverse > 0 ? join(" and ", reverse, " the other way round") : std::string(),
                     "."));
}

void judge_baseline(const DiagnosisInput& input, std::vector<std::string>& out) {
  if (input.baseline_name.empty()) return;
  constexpr double kChance = 0.05;
  const std::int64_t contested = input.only_net_right + input.only_baseline_right;
  const bool is_chance = mcnemar_p(input.only_net_right, input.only_baseline_right) >= kChance;
  const std::string baseline =
      join(input.baseline_name, ", ", format_percent(input.baseline_accuracy));
  const std::string counts =
      contested == 0
          ? std::string("both are right about the same pictures")
          : join("of the ", contested, contested == 1 ? " picture" : " pictures",
                 " that only one of the two gets right, the net has ", input.only_net_right);
  if (input.only_net_right > input.only_baseline_right && !is_chance) {
    out.push_back(join("It beats the better baseline (", baseline, "): ", counts,
                       ", more than chance explains (McNemar's test)."));
  } else if (input.only_net_right > input.only_baseline_right) {
    out.push_back(join("It is ahead of the better baseline (", baseline,
                       "), but within chance: ", counts, '.'));
  } else if (input.only_net_right == input.only_baseline_right) {
    out.push_back(join("It is level with the better baseline (", baseline, "): ", counts, '.'));
  } else if (is_chance) {
    out.push_back(join("A simple method does as well: ", baseline, "; ", counts,
                       ", which is within chance."));
  } else {
    out.push_back(join("A simple method does better: ", baseline, "; ", counts,
                       ". Before trusting the net, look at its mistakes below and train longer or "
                       "on more data."));
  }
}

}  // namespace

std::vector<std::string> diagnose(const DiagnosisInput& input) {
  std::vector<std::string> out;
  if (!input.epochs.empty()) {
    judge_fit(input.epochs, out);
    judge_progress(input.epochs, out);
  }
  const std::string part = input.chose_epoch ? "validation" : "test";
  judge_classes(input.confusion, part, out);
  judge_baseline(input, out);
  if (input.chose_epoch) {
    out.push_back(
        "There is no test part: what this accuracy is measured on also chose the epoch that was "
        "kept, which flatters it. --split 80/10/10 sets a test part aside.");
  }
  if (!input.is_cross_validation && input.test_items > 0 && input.test_items < 100) {
    out.push_back(join("The ", part, " part has only ", input.test_items,
                       " pictures, so the interval is wide; --folds 5 uses every picture once."));
  }
  return out;
}

}  // namespace engine::apps
