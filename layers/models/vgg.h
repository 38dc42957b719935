#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/layers/models/registry.h"

namespace engine::models {

// A network of 3x3 convolutions with relu, in blocks of one width with 2x2 pooling between them.
struct VggShape {
  std::string_view name;
  std::array<int, 5> depth;             // convolutions of each block
  std::array<std::int64_t, 5> filters;  // of each block's convolutions
};

// "vgg16", "vgg19" (Simonyan and Zisserman 2015, arXiv:1409.1556, configurations D and E) and
// "vgg_small", which is trained here.
std::span<const VggShape> vgg_shapes();
// Throws InvalidArgument listing the names that there are.
const VggShape& find_vgg(std::string_view name);

// One convolution, "conv4_2": the second of the fourth block.
struct VggLayer {
  std::string name;
  int block = 0;  // from 1
  int index = 0;  // in its block, from 1
  // Its number among torchvision's features (convolutions, relus and poolings counted from 0): its
  // parameters are "features.<number>.weight" and ".bias".
  int number = 0;
  std::int64_t in_channels = 0;
  std::int64_t filters = 0;
};
std::vector<VggLayer> vgg_layers(const VggShape& shape);  // in order
// Throws InvalidArgument listing the layers that there are.
VggLayer find_vgg_layer(const VggShape& shape, std::string_view name);

enum class VggPooling : std::uint8_t { maximum, average };

struct VggOptions {
  VggShape shape = {};
  VggPooling pooling = VggPooling::maximum;
  std::vector<std::string> layers = {};  // what is wanted, by name
};

// The activations (after relu) of the layers that are asked for, in the order of `options.layers`.
// What lies above the last of them is not built and its parameters are not declared.
// Parameters: "features.<number>.weight" [filters, 3, 3, in] (He normal) and ".bias" (zeros).
// Shapes: images [n, h, w, 3], normalised as the weights want -> [n, h / 2^(block - 1), ...,
// filters],
//   each halving rounded down.
// Throws: InvalidArgument where the images are smaller than one pixel at the deepest layer.
std::vector<Value> vgg_features(const Scope& net, const Value& images, const VggOptions& options);

// The classifier "vgg_small": all nine convolutions of its shape (filters times options.width), the
// mean of each map, dropout, the logits. Parameters: "features.<number>" and "logits".
// Shapes: images [n, h, w, c], h and w at least 16 -> [n, outputs].
Value vgg_small(const Scope& net, const Value& images, const ClassifierOptions& options);

}  // namespace engine::models
