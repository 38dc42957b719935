#include "engine/apps/style_transfer/style_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>

#include <unistd.h>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/interrupt.h"
#include "engine/apps/run/run_folder.h"
#include "engine/apps/style_transfer/memory.h"
#include "engine/apps/style_transfer/painter.h"
#include "engine/apps/style_transfer/pictures.h"
#include "engine/apps/style_transfer/report.h"
#include "engine/core/cpu_info.h"

namespace engine::apps::style_transfer {
namespace fs = std::filesystem;
namespace {

constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;

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

Tensor noise_picture(const Shape& shape, std::uint64_t seed) {
  return initialize(init::uniform(0, 255), shape, DType::f32, seed, "style_transfer noise");
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
    load();
    settings_.device.threads = device.threads();
    device_ = join(device, device.is_cpu() ? ", " + cpu_model() : std::string());
    scales_ = make_scales(settings_);
    const MemoryCheck memory = check_memory(settings_, objective_, content_, scales_.back().size);
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
      ScaleStart from = start ? std::move(*start) : first_start(i);
      from.total_steps = settings_.iterations;
      if (is_resumed) {
        from.gradient_descent_rate = state.at("gradient_descent_rate").get<double>();
      }
      Painter painter(settings_, objective_, targets_of(i), from);
      precision_ = painter.precision();
      if (is_resumed) painter.restore(folder_->checkpoint());
      paint(painter, i, progress);
      if (i + 1 < scales_.size()) start = painter.next_scale(content_at(i + 1).shape());
      result_ = painter.picture();
    }
    finish();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void load() {
    content_ = load_picture(settings_.content, settings_.size);
    for (const std::string& style : settings_.styles) {
      styles_.push_back(load_picture(
          style, static_cast<int>(std::lround(settings_.size * settings_.style_scale))));
      if (settings_.colors == "matched") styles_.back() = with_colors_of(styles_.back(), content_);
    }
    if (settings_.init != "content" && settings_.init != "noise") {
      init_ = load_picture(settings_.init, settings_.size);
    }
    encoder_ = load_encoder(settings_.weights);
    StyleSettings& s = settings_;
    if (s.content_layers.empty()) s.content_layers = encoder_.content_layers;
    if (s.style_layers.empty()) s.style_layers = encoder_.style_layers;
    if (s.style_weight < 0) s.style_weight = encoder_.style_weight;
    if (s.variation_weight < 0) s.variation_weight = encoder_.variation_weight;
    objective_ = make_objective(s, encoder_);
    console_.note(join("encoder ", encoder_name()));
    if (encoder_.is_built_in) console_.note(remark());
  }

  std::string encoder_name() const {
    return join(encoder_.shape.name, encoder_.is_built_in ? ", built in" : ", ",
                encoder_.is_built_in ? "" : encoder_.file.string(),
                encoder_.is_checked ? "" : " (no stored activation to check it by)");
  }

  std::string remark() const {
    return "The built-in encoder was trained on 32 x 32 pictures: it knows colours and brush "
           "strokes, not objects. VGG-19 paints better: scripts/fetch_vgg19.sh, then --weights.";
  }

  Tensor content_at(std::size_t scale) const {
    return scaled_pixels(content_, scales_[scale].size);
  }

  ScaleStart first_start(std::size_t scale) const {
    const Tensor content = content_at(scale);
    if (settings_.init == "noise") {
      return {.image = noise_picture(content.shape(), settings_.seed)};
    }
    if (!init_.pixels.empty()) {
      return {.image = resized_like(scaled_pixels(init_, scales_[scale].size), content.shape())};
    }
    return {.image = content.clone()};
  }

  Targets targets_of(std::size_t scale) const {
    Targets targets = measure(objective_, content_at(scale), settings_.device, false);
    for (std::size_t i = 0; i < styles_.size(); ++i) {
      const int size = static_cast<int>(std::lround(scales_[scale].size * settings_.style_scale));
      Targets style;
      try {
        style = measure(objective_, scaled_pixels(styles_[i], size), settings_.device, true);
      } catch (const InvalidArgument& error) {
        throw UsageError(join(settings_.styles[i], " at ", size, " pixels: ", error.what()));
      }
      add_style(style, settings_.style_weights[i], targets);
    }
    return targets;
  }

