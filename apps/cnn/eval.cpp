#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <optional>

#include "engine/apps/cnn/baseline_report.h"
#include "engine/apps/cnn/commands.h"
#include "engine/apps/cnn/predictor.h"
#include "engine/apps/cnn/settings.h"
#include "engine/apps/data/content_hash.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/run_folder.h"

namespace engine::apps::cnn {
namespace fs = std::filesystem;
namespace {

struct EvalFlags {
  std::string model;
  std::string data;
  std::string split;
  DeviceOptions device;
  bool no_baselines = false;
};

// The run that made a model, where its folder is still around it.
struct Origin {
  TrainSettings settings;
  int fold = 0;
};

std::optional<Origin> find_origin(const fs::path& model_file) {
  const fs::path path = model_file.parent_path() / "config.json";
  std::ifstream file(path);
  const nlohmann::json config = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  // Other programs have files of this name too.
  if (!config.is_object() || config.value("app", nlohmann::json()) != "cnn") return std::nullopt;
  Origin origin{parse_train_settings(config, path.string())};
  const std::string stem = model_file.stem().string();
  if (stem.rfind("fold-", 0) == 0) origin.fold = std::atoi(stem.c_str() + 5);
  return origin;
}

Split split_of(const Origin& origin, const ImageDataset& data) {
  const std::vector<Split> splits = make_splits(origin.settings, data);
  const auto index = static_cast<std::size_t>(std::max(origin.fold - 1, 0));
  if (index >= splits.size()) throw IoError("the model's fold is not one of its run");
  return splits[index];
}

std::vector<std::int64_t> range(std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> items(static_cast<std::size_t>(end - begin));
  std::iota(items.begin(), items.end(), begin);
  return items;
}

// The training and validation items of `a` followed by `test` items of `b`, with the split that
// says so.
std::pair<ImageDataset, Split> combine(const ImageDataset& a, const Split& learned,
                                       const ImageDataset& b,
                                       const std::vector<std::int64_t>& test) {
  std::vector<std::int64_t> items = learned.train;
  items.insert(items.end(), learned.validation.begin(), learned.validation.end());
  const ImageDataset first = subset(a, items);
  const ImageDataset second = subset(b, test);
  ImageDataset both = first;
  const std::int64_t n = first.count(), m = second.count();
  both.images = Tensor::empty(first.images.shape().with(0, n + m), DType::u8, Device::cpu());
  both.images.rows(0, n).copy_from(first.images);
  both.images.rows(n, n + m).copy_from(second.images);
  both.labels = Tensor::empty({n + m}, DType::i32, Device::cpu());
  both.labels.rows(0, n).copy_from(first.labels);
  both.labels.rows(n, n + m).copy_from(second.labels);
  both.names.insert(both.names.end(), second.names.begin(), second.names.end());
  const auto trained = static_cast<std::int64_t>(learned.train.size());
  Split split{.train = range(0, trained), .validation = range(trained, n), .test = range(n, n + m)};
  return {std::move(both), std::move(split)};
}

class EvalRun {
 public:
  EvalRun(Console& console, const EvalFlags& flags)
      : console_(console),
        flags_(flags),
        device_(flags.device.open()),
        model_(load_classifier(flags.model, device_)),
        origin_(find_origin(model_.file)) {}

  void run() {
    choose_data();
    const ImageDataset chosen = subset(data_, items_);
    Predictor predictor(model_.info, model_.store,
                        {.batches = {64}, .precision = flags_.device.parsed_precision()});
    const auto begin = std::chrono::steady_clock::now();
    const Evaluation evaluation =
        evaluate(predictor.logits(chosen.images), chosen.label_span(),
                 static_cast<std::int64_t>(model_.info.labels.size()), model_.info.threshold);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const std::vector<BaselineResult> baselines =
        flags_.no_baselines ? std::vector<BaselineResult>() : baselines_beside();
    print(evaluation, baselines, seconds);
  }

 private:
  void choose_data() {
    console_.status("loading ...");
    if (flags_.data.empty()) {
      if (!origin_) {
        throw UsageError(join("--data is needed: there is no config.json beside ",
                              model_.file.string(), " that would say what the model learned from"));
      }
      data_ = load_data(origin_->settings);
      const Split split = split_of(*origin_, data_);
      items_ = split.test.empty() ? split.validation : split.test;
      part_ = split.test.empty() ? "validation part" : "test part";
      is_training_data_ = true;
    } else {
      std::error_code error;
      const fs::path path = fs::canonical(flags_.data, error);
      if (error) throw IoError(join("--data ", flags_.data, ": ", error.message()));
      data_ = load_dataset(path, {.height = model_.info.height,
                                  .width = model_.info.width,
                                  .channels = model_.info.channels,
                                  .fit = model_.info.fit,
                                  .threads = device_.threads(),
                                  .classes = model_.info.labels});
      is_training_data_ = origin_ && origin_->settings.data == path.string() &&
                          origin_->settings.data_hash == hash_of(data_);
      choose_items();
    }
    console_.clear_status();
    warn_of_training_pictures();
    for (const std::string& skipped : data_.skipped) console_.warning("skipped " + skipped);
    if (items_.empty()) throw IoError("there is no picture to evaluate");
    if (data_.classes != model_.info.labels) {
      throw IoError("the classes of the data are not those of the model");
    }
  }

