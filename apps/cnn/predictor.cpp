#include "engine/apps/cnn/predictor.h"

#include <algorithm>
#include <cstring>

#include "engine/kernels/compile.h"

namespace engine::apps::cnn {

Predictor::Predictor(const ModelInfo& info, Store& store, const PredictorOptions& options)
    : outputs_(info.options.outputs) {
  for (const std::int64_t batch : options.batches) {
    if (by_batch_.contains(batch)) continue;
    Graph graph;
    Scope net(graph, Mode::inference);
    const Shape shape{batch, info.height, info.width, info.channels};
    graph.output("logits", info.logits(net, graph.input("images", shape, DType::u8)));
    by_batch_.emplace(
        batch,
        compile(graph, store, {.precision = options.precision, .parameters = options.parameters}));
    padded_.emplace(batch, Tensor::zeros(shape, DType::u8, Device::cpu()));
  }
}

void Predictor::run_batch(std::int64_t batch, const Tensor& images, float* logits) {
  Executable& executable = by_batch_.at(batch);
  const std::int64_t rows = images.shape()[0];
  if (rows == batch) {
    executable.set_input("images", images);
  } else {
    const Tensor& padded = padded_.at(batch);
    padded.fill_zero();
    std::memcpy(padded.data(), images.data(), static_cast<std::size_t>(images.bytes()));
    executable.set_input("images", padded);
  }
  executable.run();
  const std::vector<float> all = executable.output("logits").to_floats();
  std::copy_n(all.begin(), rows * outputs_, logits);
}

std::vector<float> Predictor::logits(const Tensor& images) {
  const std::int64_t rows = images.shape()[0];
  std::vector<float> logits(static_cast<std::size_t>(rows * outputs_));
  for (std::int64_t row = 0; row < rows;) {
    // The smallest batch that takes all that is left, else the largest there is.
    auto chosen = by_batch_.lower_bound(rows - row);
    if (chosen == by_batch_.end()) --chosen;
    const std::int64_t batch = chosen->first;
    const std::int64_t taken = std::min(batch, rows - row);
    run_batch(batch, images.rows(row, row + taken), logits.data() + row * outputs_);
    row += taken;
  }
  return logits;
}

}  // namespace engine::apps::cnn
