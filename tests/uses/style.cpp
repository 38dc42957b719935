// Style transfer: the picture is the only thing that changes; the network's weights are frozen.
#include <cstdio>

#include "engine/engine.h"

using namespace engine;

namespace {

// The Gatys loss of one picture against targets that the caller gives.
Value gatys_loss(const Scope& net, const Value& image) {
  Graph& graph = net.graph();
  const models::VggShape shape = models::find_vgg("vgg_small");
  const std::vector<Value> maps = models::vgg_features(
      net, image, {.shape = shape, .layers = {"conv1_1", "conv2_1", "conv3_1"}});
  Value loss = mean_squared_difference(maps[2], graph.input("content", maps[2].shape()));
  for (std::size_t i = 0; i < 2; ++i) {
    const Value style = gram(maps[i], 1.0f / static_cast<float>(maps[i].shape().elements()));
    loss =
        loss + 1e4f * mean_squared_difference(style, graph.input(join("style", i), style.shape()));
  }
  return loss;
}

}  // namespace

int main() {
  Graph graph;
  Scope net(graph);
  Value image = net.parameter("image", {1, 48, 48, 3}, init::uniform(-1, 1));
  Value loss = gatys_loss(net, image);
  minimize(net, loss, Adam{.learning_rate = 0.05}, {.parameters = {image}});
  graph.output("loss", loss);

  Store store(Device::best(), {.seed = 3});
  Executable step = compile(graph, store, {.parameters = Parameters::frozen});
  for (const auto& [name, shape] : {std::pair{"content", Shape{1, 12, 12, 128}},
                                    {"style0", Shape{32, 32}},
                                    {"style1", Shape{64, 64}}}) {
    step.set_input(name, Tensor::zeros(shape, DType::f32, Device::cpu()));
  }
  step.run();
  const float first = step.output("loss").item();
  step.run(100);
  const float last = step.output("loss").item();
  std::printf("loss %.4f -> %.6f\n", first, last);
  return last < 0.2f * first ? 0 : 1;
}
