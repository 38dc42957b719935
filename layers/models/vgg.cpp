#include "engine/layers/models/vgg.h"

#include <algorithm>

#include "engine/kernels/binary.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"
#include "engine/layers/dropout.h"
#include "engine/layers/linear.h"

namespace engine::models {
namespace {

constexpr std::array<VggShape, 3> kShapes = {{
    {"vgg16", {2, 2, 3, 3, 3}, {64, 128, 256, 512, 512}},
    {"vgg19", {2, 2, 4, 4, 4}, {64, 128, 256, 512, 512}},
    {"vgg_small", {2, 2, 2, 2, 1}, {32, 64, 128, 192, 192}},
}};

// PyTorch's default is too small for many relus without normalisation in between.
Value convolution(const Scope& net, const Value& x, std::int64_t filters) {
  const NameScope names = net.name_nodes();
  const std::int64_t channels = x.shape()[3];
  const Value weight =
      net.parameter("weight", {filters, 3, 3, channels}, init::he_normal(9 * channels));
  const Value y = conv2d(x, weight, {.padding = 1});
  return relu(add(y, net.parameter("bias", {filters}, init::zeros())));
}

}  // namespace

std::span<const VggShape> vgg_shapes() {
  return kShapes;
}

const VggShape& find_vgg(std::string_view name) {
  std::string names;
  for (const VggShape& shape : kShapes) {
    if (shape.name == name) return shape;
    names += join(names.empty() ? "" : " ", shape.name);
  }
  throw InvalidArgument(join("there is no VGG network \"", name, "\"; there are: ", names));
}

std::vector<VggLayer> vgg_layers(const VggShape& shape) {
  std::vector<VggLayer> layers;
  int number = 0;
  std::int64_t channels = 3;
  for (int block = 1; block <= 5; ++block) {
    const auto b = static_cast<std::size_t>(block - 1);
    for (int index = 1; index <= shape.depth[b]; ++index, number += 2) {
      layers.push_back({.name = join("conv", block, '_', index),
                        .block = block,
                        .index = index,
                        .number = number,
                        .in_channels = channels,
                        .filters = shape.filters[b]});
      channels = shape.filters[b];
    }
    ++number;  // the pooling
  }
  return layers;
}

VggLayer find_vgg_layer(const VggShape& shape, std::string_view name) {
  std::string names;
  for (const VggLayer& layer : vgg_layers(shape)) {
    if (layer.name == name) return layer;
    names += join(names.empty() ? "" : " ", layer.name);
  }
  throw InvalidArgument(join(shape.name, " has no layer \"", name, "\"; it has: ", names));
}

std::vector<Value> vgg_features(const Scope& net, const Value& images, const VggOptions& options) {
  ENGINE_CHECK(!options.layers.empty(), "vgg_features: no layer is asked for");
  int last = 0;
  for (const std::string& name : options.layers) {
    last = std::max(last, find_vgg_layer(options.shape, name).number);
  }
  std::vector<Value> result(options.layers.size());
  Value x = images;
  int block = 1;
  for (const VggLayer& layer : vgg_layers(options.shape)) {
    if (layer.number > last) break;
    if (layer.block != block) {
      block = layer.block;
      ENGINE_CHECK(x.shape()[1] >= 2 && x.shape()[2] >= 2, options.shape.name, ": images ",
                   images.shape(), " are too small for ", layer.name, ": at least ",
                   1 << (block - 1), " pixels a side are needed");
      x = options.pooling == VggPooling::maximum ? max_pool2d(x) : average_pool2d(x);
    }
    x = convolution(net / "features" / layer.number, x, layer.filters);
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (options.layers[i] == layer.name) result[i] = x;
    }
  }
  return result;
}

Value vgg_small(const Scope& net, const Value& images, const ClassifierOptions& options) {
  ENGINE_CHECK(images.shape()[1] >= 16 && images.shape()[2] >= 16, "vgg_small: images ",
               images.shape(), " are smaller than 16 x 16");
  ENGINE_CHECK(options.hidden.empty(), "vgg_small: has no hidden layers, got ",
               options.hidden.size(), " sizes");
  VggShape shape = find_vgg("vgg_small");
  for (std::int64_t& filters : shape.filters) filters *= options.width;
  const Value maps = vgg_features(net, images, {.shape = shape, .layers = {"conv5_1"}})[0];
  Value x = mean(maps, {.first = 1, .last = 3});
  if (options.dropout > 0) x = dropout(net / "dropout", x, {.rate = options.dropout});
  return linear(net / "logits", x, {.units = options.outputs});
}

}  // namespace engine::models
