// A recurrent net that carries its state from run to run: one call, one time step.
#include <cmath>
#include <cstdio>

#include "engine/engine.h"

using namespace engine;

int main() {
  Graph graph;
  Scope net(graph, Mode::inference);
  Value x = graph.input("x", {1, 1});
  Value h = net.state("h", {1, 4});
  Value next = tanh(linear(net / "input", x, {.units = 4}) +
                    linear(net / "hidden", h, {.units = 4, .bias = false}));
  net.update("h", next);
  graph.output("h", next);

  Store store(Device::best());
  Executable step = compile(graph, store);
  step.set_input("x", Tensor::from(std::vector<float>{1.0f}, {1, 1}));
  step.run();
  const std::vector<float> first = step.output("h").to_floats();
  step.run(100);  // the same input again and again: the state settles
  const std::vector<float> settled = step.output("h").to_floats();
  step.run();
  const std::vector<float> after = step.output("h").to_floats();
  std::printf("h[0]: %.4f, %.4f, %.4f\n", first[0], settled[0], after[0]);
  return std::fabs(settled[0] - after[0]) < 1e-5f && first[0] != settled[0] ? 0 : 1;
}
