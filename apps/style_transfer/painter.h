#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "engine/apps/style_transfer/objective.h"
#include "engine/core/executable.h"

namespace engine::apps::style_transfer {

// How one scale begins.
struct ScaleStart {
  Tensor image;  // f32 [1, h, w, 3], 0..255
  // Adam's moments from the scale before, resampled to the image's size; undefined at first.
  Tensor first_moment, second_moment;
  std::int64_t step = 0;             // of the clock: iterations done in earlier scales
  std::int64_t total_steps = 0;      // of all scales, for the schedule
  double gradient_descent_rate = 0;  // gd: chosen at the first scale; 0: not yet
};

// The picture of one scale as the only trainable entry of a store, and the step that improves it.
class Painter {
 public:
  Painter(const StyleSettings& settings, const Objective& objective, const Targets& targets,
          const ScaleStart& start);

  void run(std::int64_t steps) { step_->run(steps); }  // enqueues them on a GPU
  std::int64_t step() const { return store_.step(); }
  Precision precision() const { return step_->precision(); }

  // The picture so far: the averaged iterates, the best point of L-BFGS, or the iterate itself; the
  // start before the first step.
  Tensor picture() const;
  // What the next scale begins with.
  ScaleStart next_scale(const Shape& image) const;

  struct Losses {
    float total = 0, content = 0, style = 0, variation = 0;
  };
  // Of the steps [first, last), which were run; waits for the device.
  std::vector<Losses> losses(std::int64_t first, std::int64_t last) const;

  int fallbacks() const;    // of L-BFGS
  bool is_stalled() const;  // of L-BFGS

  // Everything but the encoder's weights, and the caller's JSON. The file that was there is kept as
  // `path` + ".previous".
  void save(const std::filesystem::path& path, const std::string& json) const;
  void restore(const std::filesystem::path& path);

 private:
  StyleSettings settings_;
  std::int64_t first_step_ = 0;  // of this scale
  double gradient_descent_rate_ = 0;
  Store store_;
  std::unique_ptr<Executable> step_;
};

// The step that a Painter runs, for a picture of this shape; its sizes do not depend on the start.
Graph step_graph(const StyleSettings& settings, const Objective& objective, const Shape& image,
                 std::int64_t total_steps);

// The JSON that save() was given, with "first_step" and "gradient_descent_rate".
std::string saved_json(const std::filesystem::path& path);

}  // namespace engine::apps::style_transfer
