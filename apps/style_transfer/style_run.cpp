#include "engine/apps/style_transfer/style_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <unistd.h>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/interrupt.h"
#include "engine/apps/run/run_folder.h"
#include "engine/apps/style_transfer/inputs.h"
#include "engine/apps/style_transfer/memory.h"
#include "engine/apps/style_transfer/painter.h"
#include "engine/apps/style_transfer/pictures.h"
#include "engine/apps/style_transfer/report.h"
#include "engine/apps/style_transfer/timing.h"
#include "engine/core/cpu_info.h"
#include "engine/core/safetensors.h"

namespace engine::apps::style_transfer {
namespace fs = std::filesystem;
namespace {

constexpr double kBlockSeconds = 0.2;  // of iterations that are enqueued together
constexpr int kMostInBlock = 1000;     // the rings of losses are longer

// Before any work: whether the result can be written where it should go.
void check_output(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension != ".png" && extension != ".jpg" && extension != ".jpeg") {
    throw UsageError(join("-o ", path.string(), ": the name must end in .png, .jpg or .jpeg"));
  }
  std::error_code error;
  if (fs::is_directory(path, error)) throw UsageError(join("-o ", path.string(), ": is a folder"));
  const fs::path folder = path.parent_path();
  if (!fs::is_directory(folder, error)) {
    throw IoError(join("-o ", path.string(), ": there is no folder ", folder.string()));
  }
  if (access(folder.c_str(), W_OK) != 0) {
    throw IoError(join("-o ", path.string(), ": cannot write into ", folder.string()));
  }
}

// "loss 1.2e+03 (content 800, style 0.4)"; what is not finite is null in rows that were read back.
std::string describe_losses(const nlohmann::json& row) {
  const auto at = [&](const char* name) {
    return row.at(name).is_number() ? row.at(name).get<double>() : std::nan("");
  };
  char text[96];
  std::snprintf(text, sizeof(text), "loss %.4g (content %.4g, style %.4g)", at("loss"),
                at("content_loss"), at("style_loss"));
  return text;
}

// One `style_transfer run`, from loading to the result.
class StyleRun {
 public:
  StyleRun(Console& console, const StyleRequest& request) : console_(console) {
    if (request.is_resume) {
      folder_.emplace(RunFolder::resume(request.folder, "style_transfer"));
      settings_ = parse_style_settings(folder_->config(), folder_->file("config.json").string());
      check_output(settings_.output);
    } else {
      settings_ = request.settings;
      if (!request.folder.empty()) RunFolder::require_new(request.folder);
      check_output(settings_.output);
    }
    const Device device = settings_.device.open();
    device_ = join(device, device.is_cpu() ? ", " + cpu_model() : std::string());
    inputs_.emplace(settings_);
    console_.note(join("encoder ", inputs_->encoder_name()));
    if (inputs_->encoder().is_built_in) console_.note(remark());
    if (folder_) inputs_->require_unchanged(settings_.hashes);
    settings_.hashes = inputs_->hashes();
    settings_.device = settings_.device.resolved(device);
    scales_ = make_scales(settings_);
    inputs_->check_sizes(scales_);
    const MemoryCheck memory = check_memory(settings_, *inputs_, scales_.back().size);
    planned_ = memory.planned;
    console_.note(join("memory: ", gibibytes(memory.planned), " planned, ", gibibytes(memory.room),
                       " may be used"));
    if (!folder_) {
      folder_.emplace(RunFolder::create(request.folder, "style_transfer", to_json(settings_)));
    }
    console_.note(join("run folder ", folder_->path().string()));
  }

