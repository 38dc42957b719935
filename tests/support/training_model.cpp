#include "tests/support/training_model.h"

#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/gather_rows.h"
#include "engine/kernels/image.h"
#include "engine/kernels/random.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"
#include "engine/layers/conv2d.h"
#include "engine/layers/dropout.h"
#include "engine/layers/linear.h"
#include "engine/optim/minimize.h"
#include "engine/optim/schedule.h"
#include "tests/support/random_tensor.h"

namespace engine {

TrainingModel::TrainingModel() {
  const Scope net(graph);
  const Value images = graph.input("images", {kRows, 12, 12, 1}, DType::u8);
  const Value targets = graph.input("targets", {kRows, 3});
  const Value taken = shuffled_rows(graph, "shuffle", kRows, kBatch);
  Value x = random_geometry(gather_rows(images, taken), "augment",
                            {.shift = 1, .flip = true, .rotation_degrees = 10, .elastic = 1});
  x = normalize_images(x, {.mean = {0.5f}, .standard_deviation = {0.25f}});
  x = relu(conv2d(net / "conv", x, {.filters = 16, .stride = 2, .padding = 1}));
  x = dropout(net / "drop", flatten(x), {.rate = 0.3f});
  const Value y = linear(net / "out", x, {.units = 3});
  const Value loss = mean(square(y - gather_rows(targets, taken)));
  const Value noise = sum(random_normal(graph, "noise", {5}));
  minimize(net, loss + noise * 0.0f,
           Adam{.learning_rate =
                    cosine_schedule(graph, {.peak = 1e-2f, .warmup_steps = 3, .total_steps = 40})},
           {.clip_norm = 1});
  graph.output("loss", loss);
}

Executable TrainingModel::compile_step(Store& store, const CompileOptions& options) const {
  Executable step = compile(graph, store, options);
  step.set_input("images", random_tensor({kRows, 12, 12, 1}, DType::u8, 1, {0, 256}));
  step.set_input("targets", random_tensor({kRows, 3}, DType::f32, 2));
  return step;
}

}  // namespace engine