  // Weighted sums of squared distances to several matrices have the gradient of the distance to
  // their mean.
  static void add_style(const Targets& style, double weight, Targets& targets) {
    for (std::size_t layer = 0; layer < style.style.size(); ++layer) {
      if (targets.style.size() <= layer) {
        targets.style.push_back(
            Tensor::zeros(style.style[layer].shape(), DType::f32, Device::cpu()));
      }
      const auto sum = targets.style[layer].span<float>();
      const auto part = style.style[layer].span<float>();
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<float>(weight) * part[i];
    }
  }

  nlohmann::json resumed_state() const {
    std::error_code error;
    if (!fs::exists(folder_->checkpoint(), error)) return nullptr;
    return nlohmann::json::parse(saved_json(folder_->checkpoint()));
  }

  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(Clock::now() - begin_).count();
  }

  void paint(Painter& painter, std::size_t scale, Progress& progress) {
    std::int64_t end = 0;
    for (std::size_t i = 0; i <= scale; ++i) end += scales_[i].iterations;
    int fallbacks = painter.fallbacks();
    while (painter.step() < end) {
      const std::int64_t first = painter.step();
      const std::int64_t next = std::min(end, (first / settings_.preview + 1) * settings_.preview);
      while (painter.step() < next && !interrupted()) {
        painter.run(1);
        append(painter, scale);
        progress.update(painter.step(), join(scales_[scale].size, " pixels"));
      }
      if (painter.fallbacks() > fallbacks) {
        fallbacks = painter.fallbacks();
        console_.note(join("iteration ", painter.step(),
                           ": L-BFGS diverged; it went back and began anew with shorter steps"));
      }
      preview(painter, scale);
      if (interrupted()) {
        throw Interrupted(join("stopped after iteration ", painter.step(), " of ",
                               settings_.iterations, "; continue with --resume ",
                               folder_->path().string()));
      }
      if (painter.is_stalled()) {
        console_.note(
            join("iteration ", painter.step(), ": L-BFGS finds no better picture at this scale"));
        return;
      }
    }
  }

  void append(const Painter& painter, std::size_t scale) {
    const Painter::Losses losses = painter.losses(painter.step() - 1);
    if (!std::isfinite(losses.total) && !settings_.optimizer.starts_with("lbfgs")) {
      throw Error(join("the loss is no longer finite at iteration ", painter.step(),
                       "; try a smaller --learning-rate; the last preview is ",
                       folder_->file("preview.png").string()));
    }
    log_->append({{"iteration", painter.step()},
                  {"size", scales_[scale].size},
                  {"loss", losses.total},
                  {"content_loss", losses.content},
                  {"style_loss", losses.style},
                  {"variation_loss", losses.variation},
                  {"seconds", std::round(seconds() * 1000) / 1000}});
  }

  void preview(const Painter& painter, std::size_t scale) {
    painter.save(
        folder_->checkpoint(),
        nlohmann::json{{"scale", scale}, {"iteration", painter.step()}, {"seconds", seconds()}}
            .dump());
    const Image image = finished(painter.picture());
    write_png(folder_->file("preview.png"), image);
    folder_->write_text("report.html", report(image, painter.step(), time_left(painter, scale)));
    if (console_.options().verbosity > 0 || !console_.is_terminal()) {
      const Painter::Losses losses = painter.losses(painter.step() - 1);
      char text[96];
      std::snprintf(text, sizeof(text), "  loss %.4g (content %.4g, style %.4g)  ", losses.total,
                    losses.content, losses.style);
      console_.note(join("iteration ", painter.step(), "/", settings_.iterations, text,
                         format_duration(seconds())));
    }
  }