  void run() {
    const nlohmann::json state = resumed_state();
    const auto first = state.is_null() ? std::size_t{0} : state.at("scale").get<std::size_t>();
    const std::int64_t done = state.is_null() ? 0 : state.at("iteration").get<std::int64_t>();
    if (!state.is_null()) seconds_before_ = state.at("seconds").get<double>();
    log_.emplace(folder_->path(),
                 std::vector<std::string>{"iteration", "size", "loss", "content_loss", "style_loss",
                                          "variation_loss", "seconds"},
                 [&](const nlohmann::json& row) { return row.value("iteration", 0) <= done; });
    begin_ = Clock::now();
    Progress progress(console_, settings_.iterations, "iterations");
    progress.start_at(done);
    std::optional<ScaleStart> start;
    for (std::size_t i = first; i < scales_.size(); ++i) {
      const bool is_resumed = !state.is_null() && i == first;
      ScaleStart from =
          start ? std::move(*start) : ScaleStart{.image = inputs_->start_at(scales_[i].size)};
      from.total_steps = settings_.iterations;
      if (is_resumed) {
        from.step = state.at("first_step").get<std::int64_t>();
        from.gradient_descent_rate = state.at("gradient_descent_rate").get<double>();
      }
      Painter painter(settings_, inputs_->objective(), inputs_->targets_at(scales_[i].size), from);
      precision_ = painter.precision();
      if (is_resumed) painter.restore(newest_safetensors(folder_->checkpoint()));
      paint(painter, i, progress);
      if (i + 1 < scales_.size())
        start = painter.next_scale(inputs_->content_shape(scales_[i + 1].size));
      result_ = painter.picture();
    }
    finish();
  }

 private:
  using Clock = std::chrono::steady_clock;

  std::string remark() const {
    return "The built-in encoder was trained on 32 x 32 pictures: it knows colours and brush "
           "strokes, not objects. VGG-19 paints better: scripts/fetch_vgg19.sh, then --weights.";
  }

  nlohmann::json resumed_state() const {
    const fs::path checkpoint = newest_safetensors(folder_->checkpoint());
    return checkpoint.empty() ? nlohmann::json() : nlohmann::json::parse(saved_json(checkpoint));
  }

  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(Clock::now() - begin_).count();
  }

  void paint(Painter& painter, std::size_t scale, Progress& progress) {
    std::int64_t end = 0;
    for (std::size_t i = 0; i <= scale; ++i) end += scales_[i].iterations;
    int fallbacks = painter.fallbacks();
    block_ = 1;
    while (painter.step() < end && !painter.is_stalled()) {
      const std::int64_t first = painter.step();
      const std::int64_t next = std::min(end, (first / settings_.preview + 1) * settings_.preview);
      while (painter.step() < next && !painter.is_stalled() && !interrupted()) {
        run_block(painter, scale, next - painter.step());
        progress.update(painter.step(), join(scales_[scale].size, " pixels"));
      }
      if (painter.fallbacks() > fallbacks) {
        fallbacks = painter.fallbacks();
        console_.note(join("iteration ", painter.step(),
                           ": L-BFGS diverged; it went back and began anew with shorter steps"));
      }
      if (painter.step() > 0) preview(painter, scale);
      if (interrupted()) {
        throw Interrupted(join("stopped after iteration ", painter.step(), " of ",
                               settings_.iterations, "; continue with --resume ",
                               folder_->path().string()));
      }
    }
    if (painter.is_stalled()) {
      console_.note(
          join("iteration ", painter.step(), ": L-BFGS finds no better picture at this scale"));
    }
  }

  // At most `most` iterations that nobody looks at before the last one is done, so that a GPU does
  // not wait for the host after each: as many as take kBlockSeconds. Whether L-BFGS is stalled is
  // asked after every iteration: a run must not end otherwise where it was stopped in between.
  void run_block(Painter& painter, std::size_t scale, std::int64_t most) {
    const std::int64_t first = painter.step(), count = std::min(most, block_);
    const double begin = seconds();
    painter.run(count);
    const std::vector<Painter::Losses> losses = painter.losses(first, first + count);
    const double each = (seconds() - begin) / static_cast<double>(count);
    for (std::int64_t i = 0; i < count; ++i) {
      append(losses[static_cast<std::size_t>(i)], first + i + 1, scale,
             begin + each * static_cast<double>(i + 1));
    }
    if (settings_.optimizer.starts_with("lbfgs")) return;
    block_ = static_cast<std::int64_t>(
        std::clamp(kBlockSeconds / std::max(each, 1e-6), 1.0, double{kMostInBlock}));
  }

  void append(const Painter::Losses& losses, std::int64_t iteration, std::size_t scale,
              double at_seconds) {
    if (!std::isfinite(losses.total) && !settings_.optimizer.starts_with("lbfgs")) {
      throw Error(join("the loss is no longer finite at iteration ", iteration,
                       "; try a smaller --learning-rate; the last preview is ",
                       folder_->file("preview.png").string()));
    }
    log_->append({{"iteration", iteration},
                  {"size", scales_[scale].size},
                  {"loss", losses.total},
                  {"content_loss", losses.content},
                  {"style_loss", losses.style},
                  {"variation_loss", losses.variation},
                  {"seconds", std::round(at_seconds * 1e6) / 1e6}});
  }

