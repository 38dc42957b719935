#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/core/shape.h"
#include "engine/core/stream.h"

namespace engine {

// The memory of one call: pointers in the order of the node's inputs and outputs. An input and an
// output may be the same pointer only where Op::in_place() allows it.
struct Buffers {
  std::span<const void* const> inputs;
  std::span<void* const> outputs;
  void* scratch = nullptr;  // Kernel::scratch_bytes() bytes, aligned to 256; content undefined

  template <class T>
  const T* in(int index) const {
    return static_cast<const T*>(inputs[index]);
  }
  template <class T>
  T* out(int index) const {
    return static_cast<T*>(outputs[index]);
  }
};

// A node made ready to run: algorithm chosen, primitive built, scratch sized. run() allocates
// nothing, checks nothing and enqueues its work on the stream.
class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual std::int64_t scratch_bytes() const { return 0; }
  virtual std::int64_t packed_bytes() const { return 0; }  // it holds, for packed frozen inputs
  virtual void run(const Stream& stream, const Buffers& buffers) = 0;
  virtual std::string describe() const { return ""; }  // algorithm, for the plan summary
};

// What Op::prepare may look at.
struct PrepareContext {
  Device device;
  std::span<const TensorType> inputs;
  std::span<const TensorType> outputs;
  // One entry per input: its data where the input is a frozen parameter (it never changes while the
  // executable lives, so it may be packed here), else null.
  std::span<const void* const> frozen;
  bool allows_tf32 = false;  // products of f32 may round their factors to tf32

  const void* frozen_data(int input) const {
    return static_cast<std::size_t>(input) < frozen.size() ? frozen[input] : nullptr;
  }
};

// A kernel from a function; `body` is called as body(stream, buffers).
template <class Body>
std::unique_ptr<Kernel> make_kernel(Body body, std::int64_t scratch_bytes = 0,
                                    std::string description = "") {
  class FunctionKernel final : public Kernel {
   public:
    FunctionKernel(Body body, std::int64_t scratch_bytes, std::string description)
        : body_(std::move(body)),
          scratch_bytes_(scratch_bytes),
          description_(std::move(description)) {}
    std::int64_t scratch_bytes() const override { return scratch_bytes_; }
    void run(const Stream& stream, const Buffers& buffers) override { body_(stream, buffers); }
    std::string describe() const override { return description_; }

   private:
    Body body_;
    std::int64_t scratch_bytes_;
    std::string description_;
  };
  return std::make_unique<FunctionKernel>(std::move(body), scratch_bytes, std::move(description));
}

}  // namespace engine
