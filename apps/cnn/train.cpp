#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "engine/apps/cnn/baseline_report.h"
#include "engine/apps/cnn/commands.h"
#include "engine/apps/cnn/train_flags.h"
#include "engine/apps/cnn/trainer.h"
#include "engine/apps/cnn/training_report.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/interrupt.h"
#include "engine/apps/run/unused_gpu.h"
#include "engine/core/checkpoint.h"
#include "engine/core/cpu_info.h"
#include "engine/core/safetensors.h"

namespace engine::apps::cnn {
namespace fs = std::filesystem;
namespace {

ModelInfo model_info(const TrainSettings& s, const ImageDataset& train) {
  ModelInfo info;
  info.network = s.network;
  info.options = s.network_options(train.classes.size());
  info.height = s.height;
  info.width = s.width;
  info.channels = s.channels;
  info.fit = parse_fit(s.fit);
  info.normalization = measure_normalization(train.images);
  info.labels = train.classes;
  info.threshold = s.threshold == "auto" ? 0.5 : std::stod(s.threshold);
  return info;
}

// One `cnn train`, from loading to the report.
class TrainRun {
 public:
  TrainRun(Console& console, const TrainFlags& flags) : console_(console) {
    if (flags.run.is_resume) {
      folder_.emplace(RunFolder::resume(flags.run.resume, "cnn"));
      settings_ = parse_train_settings(folder_->config(), folder_->file("config.json").string());
    } else {
      settings_ = settings_from_flags(flags);
      if (!flags.run.out.empty()) RunFolder::require_new(flags.run.out);
    }
    device_ = settings_.device.open();
    if (settings_.device.device == "auto" && !unused_gpu().empty()) console_.note(unused_gpu());
    load();
    if (!folder_) {
      settings_.complete(data_, splits_.front());
      settings_.device = settings_.device.resolved(device_);
      folder_.emplace(
          RunFolder::create(flags.run.out, "cnn-" + settings_.network, to_json(settings_)));
    }
    console_.note(join("run folder ", folder_->path().string()));
  }

  void run() {
    const nlohmann::json state = resumed_state();
    const int resumed_fold = state.is_null() ? 0 : state.at("fold").get<int>();
    const std::int64_t resumed_epoch = state.is_null() ? 0 : state.at("epoch").get<std::int64_t>();
    MetricsLog log(folder_->path(),
                   {"fold", "epoch", "step", "train_loss", "train_accuracy", "validation_loss",
                    "validation_accuracy", "seconds", "step_seconds"},
                   [&](const nlohmann::json& row) {
                     const int fold = row.value("fold", 0);
                     return fold < resumed_fold ||
                            (fold == resumed_fold && row.value("epoch", 0) <= resumed_epoch);
                   });
    for (std::size_t i = 0; i < splits_.size(); ++i) {
      const int fold = settings_.folds > 0 ? static_cast<int>(i) + 1 : 0;
      run_fold(splits_[i], fold, fold < resumed_fold, !state.is_null() && fold == resumed_fold,
               log);
    }
    if (settings_.baselines) {
      if (settings_.folds > 0) {
        baselines_ = {add_up(nearest_), add_up(ridge_)};
      } else {
        baselines_ = {nearest_.front(), ridge_.front()};
      }
    }
    finish(log);
  }

 private:
  void load() {
    console_.status("loading " + describe_data(settings_) + " ...");
    data_ = load_data(settings_);
    console_.clear_status();
    const std::size_t shown = std::min<std::size_t>(data_.skipped.size(), 5);
    for (std::size_t i = 0; i < shown; ++i) console_.warning("skipped " + data_.skipped[i]);
    if (data_.skipped.size() > shown) {
      console_.warning(join("and ", data_.skipped.size() - shown, " more were skipped"));
    }
    splits_ = make_splits(settings_, data_);
    for (const Split& split : splits_) {
      if (split.train.empty()) throw UsageError("--split leaves no picture to train on");
      if (split.test.empty() && split.validation.empty()) {
        throw UsageError("--split leaves no picture to test on");
      }
    }
    console_.note(join(describe_data(settings_), ": ", data_.count(), " pictures of ",
                       data_.classes.size(), " classes, ", data_.height(), " x ", data_.width(),
                       data_.channels() == 1 ? " grey" : " colour"));
    if (interrupted()) throw Interrupted("stopped before training began");
  }

  nlohmann::json resumed_state() const {
    if (newest_safetensors(folder_->checkpoint()).empty()) return nullptr;
    Store scratch(Device::cpu());
    return nlohmann::json::parse(load_newest_checkpoint(scratch, folder_->checkpoint()));
  }

  // What a fold (or the only split) is judged on.
  static const std::vector<std::int64_t>& judged(const Split& split) {
    return split.test.empty() ? split.validation : split.test;
  }

  void run_fold(const Split& split, int fold, bool is_done, bool is_resumed, MetricsLog& log) {
    const ImageDataset test = subset(data_, judged(split));
    if (is_done) {
      LoadedModel model =
          load_classifier(folder_->file(join("fold-", fold, ".safetensors")), device_);
      measure(model.info, model.store, test, split);
      store_.emplace(std::move(model.store));
      count_finished(fold, log);
      return;
    }
    ImageDataset train = subset(data_, split.train);
    ModelInfo info = model_info(settings_, train);
    TrainerInput input{.settings = settings_,
                       .info = std::move(info),
                       .device = device_,
                       .train = std::move(train),
                       .validation = subset(data_, split.validation),
                       .fold = fold};
    Trainer trainer(std::move(input), *folder_, log, console_);
    if (is_resumed) trainer.restore();
    trainer.run();
    best_epoch_ = trainer.best_epoch();
    seconds_ += trainer.seconds();
    step_seconds_ += trainer.step_seconds();
    images_ += static_cast<double>(trainer.steps() * settings_.batch);
    precision_ = trainer.precision();
    model_file_ = trainer.model_file();
    measure(trainer.info(), trainer.store(), test, split);
    store_.emplace(std::move(trainer.store()));
  }

