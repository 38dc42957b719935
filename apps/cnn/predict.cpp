#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/apps/cnn/commands.h"
#include "engine/apps/cnn/evaluation.h"
#include "engine/apps/cnn/predictor.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/interrupt.h"
#include "engine/apps/run/options.h"

namespace engine::apps::cnn {
namespace fs = std::filesystem;
namespace {

struct PredictFlags {
  std::string model;
  std::vector<std::string> files;
  std::int64_t batch = 32;
  DeviceOptions device;
};

// Folders stand for the pictures in them.
std::vector<std::string> expand_folders(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      files.push_back(name);
      continue;
    }
    std::vector<std::string> inside;
    for (fs::directory_iterator it(name, error), end; !error && it != end; it.increment(error)) {
      const bool is_hidden = it->path().filename().string().front() == '.';
      if (it->is_regular_file(error) && !is_hidden) inside.push_back(it->path().string());
    }
    if (error) throw IoError(join(name, ": cannot read the folder: ", error.message()));
    if (inside.empty()) throw IoError(name + ": there is no picture in this folder");
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

class PredictRun {
 public:
  PredictRun(Console& console, const PredictFlags& flags)
      : console_(console),
        files_(expand_folders(flags.files)),
        model_(load_classifier(flags.model, flags.device.open())),
        predictor_(model_.info, model_.store,
                   {.batches = batches(flags), .precision = flags.device.parsed_precision()}),
        group_(static_cast<std::size_t>(flags.batch)) {}

  void run() {
    for (std::size_t begin = 0; begin < files_.size(); begin += group_) {
      if (interrupted()) throw Interrupted("stopped");
      run_group(begin, std::min(files_.size(), begin + group_));
    }
    console_.json_result(results_);
    if (failed_ > 0)
      throw IoError(join(failed_, " of ", files_.size(), " files could not be read"));
  }

 private:
  // One picture needs no larger executable than for one.
  std::vector<std::int64_t> batches(const PredictFlags& flags) const {
    std::vector<std::int64_t> sizes = {1};
    if (files_.size() > 1) sizes.push_back(flags.batch);
    return sizes;
  }

  void run_group(std::size_t begin, std::size_t end) {
    const ModelInfo& info = model_.info;
    std::vector<std::uint8_t> pixels;
    std::vector<std::string> errors(end - begin);
    std::int64_t rows = 0;
    for (std::size_t i = begin; i < end; ++i) {
      try {
        const Image image = fit_image(read_image(files_[i], {.channels = info.channels}),
                                      info.width, info.height, info.fit);
        pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
        ++rows;
      } catch (const Error& error) {
        const std::string text = error.what();
        errors[i - begin] = text.substr(0, text.find('\n'));
      }
    }
    std::vector<float> logits;
    if (rows > 0) {
      logits =
          predictor_.logits(Tensor::from(pixels, {rows, info.height, info.width, info.channels}));
    }
    const auto outputs = static_cast<std::size_t>(info.options.outputs);
    std::size_t row = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (errors[i - begin].empty()) {
        report(files_[i], std::span<const float>(logits).subspan(outputs * row++, outputs));
      } else {
        report_error(files_[i], errors[i - begin]);
      }
    }
  }

  void report(const std::string& file, std::span<const float> logits) {
    const std::vector<std::string>& labels = model_.info.labels;
    const std::vector<double> p = probabilities(logits);
    const std::size_t best =
        logits.size() == 1
            ? static_cast<std::size_t>(p[1] >= model_.info.threshold)
            : static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
    nlohmann::json all = nlohmann::json::object();
    for (std::size_t i = 0; i < labels.size(); ++i) all[labels[i]] = p[i];
    results_["predictions"].push_back({{"file", file},
                                       {"label", labels[best]},
                                       {"probability", p[best]},
                                       {"probabilities", all}});
    char percent[32];
    std::snprintf(percent, sizeof(percent), "%6.2f %%", 100 * p[best]);
    console_.result(join(file, ": ", labels[best], "  ", percent));
  }

  void report_error(const std::string& file, const std::string& error) {
    ++failed_;
    results_["predictions"].push_back({{"file", file}, {"error", error}});
    console_.warning(error);
  }

  Console& console_;
  std::vector<std::string> files_;
  LoadedModel model_;
  Predictor predictor_;
  std::size_t group_;
  nlohmann::json results_ = {{"app", "cnn"}, {"predictions", nlohmann::json::array()}};
  std::int64_t failed_ = 0;
};

}  // namespace

Command predict_command() {
  auto flags = std::make_shared<PredictFlags>();
  const auto add_flags = [flags](CommandFlags& command) {
    command.add("--model", flags->model, "run folder or model file").required();
    command.add("files", flags->files, "pictures, or folders of pictures").required();
    command.add("--batch", flags->batch, "pictures at a time, where there are many")
        .range(1, 65536)
        .show_default();
    add_device_flags(command, flags->device);
  };
  return {.name = "predict",
          .help = "Says what pictures show, with a probability.",
          .add_flags = add_flags,
          .run = [flags](Console& console) { PredictRun(console, *flags).run(); }};
}

}  // namespace engine::apps::cnn