  // An iteration's time grows with the pixels.
  double time_left(const Painter& painter, std::size_t scale) const {
    double work_done = 0, work_left = 0;
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < scales_.size(); ++i) {
      const double pixels = static_cast<double>(scales_[i].size) * scales_[i].size;
      const std::int64_t done = i < scale    ? scales_[i].iterations
                                : i == scale ? painter.step() - begin
                                             : 0;
      work_done += pixels * static_cast<double>(done);
      work_left += pixels * static_cast<double>(scales_[i].iterations - done);
      begin += scales_[i].iterations;
    }
    return work_done > 0 ? seconds() * work_left / work_done : 0;
  }

  Image finished(const Tensor& picture) const {
    if (settings_.colors != "content") return to_image(picture);
    const Image content = content_;
    const Tensor colors = resized_like(
        scaled_pixels(content, static_cast<int>(std::max(picture.shape()[1], picture.shape()[2]))),
        picture.shape());
    return to_image(with_chroma_of(picture, colors));
  }

  std::string report(const Image& image, std::int64_t iteration, double left) const {
    return style_report({.settings = &settings_,
                         .content = content_,
                         .result = image,
                         .styles = styles_,
                         .rows = &log_->rows(),
                         .iteration = static_cast<int>(iteration),
                         .iterations = settings_.iterations,
                         .seconds = seconds(),
                         .seconds_left = left,
                         .encoder = encoder_name(),
                         .device = join(device_, ", ", name_of(precision_)),
                         .memory_gib = static_cast<double>(planned_) / kGibibyte,
                         .remark = encoder_.is_built_in ? remark() : std::string()});
  }

  void finish() {
    const Image image = finished(result_);
    if (settings_.output.ends_with(".png")) {
      write_png(settings_.output, image);
    } else {
      write_jpeg(settings_.output, image);
    }
    folder_->write_text("report.html", report(image, settings_.iterations, 0));
    const nlohmann::json& last = log_->rows().back();
    const double peak = static_cast<double>(peak_resident_bytes()) / kGibibyte;
    const nlohmann::json result = {
        {"app", "style_transfer"},
        {"output", settings_.output},
        {"width", image.width},
        {"height", image.height},
        {"iterations", last.at("iteration")},
        {"loss", last.at("loss")},
        {"content_loss", last.at("content_loss")},
        {"style_loss", last.at("style_loss")},
        {"seconds", seconds()},
        {"seconds_per_iteration", seconds_per_iteration()},
        {"memory_planned_gib", static_cast<double>(planned_) / kGibibyte},
        {"memory_peak_gib", peak},
        {"device", device_},
        {"precision", std::string(name_of(precision_))},
        {"encoder", encoder_name()},
        {"run", folder_->path().string()},
        {"report", folder_->file("report.html").string()}};
    folder_->finish(result);
    char text[128];
    std::snprintf(text, sizeof(text), "%s, %.3f s an iteration at %d pixels, %.2f GiB at most",
                  format_duration(seconds()).c_str(), seconds_per_iteration(), settings_.size,
                  peak);
    console_.result("picture: " + settings_.output);
    console_.result(text);
    console_.result("report: " + folder_->file("report.html").string());
    console_.json_result(result);
  }

  // The median at the last scale.
  double seconds_per_iteration() const {
    std::vector<double> times;
    const auto& rows = log_->rows();
    for (std::size_t i = 1; i < rows.size(); ++i) {
      const bool is_last = rows[i].at("size") == scales_.back().size &&
                           rows[i - 1].at("size") == scales_.back().size;
      if (is_last) {
        times.push_back(rows[i].at("seconds").get<double>() -
                        rows[i - 1].at("seconds").get<double>());
      }
    }
    if (times.empty()) return 0;
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                     times.end());
    return times[times.size() / 2];
  }

  Console& console_;
  StyleSettings settings_;
  std::optional<RunFolder> folder_;
  std::optional<MetricsLog> log_;
  std::string device_;
  Precision precision_ = Precision::automatic;
  std::vector<Scale> scales_;
  Image content_, init_;
  std::vector<Image> styles_;
  Encoder encoder_;
  Objective objective_;
  Tensor result_;
  std::int64_t planned_ = 0;
  double seconds_before_ = 0;
  Clock::time_point begin_;
};

}  // namespace

void run_style(Console& console, const StyleRequest& request) {
  return_freed_memory();
  StyleRun(console, request).run();
}

}  // namespace engine::apps::style_transfer
