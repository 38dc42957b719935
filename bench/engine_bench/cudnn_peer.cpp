#include <algorithm>

#include <cuda_runtime.h>
#include <cudnn.h>

#include "bench/engine_bench/cudnn_graph.h"
#include "bench/engine_bench/peers.h"
#include "engine/core/cuda/device_guard.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

using cudnn::check;

void set_stream(const cudnn::Target& target, const Stream& stream) {
  check(cudnnSetStream(target.handle(), static_cast<cudaStream_t>(stream.native_handle())),
        "cudnnSetStream");
}

// The three tensors of a convolution, in cuDNN's roles.
struct Roles {
  const void *x, *w, *y;
};

Roles roles_of(Pass pass, std::span<const void* const> in, const void* out) {
  switch (pass) {
    case Pass::forward:
      return {in[0], in[1], out};
    case Pass::backward_data:
      return {out, in[1], in[0]};
    case Pass::backward_weights:
      break;
  }
  return {in[0], out, in[1]};
}

// What the contenders of one row share: the handle, the workspace of the neediest, and outputs of
// the peer's own where its type is not ours.
struct Shared {
  cudnn::Target target;
  Tensor workspace;
  std::vector<Tensor> outputs;  // empty: ours
};

void* output_of(const Shared& shared, const RotatingBuffers& buffers, int copy) {
  return shared.outputs.empty() ? buffers.outputs(copy)[0]
                                : shared.outputs[static_cast<std::size_t>(copy)].data();
}

Contender contender_of(const cudnn::Plan& plan, const std::shared_ptr<Shared>& shared, Pass pass,
                       DType result, const RotatingBuffers& buffers) {
  struct Bound {
    std::shared_ptr<Shared> shared;
    cudnn::Plan plan;
    std::vector<cudnn::Descriptor> packs;
  };
  auto bound = std::make_shared<Bound>(Bound{shared, plan, {}});
  for (int copy = 0; copy < buffers.copies(); ++copy) {
    const Roles roles = roles_of(pass, buffers.inputs(copy), output_of(*shared, buffers, copy));
    bound->packs.push_back(
        cudnn::variant_pack(roles.x, roles.w, roles.y, shared->workspace.data()));
  }
  Contender contender;
  contender.name = "cuDNN";
  contender.algorithm = plan.description;
  if (result != buffers.output_types()[0].dtype) contender.algorithm += join(" result ", result);
  contender.scratch_bytes = plan.workspace_bytes;
  contender.enqueue = [bound](const Stream& stream, int call) {
    set_stream(bound->shared->target, stream);
    const auto copy = static_cast<std::size_t>(call) % bound->packs.size();
    check(cudnnBackendExecute(bound->shared->target.handle(), bound->plan.descriptor->raw(),
                              bound->packs[copy].raw()),
          "cudnnBackendExecute");
  };
  contender.read = [bound, result, &buffers](std::span<const std::int64_t> elements) {
    return read_elements(buffers.device(), output_of(*bound->shared, buffers, 0), result, elements);
  };
  return contender;
}

// Weight gradients are f32 on our side. cuDNN 9.19 has no plan from bf16 to f32 for many shapes,
// and bf16 is less to write: both are tried, to its advantage.
std::vector<Contender> conv_candidates(const ConvCase& conv, const PeerContext& context) {
  const RotatingBuffers& buffers = context.buffers;
  const MathMode math = context.subject.math;
  const DType operands = storage_of(math), ours = buffers.output_types()[0].dtype;
  std::vector<DType> results = {ours};
  if (ours != operands) results.push_back(operands);
  std::vector<Contender> candidates;
  for (const DType result : results) {
    auto shared = std::make_shared<Shared>();
    for (int copy = 0; result != ours && copy < buffers.copies(); ++copy) {
      shared->outputs.push_back(
          Tensor::empty(buffers.output_types()[0].shape, result, buffers.device()));
    }
    const cudnn::ConvGraph graph{conv.problem, conv.pass, math, result};
    const std::vector<cudnn::Plan> plans =
        graph.plans(shared->target, context.scratch_limit, context.max_candidates);
    std::int64_t workspace_bytes = 0;
    for (const cudnn::Plan& plan : plans) {
      workspace_bytes = std::max(workspace_bytes, plan.workspace_bytes);
    }
    shared->workspace = Tensor::empty({workspace_bytes}, DType::u8, buffers.device());
    for (const cudnn::Plan& plan : plans) {
      candidates.push_back(contender_of(plan, shared, conv.pass, result, buffers));
    }
  }
  return candidates;
}

// The classic interface for what has one implementation.
class ClassicTensor {
 public:
  ClassicTensor(const Shape& nhwc, DType dtype) {
    check(cudnnCreateTensorDescriptor(&raw_), "cudnnCreateTensorDescriptor");
    check(cudnnSetTensor4dDescriptor(raw_, CUDNN_TENSOR_NHWC,
                                     dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT,
                                     static_cast<int>(nhwc[0]), static_cast<int>(nhwc[3]),
                                     static_cast<int>(nhwc[1]), static_cast<int>(nhwc[2])),
          "cudnnSetTensor4dDescriptor");
  }
  ~ClassicTensor() { cudnnDestroyTensorDescriptor(raw_); }
  ClassicTensor(const ClassicTensor&) = delete;
  ClassicTensor& operator=(const ClassicTensor&) = delete;
  cudnnTensorDescriptor_t raw() const { return raw_; }