  void preview(const Painter& painter, std::size_t scale) {
    painter.save(
        folder_->checkpoint(),
        nlohmann::json{{"scale", scale}, {"iteration", painter.step()}, {"seconds", seconds()}}
            .dump());
    const Image image = finished(painter.picture());
    write_png(folder_->file("preview.png"), image);
    StyleReport page = report(image, painter.step());
    page.seconds_left = time_left(scales_, scale, painter.step(), seconds());
    folder_->write_text("report.html", style_report(page));
    if (console_.options().verbosity > 0 || !console_.is_terminal()) {
      console_.note(join("iteration ", painter.step(), "/", settings_.iterations, "  ",
                         describe_losses(log_->rows().back()), "  ", format_duration(seconds())));
    }
  }

  Image finished(const Tensor& picture) const {
    if (settings_.colors != "content") return to_image(picture);
    const int size = static_cast<int>(std::max(picture.shape()[1], picture.shape()[2]));
    return to_image(
        with_chroma_of(picture, resized_like(inputs_->content_at(size), picture.shape())));
  }

  StyleReport report(const Image& image, std::int64_t iteration) const {
    return {.settings = &settings_,
            .content = &inputs_->content(),
            .result = &image,
            .styles = &inputs_->styles(),
            .masks = &inputs_->masks(),
            .rows = &log_->rows(),
            .iteration = static_cast<int>(iteration),
            .iterations = settings_.iterations,
            .seconds = seconds(),
            .encoder = inputs_->encoder_name(),
            .device = join(device_, ", ", name_of(precision_)),
            .memory_gib = in_gibibytes(planned_),
            .remark = inputs_->encoder().is_built_in ? remark() : std::string()};
  }

  void finish() {
    const Image image = finished(result_);
    if (settings_.output.ends_with(".png")) {
      write_png(settings_.output, image);
    } else {
      write_jpeg(settings_.output, image);
    }
    const nlohmann::json& last = log_->rows().back();
    StyleReport page = report(image, last.at("iteration").get<std::int64_t>());
    page.is_finished = true;
    folder_->write_text("report.html", style_report(page));
    const double peak = in_gibibytes(peak_bytes(settings_.device.open()));
    const double per_iteration = seconds_per_iteration(log_->rows(), scales_.back().size);
    const nlohmann::json result = {{"app", "style_transfer"},
                                   {"output", settings_.output},
                                   {"width", image.width},
                                   {"height", image.height},
                                   {"iterations", last.at("iteration")},
                                   {"loss", last.at("loss")},
                                   {"content_loss", last.at("content_loss")},
                                   {"style_loss", last.at("style_loss")},
                                   {"seconds", seconds()},
                                   {"seconds_per_iteration", per_iteration},
                                   {"memory_planned_gib", in_gibibytes(planned_)},
                                   {"memory_peak_gib", peak},
                                   {"device", device_},
                                   {"precision", std::string(name_of(precision_))},
                                   {"encoder", inputs_->encoder_name()},
                                   {"run", folder_->path().string()},
                                   {"report", folder_->file("report.html").string()}};
    folder_->finish(result);
    char text[128];
    std::snprintf(text, sizeof(text), "%s, %.3f s an iteration at %d pixels, %.2f GiB at most",
                  format_duration(seconds()).c_str(), per_iteration, settings_.size, peak);
    console_.result("picture: " + settings_.output);
    console_.result(text);
    console_.result("report: " + folder_->file("report.html").string());
    console_.json_result(result);
  }

  Console& console_;
  StyleSettings settings_;
  std::optional<RunFolder> folder_;
  std::optional<MetricsLog> log_;
  std::string device_;
  Precision precision_ = Precision::automatic;
  std::vector<Scale> scales_;
  std::optional<StyleInputs> inputs_;
  Tensor result_;
  std::int64_t planned_ = 0;
  std::int64_t block_ = 1;  // iterations to enqueue together
  double seconds_before_ = 0;
  Clock::time_point begin_;
};

}  // namespace

void run_style(Console& console, const StyleRequest& request) {
  return_freed_memory();
  StyleRun(console, request).run();
}

}  // namespace engine::apps::style_transfer
