#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bench/engine_bench/definition.h"
#include "bench/engine_bench/math_mode.h"
#include "bench/engine_bench/shapes.h"
#include "engine/core/op.h"
#include "engine/kernels/matmul.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/unary.h"

// What engine_bench can measure: one op of the library on one shape and type.
namespace engine::bench {

enum class Fill : std::uint8_t {
  symmetric,  // uniform in [-1, 1)
  positive,   // uniform in [2^-24, 1]: variances, second moments
  position,   // 0 to 3, places in a 2x2 window
  byte,       // 0 to 255
  row,        // 0 to 4095
  one,
};

// What a peer has to compute.
struct ConvCase {
  Conv2dProblem problem;
  Pass pass;
};
struct MaxPoolCase {
  Pool2dProblem problem;
};
struct ActivationCase {
  UnaryMember member;
  bool is_backward;
};
struct MatmulCase {
  MatmulOptions options;
};
using PeerCase = std::variant<std::monostate, ConvCase, MaxPoolCase, ActivationCase, MatmulCase>;

using HostTensors =
    std::vector<std::vector<float>>;  // one an input, rounded as its row's factors are

struct Subject {
  std::string name;    // "conv2d_forward/bf16/n=32,h=56,c=64,k=64,r=3"
  std::string family;  // "conv2d", "linear", "memory" or "style"
  std::string shape_class;
  MathMode math = MathMode::f32;
  std::shared_ptr<const Op> op;
  std::vector<TensorType> inputs;
  std::vector<Fill> fills;
  std::map<std::size_t, std::vector<float>> given;  // numbers of inputs that are not random
  bool is_in_place = false;  // outputs lie over the inputs that the op allows
  std::int64_t bytes = 0;    // 0: what the op says
  // Element of output 0 by definition; may be empty. Keeps a reference to the tensors.
  std::function<Definition(const HostTensors&)> define;
  std::int64_t terms = 0;  // products in an element, for the cost of the definition
  PeerCase peer_case;
};

// The three passes of each convolution; weights have the type of the data, their gradients are f32.
std::vector<Subject> conv2d_subjects(std::span<const Conv2dProblem> shapes,
                                     std::span<const Pass> passes, std::span<const MathMode> modes);
// The three passes of linear layers, by our own kernels; large ones on a GPU only.
std::vector<Subject> linear_subjects(const Device& device, std::span<const Pass> passes,
                                     std::span<const MathMode> modes);
// Pooling, activation, batch norm and optimizer updates at the sizes of the day/night net (64
// images of 64x64x32) and of a large parameter. They are there in f32 and bf16.
std::vector<Subject> memory_subjects(std::span<const MathMode> modes);
// Gram matrices, losses, the optimizer's vectors, resizing and colours, likewise.
std::vector<Subject> style_subjects(std::span<const MathMode> modes);

}  // namespace engine::bench
