// Two towers that share their weights: the same scope twice.
#include <cstdio>

#include "engine/engine.h"

using namespace engine;

Value encoder(Scope net, Value images) {
  Value x = relu(conv2d(net / "conv", images, {.filters = 8, .kernel = 3, .padding = 1}));
  x = max_pool2d(x, {.window = 2});
  return linear(net / "embedding", flatten(x), {.units = 4});
}

int main() {
  Graph graph;
  Scope net(graph);
  Value left = graph.input("left", {16, 8, 8, 1});
  Value right = graph.input("right", {16, 8, 8, 1});
  Value same = graph.input("same", {16});  // 1: same class

  Value difference = encoder(net / "encoder", left) - encoder(net / "encoder", right);
  Value distance = sum(square(difference), {.first = 1, .last = 2});
  Value margin = relu(1.0f - distance);
  Value loss = mean(same * distance + (1.0f - same) * margin);
  minimize(net, loss, Sgd{.learning_rate = 0.05, .momentum = 0.9});
  graph.output("loss", loss);

  Store store(Device::best());
  Executable step = compile(graph, store);
  std::vector<float> a(16 * 64), b(16 * 64), labels(16);
  for (int pair = 0; pair < 16; ++pair) {
    labels[pair] = pair % 2;
    for (int i = 0; i < 64; ++i) {
      a[pair * 64 + i] = (i % 8 < 4) ? 1.0f : 0.0f;  // left half bright
      b[pair * 64 + i] = labels[pair] == 1 ? a[pair * 64 + i] : 1 - a[pair * 64 + i];
    }
  }
  step.set_input("left", Tensor::from(a, {16, 8, 8, 1}));
  step.set_input("right", Tensor::from(b, {16, 8, 8, 1}));
  step.set_input("same", Tensor::from(labels, {16}));
  step.run(200);
  std::printf("%lld parameters, loss %.4f\n", static_cast<long long>(store.parameter_count()),
              step.output("loss").item());
  return step.output("loss").item() < 0.02f ? 0 : 1;
}
