// Loads a net's weights as PyTorch names and lays them out, and predicts; exits 0 when the answers
// are PyTorch's.
//   predict NET.safetensors
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/engine.h"
#include "place.h"

using namespace engine;

// Sequential(Conv2d(3, 6, 3, padding=1), ReLU, MaxPool2d(2), Flatten, Linear(6 * 4 * 4, 5))
Value predict(Scope net, Value pictures) {
  Value x = relu(conv2d(net / "conv", pictures, {.filters = 6, .kernel = 3, .padding = 1}));
  x = max_pool2d(x, {.window = 2});
  return linear(net / "head", flatten(x), {.units = 5});
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "predict NET.safetensors\n");
    return 2;
  }
  const SafetensorsFile file = read_safetensors(argv[1]);
  const Tensor pictures = *file.find("pictures");  // [2, 8, 8, 3], channels last
  const Tensor wanted = *file.find("answers");     // [2, 5]

  Graph graph;
  Value input = graph.input("pictures", pictures.shape());
  graph.output("answers", predict(Scope(graph, Mode::inference), input));

  Place place;
  Store store(place.device());
  store.declare(graph);
  store.set("conv.weight", import_torch_conv2d(*file.find("0.weight")));
  store.set("conv.bias", *file.find("0.bias"));
  store.set("head.weight", import_torch_linear_after_flatten(
                               *file.find("4.weight"), {.channels = 6, .height = 4, .width = 4}));
  store.set("head.bias", *file.find("4.bias"));
  Executable net =
      compile(graph, store, {.precision = Precision::f32, .parameters = Parameters::frozen});
  net.set_input("pictures", pictures);
  net.run(place.stream());
  const std::vector<float> found = place.download(net.output("answers"));

  float difference = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    difference = std::max(difference, std::fabs(found[i] - wanted.span<float>()[i]));
  }
  std::printf("predicted on %s, within %g of PyTorch\n", describe(place.device()).c_str(),
              difference);
  return difference < 1e-5f ? 0 : 1;
}