 private:
  cudnnTensorDescriptor_t raw_ = nullptr;
};

Contender classic_contender(const PeerContext& context, const std::string& algorithm,
                            Enqueue enqueue) {
  Contender contender;
  contender.name = "cuDNN";
  contender.algorithm = algorithm;
  contender.enqueue = std::move(enqueue);
  contender.read = [&buffers = context.buffers](std::span<const std::int64_t> elements) {
    return buffers.read(elements);
  };
  return contender;
}

std::vector<Contender> max_pool_candidates(const MaxPoolCase& pool, const PeerContext& context) {
  struct Bound {
    Bound(const Pool2dProblem& p, DType dtype) : x(p.x_shape(), dtype), y(p.y_shape(), dtype) {
      const Pool2dOptions& o = p.options;
      const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
      check(cudnnCreatePoolingDescriptor(&pooling), "cudnnCreatePoolingDescriptor");
      check(
          cudnnSetPooling2dDescriptor(pooling, CUDNN_POOLING_MAX, CUDNN_PROPAGATE_NAN,
                                      narrow(o.window.h), narrow(o.window.w), narrow(o.padding.h),
                                      narrow(o.padding.w), narrow(o.stride.h), narrow(o.stride.w)),
          "cudnnSetPooling2dDescriptor");
    }
    ~Bound() { cudnnDestroyPoolingDescriptor(pooling); }
    cudnn::Target target;
    ClassicTensor x, y;
    cudnnPoolingDescriptor_t pooling = nullptr;
  };
  auto bound = std::make_shared<Bound>(pool.problem, storage_of(context.subject.math));
  return {classic_contender(context, "cudnnPoolingForward, without argmax",
                            [bound, &buffers = context.buffers](const Stream& stream, int call) {
                              const int copy = call % buffers.copies();
                              const float one = 1, zero = 0;
                              set_stream(bound->target, stream);
                              check(cudnnPoolingForward(bound->target.handle(), bound->pooling,
                                                        &one, bound->x.raw(),
                                                        buffers.inputs(copy)[0], &zero,
                                                        bound->y.raw(), buffers.outputs(copy)[0]),
                                    "cudnnPoolingForward");
                            })};
}

std::vector<Contender> activation_candidates(const ActivationCase& activation,
                                             const PeerContext& context) {
  struct Bound {
    Bound(const TensorType& type, UnaryMember member) : tensor(type.shape, type.dtype) {
      check(cudnnCreateActivationDescriptor(&function), "cudnnCreateActivationDescriptor");
      check(cudnnSetActivationDescriptor(
                function,
                member == UnaryMember::relu ? CUDNN_ACTIVATION_RELU : CUDNN_ACTIVATION_SIGMOID,
                CUDNN_PROPAGATE_NAN, 0),
            "cudnnSetActivationDescriptor");
    }
    ~Bound() { cudnnDestroyActivationDescriptor(function); }
    cudnn::Target target;
    ClassicTensor tensor;
    cudnnActivationDescriptor_t function = nullptr;
  };
  auto bound = std::make_shared<Bound>(context.subject.inputs[0], activation.member);
  const RotatingBuffers& buffers = context.buffers;
  const auto forward = [bound, &buffers](const Stream& stream, int call) {
    const int copy = call % buffers.copies();
    const float one = 1, zero = 0;
    const cudnnTensorDescriptor_t type = bound->tensor.raw();
    set_stream(bound->target, stream);
    check(cudnnActivationForward(bound->target.handle(), bound->function, &one, type,
                                 buffers.inputs(copy)[0], &zero, type, buffers.outputs(copy)[0]),
          "cudnnActivationForward");
  };
  // relu's x has the signs of its y, which stands in for it.
  const auto backward = [bound, &buffers](const Stream& stream, int call) {
    const int copy = call % buffers.copies();
    const float one = 1, zero = 0;
    const cudnnTensorDescriptor_t type = bound->tensor.raw();
    const void *dy = buffers.inputs(copy)[0], *y = buffers.inputs(copy)[1];
    set_stream(bound->target, stream);
    check(cudnnActivationBackward(bound->target.handle(), bound->function, &one, type, y, type, dy,
                                  type, y, &zero, type, buffers.outputs(copy)[0]),
          "cudnnActivationBackward");
  };
  if (activation.is_backward) {
    return {classic_contender(context, "cudnnActivationBackward", backward)};
  }
  return {classic_contender(context, "cudnnActivationForward", forward)};
}

}  // namespace

std::vector<Contender> cudnn_candidates(const PeerContext& context) {
  const PeerCase& peer_case = context.subject.peer_case;
  const cuda::DeviceGuard guard(context.buffers.device().index());
  if (const auto* conv = std::get_if<ConvCase>(&peer_case)) return conv_candidates(*conv, context);
  if (const auto* pool = std::get_if<MaxPoolCase>(&peer_case)) {
    return max_pool_candidates(*pool, context);
  }
  if (const auto* activation = std::get_if<ActivationCase>(&peer_case)) {
    return activation_candidates(*activation, context);
  }
  return {};
}

std::string cudnn_version_text() {
  const std::size_t version = cudnnGetVersion();  // 90100 is 9.1.0
  return join(version / 10000, '.', version % 10000 / 100, '.', version % 100);
}

}  // namespace engine::bench
