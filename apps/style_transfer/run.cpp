#include <memory>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/style_transfer/commands.h"
#include "engine/apps/style_transfer/masks.h"
#include "engine/apps/style_transfer/pictures.h"
#include "engine/apps/style_transfer/style_run.h"

namespace engine::apps::style_transfer {
namespace {

struct RunFlags {
  StyleSettings settings;
  RunOptions run;
};

void add_picture_flags(CommandFlags& command, StyleSettings& s) {
  command.add("content", s.content, "picture, scene:N or pattern:NAME");
  command.add("styles", s.styles, "pictures, scene:N or pattern:NAME");
  command.add("-o,--output", s.output, "the result, .png or .jpg");
  command.add("--size", s.size, "pixels of the longer side").range(16, 8192).show_default();
  command.add("--iterations", s.iterations, "over all scales").range(1, 1000000).show_default();
  command
      .add("--scales", s.scales,
           "coarse to fine, each half the next; default: down to 256 pixels, at most 3")
      .range(1, 6);
  command.add("--init", s.init, "content, noise or a picture").show_default();
  command.add("--seed", s.seed, "of the noise").show_default();
  command.add("--colors", s.colors, "style, content (its chroma) or matched")
      .one_of({"style", "content", "matched"})
      .show_default();
  command.add("--preview", s.preview, "iterations between previews")
      .range(1, 1000000)
      .show_default();
}

void add_loss_flags(CommandFlags& command, StyleSettings& s) {
  command.add("--style-weights", s.style_weights, "shares of several styles: 2,1")
      .separated_by(',')
      .positive()
      .group("Loss");
  command
      .add("--masks", s.masks,
           "where each style counts, in their order: pictures of the content's shape, white for "
           "yes; or half:left, right, top, bottom")
      .group("Loss");
  command.add("--style-scale", s.style_scale, "size of the styles, 1: as the result")
      .range(0.1, 4.0)
      .group("Loss");
  command
      .add("--content-layers", s.content_layers,
           "whose activations are kept: conv4_2 or conv4_2:0.5,conv5_1; default: the "
           "encoder's")
      .group("Loss");
  command
      .add("--style-layers", s.style_layers,
           "whose Gram matrices are matched: conv1_1:2,conv2_1; default: the encoder's")
      .group("Loss");
  command
      .add("--content-weight", s.content_weight,
           "how much the content's shapes count beside the style")
      .not_negative()
      .show_default()
      .group("Loss");
  command.add("--style-weight", s.style_weight, "how much the style counts; default: the encoder's")
      .not_negative()
      .group("Loss");
  command.add("--variation-weight", s.variation_weight, "smoothness; default: the encoder's")
      .not_negative()
      .group("Loss");
}

void add_method_flags(CommandFlags& command, StyleSettings& s) {
  command.add("--weights", s.weights, "VGG-16 or VGG-19, see scripts/convert_vgg.py")
      .group("Encoder");
  command.add("--pooling", s.pooling, "average or max")
      .one_of({"average", "max"})
      .show_default()
      .group("Encoder");
  command.add("--optimizer", s.optimizer, "adam, lbfgs, lbfgs-fixed or gd")
      .one_of({"adam", "lbfgs", "lbfgs-fixed", "gd"})
      .show_default()
      .group("Optimizer");
  command.add("--learning-rate", s.learning_rate, "default: as suits the optimizer")
      .positive()
      .group("Optimizer");
  command.add("--memory", s.memory_gib, "GiB that may be used; default: what is free")
      .positive()
      .group("Device");
  add_device_flags(command, s.device);
}

void add_flags(CommandFlags& command, RunFlags& flags) {
  add_picture_flags(command, flags.settings);
  add_loss_flags(command, flags.settings);
  add_method_flags(command, flags.settings);
  command.add("--out", flags.run.out, "run folder, new or empty; default runs/...-NNN");
  add_resume_flag(command, flags.run);
}

StyleSettings settings_from_flags(const RunFlags& flags) {
  StyleSettings s = flags.settings;
  if (s.content.empty() || s.styles.empty()) {
    throw UsageError("a content picture and at least one style are needed");
  }
  if (s.output.empty()) throw UsageError("-o is needed: where the result goes");
  s.content = absolute_name(s.content);
  for (std::string& style : s.styles) style = absolute_name(style);
  s.output = absolute_name(s.output);
  if (s.init != "content" && s.init != "noise") s.init = absolute_name(s.init);
  if (!s.weights.empty()) s.weights = absolute_name(s.weights);
  if (s.style_weights.empty()) s.style_weights.assign(s.styles.size(), 1.0);
  if (s.style_weights.size() != s.styles.size()) {
    throw UsageError(join("--style-weights: ", s.style_weights.size(), " weights for ",
                          s.styles.size(), " styles"));
  }
  for (std::string& mask : s.masks) {
    if (!is_built_in_mask(mask)) mask = absolute_name(mask);
  }
  if (!s.masks.empty() && s.masks.size() != s.styles.size()) {
    throw UsageError(join("--masks: ", s.masks.size(), " masks for ", s.styles.size(), " styles"));
  }
  double total = 0;
  for (const double weight : s.style_weights) total += weight;
  for (double& weight : s.style_weights) weight /= total;
  return s;
}

}  // namespace

Command run_command() {
  auto flags = std::make_shared<RunFlags>();
  return {.name = "run",
          .help = "Optimises a picture: the content's shapes, the style's colours and strokes.",
          .add_flags = [flags](CommandFlags& command) { add_flags(command, *flags); },
          .run =
              [flags](Console& console) {
                const bool is_resume = flags->run.is_resume;
                run_style(console,
                          {.settings = is_resume ? StyleSettings() : settings_from_flags(*flags),
                           .is_resume = is_resume,
                           .folder = is_resume ? flags->run.resume : flags->run.out});
              }};
}

}  // namespace engine::apps::style_transfer
