#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cudnn.h>

#include "bench/engine_bench/math_mode.h"
#include "bench/pass.h"
#include "engine/core/dtype.h"
#include "engine/kernels/conv2d.h"

// cuDNN's graph API through its C interface (backend descriptors): one convolution, all of its
// execution plans.
namespace engine::bench::cudnn {

// Throws CudaError with the call and cuDNN's own words.
void check(cudnnStatus_t status, const std::string& call);

// A backend descriptor: attributes are set, then it is finalized and only read.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  Descriptor(Descriptor&& other) noexcept : raw_(other.raw_) { other.raw_ = nullptr; }
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Descriptor();

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values);
  void set_integers(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values);
  void set_descriptor(cudnnBackendAttributeName_t name, const Descriptor& value);
  void finalize();
  bool try_finalize();  // false where cuDNN does not support it

  std::int64_t integer(cudnnBackendAttributeName_t name) const;
  cudnnBackendDescriptor_t raw() const { return raw_; }

 private:
  cudnnBackendDescriptor_t raw_ = nullptr;
};

// What plans are made for: the current GPU, or one that is described.
class Target {
 public:
  Target();  // the current GPU: a cuDNN handle
  // A GPU by its properties, in cuDNN's own JSON: plans can be made, not run. So this file can be
  // tested where there is none. Needs cuDNN 9.8.
  explicit Target(const std::string& properties);
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  cudnnHandle_t handle() const { return handle_; }  // null for a described GPU
  const Descriptor* properties() const { return properties_.get(); }

 private:
  cudnnHandle_t handle_ = nullptr;
  std::unique_ptr<Descriptor> properties_;
};

// A way to compute a convolution that cuDNN is ready to run.
struct Plan {
  std::shared_ptr<const Descriptor> descriptor;
  std::int64_t workspace_bytes = 0;
  std::string description;  // "engine 38 tensor_core"
};

// Which tensor an operand is, in a variant pack.
enum TensorId : std::int64_t { kX = 1, kW = 2, kY = 3 };  // or their gradients

struct ConvGraph {
  Conv2dProblem problem;
  Pass pass = Pass::forward;
  MathMode math = MathMode::f32;  // of the operands
  DType result = DType::f32;

  // Every plan that keeps f32 sums (and, with f32 operands, no other rounding of inputs than that
  // to tf32 in its mode) and needs at most `workspace_limit` bytes: those that cuDNN's heuristics
  // propose in their order, then each engine with its own settings. At most `limit` of them; 0:
  // all.
  std::vector<Plan> plans(const Target& target, std::int64_t workspace_limit, int limit) const;
};

// The arguments of one call, made once: pointers by TensorId.
Descriptor variant_pack(const void* x, const void* w, const void* y, void* workspace);

}  // namespace engine::bench::cudnn
