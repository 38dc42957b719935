// A whole epoch on the device: data set, shuffle, augmentation, schedule and loss history live
// there.
#include <cstdio>

#include "engine/engine.h"

using namespace engine;

int main() {
  const std::int64_t rows = 512, batch = 64, steps = rows / batch;
  std::vector<std::uint8_t> pixels(rows * 16 * 16);
  std::vector<std::int32_t> classes(rows);
  for (int row = 0; row < rows; ++row) {  // class 1: a bright square in the middle
    classes[row] = row % 2;
    for (int i = 0; i < 256; ++i) {
      const bool inside = i / 16 > 4 && i / 16 < 11 && i % 16 > 4 && i % 16 < 11;
      pixels[row * 256 + i] =
          static_cast<std::uint8_t>((row * 7 + i * 13) % 90 + (inside && classes[row] ? 120 : 0));
    }
  }

  Graph graph;
  Scope net(graph);
  Value images = graph.input("images", {rows, 16, 16, 1}, DType::u8);
  Value labels = graph.input("labels", {rows}, DType::i32);
  Value taken = shuffled_rows(graph, "shuffle", rows, batch);
  Value x = random_geometry(gather_rows(images, taken), "augment", {.shift = 2, .flip = true});
  x = normalize_images(x, {.mean = {0.3f}, .standard_deviation = {0.25f}});
  x = max_pool2d(relu(conv2d(net / "conv", x, {.filters = 8, .padding = 1})), {.window = 2});
  Value logits =
      linear(net / "logits", dropout(net / "drop", flatten(x), {.rate = 0.2f}), {.units = 2});
  Value loss = mean(softmax_cross_entropy(logits, gather_rows(labels, taken)));
  Value rate = cosine_schedule(graph, {.peak = 5e-3f, .total_steps = 10 * steps});
  minimize(net, loss, Adam{.learning_rate = rate});

  Store store(Device::best());
  Executable step = compile(graph, store);
  step.bind_input("images", Tensor::from(pixels, {rows, 16, 16, 1}).to(store.device()));
  step.bind_input("labels", Tensor::from(classes, {rows}).to(store.device()));
  float average = 0;
  for (int epoch = 0; epoch < 10; ++epoch) {
    step.run(steps);  // no host work in between
    average = 0;
    for (float value : recorded(store, "loss", store.step() - steps, store.step())) {
      average += value / static_cast<float>(steps);
    }
    std::printf("epoch %d: loss %.4f\n", epoch + 1, average);
  }
  return average < 0.1f ? 0 : 1;
}
