#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/kernel.h"
#include "engine/core/shape.h"

namespace engine {

class Value;

// What a node does besides computing outputs from inputs. Only pure nodes are shared or dropped.
enum class Effect : std::uint8_t { pure, random, reads_state, writes_state };

// How the precision pass treats a node when it compiles for bf16.
enum class PrecisionClass : std::uint8_t {
  matrix,  // floating inputs become bf16; accumulates in f32 (convolutions, products)
  follow,  // runs in its inputs' type; statistics in f32 (element-wise, pooling, normalisation)
  f32,     // floating inputs become f32 (losses, reductions over the batch, optimizer)
};

// An output that may be written over an input's buffer.
struct InPlacePair {
  int input;
  int output;
};

// Work of one call, for the cost model, the roofline and the debug tables.
struct Cost {
  std::int64_t bytes = 0;  // read + written, each tensor once
  std::int64_t flops = 0;  // a multiply-add counts two
};

// What a gradient rule sees: the node's values and, per output, the gradient flowing in (empty
// where nothing flows).
struct GradientContext {
  std::span<const Value> inputs;
  std::span<const Value> outputs;
  std::span<const Value> output_gradients;
  std::span<const bool> wanted;  // per input: whether its gradient is needed
};

// The description of a computation: immutable, shared between graphs, independent of any device
// until prepare(). A family (unary, binary, reduce, pool2d) is one Op with a table of members.
class Op {
 public:
  virtual ~Op() = default;

  virtual std::string_view name() const = 0;  // "conv2d_backward_data"
  // All attributes in a canonical text, "kernel=3x3 padding=1x1": printed in dumps; two Ops are
  // equal when name() and attributes() are.
  virtual std::string attributes() const { return ""; }

  // The types of the outputs; throws InvalidArgument with all shapes when the inputs do not fit.
  virtual std::vector<TensorType> infer(std::span<const TensorType> inputs) const = 0;

  // Gradients with respect to the inputs, as nodes of the same graph; an empty Value where there is
  // none. The default throws: this op has no gradient.
  virtual std::vector<Value> gradient(const GradientContext& context) const;

  virtual Effect effect() const { return Effect::pure; }
  virtual PrecisionClass precision() const { return PrecisionClass::follow; }
  // Whether an input keeps f32 when the node runs in bf16 (scales, statistics, slots).
  virtual bool keeps_f32(int /*input*/) const { return false; }
  virtual std::vector<InPlacePair> in_place() const { return {}; }
  // True when output 0 is input 0's memory under another type (reshape): no kernel runs.
  virtual bool is_view() const { return false; }
  // Default: bytes of all inputs and outputs, no FLOPs.
  virtual Cost cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const;

  // Throws InvalidArgument when the device has no kernel for these types.
  virtual std::unique_ptr<Kernel> prepare(const PrepareContext& context) const = 0;
};

}  // namespace engine
