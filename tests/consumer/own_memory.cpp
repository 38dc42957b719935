// Learns y = 3 a - 2 b + 1 from examples in memory of its own, on a stream of its own; exits 0 when
// it did.
#include <cmath>
#include <cstdio>
#include <vector>

#include "engine/engine.h"
#include "place.h"

using namespace engine;

int main() {
  Graph graph;
  Scope net(graph);
  Value x = graph.input("x", {16, 2});
  Value y = graph.input("y", {16, 1});
  Value loss = mean(square(linear(net / "line", x, {.units = 1}) - y));
  minimize(net, loss, Sgd{.learning_rate = 0.1f});
  graph.output("loss", loss);

  std::vector<float> points, values;
  for (int i = 0; i < 16; ++i) {
    const float a = (i % 4) / 2.0f - 0.75f, b = (i / 4) / 2.0f - 0.75f;
    points.insert(points.end(), {a, b});
    values.push_back(3 * a - 2 * b + 1);
  }
  Place place;
  float* const own_points = place.upload(points);
  float* const own_values = place.upload(values);

  Store store(place.device());
  Executable step = compile(graph, store, {.precision = Precision::f32});
  step.bind_input("x", Tensor::borrow(own_points, {16, 2}, DType::f32, place.device()));
  step.bind_input("y", Tensor::borrow(own_values, {16, 1}, DType::f32, place.device()));
  step.run(place.stream(), 300);
  const float left = place.download(step.output("loss"))[0];

  std::printf("%strained on %s, loss %g\n", build_description().c_str(),
              describe(place.device()).c_str(), left);
  return left < 1e-4f && version_string() != "" ? 0 : 1;
}