  // Time and pictures of a fold that was finished before this process.
  void count_finished(int fold, const MetricsLog& log) {
    for (auto row = log.rows().rbegin(); row != log.rows().rend(); ++row) {
      if (row->at("fold") != fold) continue;
      seconds_ += row->at("seconds").get<double>();
      step_seconds_ += row->at("step_seconds").get<double>();
      images_ += row->at("step").get<double>() * static_cast<double>(settings_.batch);
      return;
    }
  }

  void measure(const ModelInfo& info, Store& store, const ImageDataset& test, const Split& split) {
    Predictor predictor(info, store,
                        {.batches = {64}, .precision = settings_.device.parsed_precision()});
    const Evaluation evaluation =
        evaluate(predictor.logits(test.images), test.label_span(),
                 static_cast<std::int64_t>(info.labels.size()), info.threshold);
    evaluation_.append(evaluation);
    items_.insert(items_.end(), judged(split).begin(), judged(split).end());
    info_ = info;
    if (!settings_.baselines) return;
    Split judged_split = split;
    judged_split.test = judged(split);
    // What a baseline is judged on must not choose its penalty too.
    if (split.test.empty()) judged_split.validation.clear();
    const std::vector<BaselineResult> results =
        run_baselines(data_, judged_split, settings_.device.threads, console_);
    nearest_.push_back(results[0]);
    ridge_.push_back(results[1]);
  }

  std::string part() const {
    if (settings_.folds > 0) return "cross-validated";
    return splits_.front().test.empty() ? "validation" : "test";
  }

  void finish(const MetricsLog& log) {
    const double rate = step_seconds_ > 0 ? images_ / step_seconds_ : 0;
    const std::string device =
        join(device_, ", ", device_.is_cpu() ? cpu_model() + ", " : "", name_of(precision_));
    const TrainingReportInput report{.settings = settings_,
                                     .info = info_,
                                     .part = part(),
                                     .split = describe_split(settings_, data_),
                                     .data = &data_,
                                     .items = items_,
                                     .evaluation = evaluation_,
                                     .baselines = baselines_,
                                     .epochs = log.rows(),
                                     .store = &*store_,
                                     .best_epoch = best_epoch_,
                                     .seconds = seconds_,
                                     .images_per_second = rate,
                                     .device = device,
                                     .parameters = store_->parameter_count(),
                                     .run = folder_->path().string()};
    folder_->write_text("report.html", training_report(report));
    nlohmann::json result = result_json(rate, device);
    folder_->finish(result);
    print_accuracy(console_, part() + " accuracy", evaluation_, baselines_);
    if (part() == "validation" && best_epoch_ > 0) {
      console_.result("  this part also chose the epoch: --split 80/10/10 sets a test part aside");
    }
    console_.result(join("training: ", format_duration(seconds_), ", ", settings_.epochs,
                         " epochs, ", std::lround(rate), " images/s on ", device));
    console_.result("model: " + model_file_.string());
    console_.result("report: " + folder_->file("report.html").string());
    console_.json_result(result);
  }

  nlohmann::json result_json(double rate, const std::string& device) const {
    const Interval interval = evaluation_.interval();
    nlohmann::json result = {{"app", "cnn"},
                             {"network", settings_.network},
                             {"part", part()},
                             {"accuracy", evaluation_.accuracy()},
                             {"low", interval.low},
                             {"high", interval.high},
                             {"correct", evaluation_.correct},
                             {"total", evaluation_.total},
                             {"loss", evaluation_.loss()},
                             {"epochs", settings_.epochs},
                             {"best_epoch", best_epoch_},
                             {"seconds", seconds_},
                             {"images_per_second", rate},
                             {"device", device},
                             {"run", folder_->path().string()},
                             {"model", model_file_.string()},
                             {"report", folder_->file("report.html").string()}};
    result["baselines"] = nlohmann::json::array();
    for (const BaselineResult& baseline : baselines_) {
      result["baselines"].push_back(to_json(baseline));
    }
    return result;
  }

  Console& console_;
  TrainSettings settings_;
  Device device_ = Device::cpu();
  std::optional<RunFolder> folder_;
  ImageDataset data_;
  std::vector<Split> splits_;

  ModelInfo info_;
  std::optional<Store> store_;  // of the last fold
  Evaluation evaluation_;       // of all folds together
  std::vector<std::int64_t> items_;
  std::vector<BaselineResult> nearest_, ridge_;  // one a fold
  std::vector<BaselineResult> baselines_;
  int best_epoch_ = 0;
  double seconds_ = 0;       // training and evaluation
  double step_seconds_ = 0;  // training alone
  double images_ = 0;
  Precision precision_ = Precision::automatic;
  fs::path model_file_;
};

}  // namespace

Command train_command() {
  auto flags = std::make_shared<TrainFlags>();
  return {.name = "train",
          .help = "Trains a network and writes a run folder with model, metrics and report.",
          .add_flags = [flags](CommandFlags& command) { add_train_flags(command, *flags); },
          .run = [flags](Console& console) { TrainRun(console, *flags).run(); }};
}

}  // namespace engine::apps::cnn
