// Learns y = 3 a - 2 b + 1 from examples; exits 0 when it did.
#include <cmath>
#include <cstdio>
#include <vector>

#include "engine/core/version.h"
#include "engine/engine.h"
#include "engine/kernels/build_description.h"

using namespace engine;

int main() {
  Graph graph;
  Scope net(graph);
  Value x = graph.input("x", {16, 2});
  Value y = graph.input("y", {16, 1});
  Value loss = mean(square(linear(net / "line", x, {.units = 1}) - y));
  minimize(net, loss, Sgd{.learning_rate = 0.1f});
  graph.output("loss", loss);

  Store store(Device::cpu());
  Executable step = compile(graph, store);
  std::vector<float> points, values;
  for (int i = 0; i < 16; ++i) {
    const float a = (i % 4) / 2.0f - 0.75f, b = (i / 4) / 2.0f - 0.75f;
    points.insert(points.end(), {a, b});
    values.push_back(3 * a - 2 * b + 1);
  }
  step.set_input("x", Tensor::from(points, {16, 2}));
  step.set_input("y", Tensor::from(values, {16, 1}));
  step.run(300);

  const float left = step.output("loss").item();
  std::printf("%sloss %g\n", build_description().c_str(), left);
  return left < 1e-4f && version_string() != "" ? 0 : 1;
}
