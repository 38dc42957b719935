#include "engine/apps/run/options.h"

#include <charconv>

#include <CLI/CLI.hpp>

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

void add_device_flags(CLI::App& command, DeviceOptions& options) {
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:1")
      ->capture_default_str()
      ->group("Device");
  command.add_option("--precision", options.precision, "auto, f32, tf32 or bf16")
      ->check(CLI::IsMember({"auto", "f32", "tf32", "bf16"}))
      ->capture_default_str()
      ->group("Device");
  command.add_option("--threads", options.threads, "CPU threads; 0: one per physical core")
      ->check(CLI::Range(0, 1024))
      ->group("Device");
}

void add_training_flags(CLI::App& command, TrainingOptions& options) {
  command.add_option("--epochs", options.epochs, "passes over the training part")
      ->check(CLI::Range(1, 1000000))
      ->group("Training");
  command.add_option("--batch", options.batch, "items a step")
      ->check(CLI::Range(1, 65536))
      ->group("Training");
  command.add_option("--learning-rate", options.learning_rate, "peak of the schedule")
      ->check(CLI::PositiveNumber)
      ->group("Training");
  command.add_option("--seed", options.seed, "of weights, shuffling, augmentation and split")
      ->capture_default_str()
      ->group("Training");
  command
      .add_option("--split", options.split,
                  "train/validation/test shares, 80/10/10 unless the data has its own test part")
      ->group("Training");
}

void add_run_flags(CLI::App& command, RunOptions& options) {
  command.add_option("--data", options.data,
                     "folder with a folder of pictures per class, or with IDX files; or an archive "
                     "(.tar.gz, .tar, .zip)");
  command.add_option("--out", options.out, "run folder, new or empty; default runs/...-NNN");
  add_resume_flag(command, options);
}

void add_resume_flag(CLI::App& command, RunOptions& options) {
  const auto others = command.get_options(
      [](const CLI::Option* option) { return option->get_name().rfind("--help", 0) != 0; });
  CLI::Option* resume = command
                            .add_option("--resume", options.resume,
                                        "continue an unfinished run, the newest if none is named")
                            ->expected(0, 1);
  for (CLI::Option* option : others) resume->excludes(option);
  command.parse_complete_callback([&options, resume] { options.is_resume = resume->count() > 0; });
}

PictureSize parse_size(const std::string& text) {
  const std::size_t cross = text.find('x');
  const int height = parse_extent(std::string_view(text).substr(0, cross), text);
  if (cross == std::string::npos) return {height, height};
  return {height, parse_extent(std::string_view(text).substr(cross + 1), text)};
}

}  // namespace engine::apps
