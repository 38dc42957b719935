#include "engine/apps/run/options.h"

#include <charconv>

#include "engine/apps/run/exit_codes.h"

namespace engine::apps {
namespace {

int parse_extent(std::string_view text, const std::string& whole) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 16384) {
    throw UsageError(join("--size ", whole, ": write 64 or 48x64 (height x width), 1 to 16384"));
  }
  return value;
}

}  // namespace

Device DeviceOptions::open() const {
  try {
    return Device::parse(device, {.threads = threads});
  } catch (const InvalidArgument& error) {
    throw UsageError(error.what());
  }
}

Precision DeviceOptions::parsed_precision() const {
  return parse_precision(precision);
}

DeviceOptions DeviceOptions::resolved(const Device& opened) const {
  DeviceOptions result = *this;
  result.device = opened.is_cpu() ? "cpu" : join(opened);
  if (opened.is_cpu()) result.threads = opened.threads();
  if (parsed_precision() == Precision::automatic) {
    result.precision = name_of(opened.has_bf16_matrix_units() ? Precision::bf16 : Precision::f32);
  }
  return result;
}

void add_device_flags(CommandFlags& command, DeviceOptions& options) {
  command.add("--device", options.device, "auto, cpu, cuda or cuda:1")
      .show_default()
      .group("Device");
  command.add("--precision", options.precision, "auto, f32, tf32 or bf16")
      .one_of({"auto", "f32", "tf32", "bf16"})
      .show_default()
      .group("Device");
  command.add("--threads", options.threads, "CPU threads; 0: one per physical core")
      .range(0, 1024)
      .group("Device");
}

void add_training_flags(CommandFlags& command, TrainingOptions& options) {
  command.add("--epochs", options.epochs, "passes over the training part")
      .range(1, 1000000)
      .group("Training");
  command.add("--batch", options.batch, "items a step").range(1, 65536).group("Training");
  command.add("--learning-rate", options.learning_rate, "peak of the schedule")
      .positive()
      .group("Training");
  command.add("--seed", options.seed, "of weights, shuffling, augmentation and split")
      .show_default()
      .group("Training");
  command
      .add("--split", options.split,
           "train/validation/test shares, 80/10/10 unless the data has its own test part")
      .group("Training");
}

void add_run_flags(CommandFlags& command, RunOptions& options) {
  command.add("--data", options.data,
              "folder with a folder of pictures per class, or with IDX files; or an archive "
              "(.tar.gz, .tar, .zip)");
  command.add("--out", options.out, "run folder, new or empty; default runs/...-NNN");
  add_resume_flag(command, options);
}

void add_resume_flag(CommandFlags& command, RunOptions& options) {
  const std::vector<Flag> others = command.all();
  Flag resume = command
                    .add("--resume", options.resume,
                         "continue an unfinished run, the newest if none is named")
                    .optional_value();
  for (const Flag& other : others) resume.excludes(other);
  command.when_parsed([&options, resume] { options.is_resume = resume.is_given(); });
}

PictureSize parse_size(const std::string& text) {
  const std::size_t cross = text.find('x');
  const int height = parse_extent(std::string_view(text).substr(0, cross), text);
  if (cross == std::string::npos) return {height, height};
  return {height, parse_extent(std::string_view(text).substr(cross + 1), text)};
}

}  // namespace engine::apps