  void choose_items() {
    if (!flags_.split.empty() && flags_.split != "all") {
      const std::uint64_t seed = origin_ ? origin_->settings.seed : 1;
      const Split split = stratified_split(data_.label_span(), parse_split(flags_.split), seed);
      items_ = split.test;
      part_ = "test part of " + flags_.split;
      return;
    }
    const bool own_test = flags_.split.empty() && data_.test_begin.has_value();
    items_ = range(own_test ? *data_.test_begin : 0, data_.count());
    part_ = own_test ? "the data's own test part" : "all pictures";
  }

  void warn_of_training_pictures() {
    if (!is_training_data_) return;
    const std::vector<std::int64_t> learned = split_of(*origin_, data_).train;
    const auto count = std::count_if(items_.begin(), items_.end(), [&](std::int64_t item) {
      return std::binary_search(learned.begin(), learned.end(), item);
    });
    if (count == 0) return;
    console_.warning(join("note: the model learned from ", count, " of these ", items_.size(),
                          " pictures; without --data only those are used that it did not see"));
  }

  // The baselines learn from what the model learned from.
  std::vector<BaselineResult> baselines_beside() {
    if (!origin_) {
      console_.note("baselines: not computed, since the run that made this model is not here");
      return {};
    }
    ImageDataset other;
    if (!is_training_data_) {
      try {
        other = load_data(origin_->settings);
      } catch (const Error& error) {
        const std::string text = error.what();
        console_.note("baselines: not computed: " + text.substr(0, text.find('\n')));
        return {};
      }
    }
    const ImageDataset& source = is_training_data_ ? data_ : other;
    Split learned = split_of(*origin_, source);
    // What a baseline is judged on must not choose its penalty too.
    if (flags_.data.empty() && learned.test.empty()) learned.validation.clear();
    const auto [both, split] = combine(source, learned, data_, items_);
    return run_baselines(both, split, device_.threads(), console_);
  }

  void print(const Evaluation& evaluation, const std::vector<BaselineResult>& baselines,
             double seconds) {
    print_accuracy(console_, "accuracy on " + part_, evaluation, baselines);
    const ConfusionMatrix confusion = evaluation.confusion(model_.info.labels);
    nlohmann::json classes = nlohmann::json::object();
    for (std::size_t truth = 0; truth < confusion.classes.size(); ++truth) {
      std::int64_t total = 0;
      for (std::size_t p = 0; p < confusion.classes.size(); ++p) total += confusion.at(truth, p);
      console_.result(
          join("  ", confusion.classes[truth], ": ", confusion.at(truth, truth), " of ", total));
      classes[confusion.classes[truth]] = {{"correct", confusion.at(truth, truth)},
                                           {"total", total}};
    }
    const Interval interval = evaluation.interval();
    nlohmann::json result = {{"app", "cnn"},
                             {"network", model_.info.network},
                             {"model", model_.file.string()},
                             {"part", part_},
                             {"accuracy", evaluation.accuracy()},
                             {"low", interval.low},
                             {"high", interval.high},
                             {"correct", evaluation.correct},
                             {"total", evaluation.total},
                             {"loss", evaluation.loss()},
                             {"seconds", seconds},
                             {"classes", classes}};
    result["baselines"] = nlohmann::json::array();
    for (const BaselineResult& baseline : baselines) {
      result["baselines"].push_back(to_json(baseline));
    }
    console_.json_result(result);
  }

  Console& console_;
  const EvalFlags& flags_;
  Device device_;
  LoadedModel model_;
  std::optional<Origin> origin_;
  ImageDataset data_;
  std::vector<std::int64_t> items_;
  std::string part_;
  bool is_training_data_ = false;
};

}  // namespace

Command eval_command() {
  auto flags = std::make_shared<EvalFlags>();
  const auto add_flags = [flags](CommandFlags& command) {
    command.add("--model", flags->model, "run folder or model file").required();
    const Flag data = command.add(
        "--data", flags->data,
        "folder or archive of labelled pictures; default: the test part of the model's run");
    command
        .add("--split", flags->split,
             "of --data: all, or shares such as 80/10/10, of which the test part is used")
        .needs(data);
    command.add_switch("--no-baselines", flags->no_baselines, "do not compute the two baselines");
    add_device_flags(command, flags->device);
  };
  return {.name = "eval",
          .help = "Measures a trained model on labelled pictures.",
          .add_flags = add_flags,
          .run = [flags](Console& console) { EvalRun(console, *flags).run(); }};
}

}  // namespace engine::apps::cnn
