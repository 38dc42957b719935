#include "engine/kernels/cpu/onednn.h"

#include <optional>
#include <vector>

#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "engine/core/memory_plan.h"

namespace engine::cpu {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;

// oneDNN takes its thread count from OpenMP's setting for the calling thread.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : previous_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~ThreadCount() { omp_set_num_threads(previous_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int previous_;
};

memory::data_type type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return memory::data_type::f32;
    case DType::bf16:
      return memory::data_type::bf16;
    case DType::f16:
      return memory::data_type::f16;
    default:
      ENGINE_CHECK(false, "oneDNN kernels take floating-point data, not ", dtype);
  }
  return memory::data_type::undef;
}

void check_types(std::string_view op, const PrepareContext& context) {
  for (const auto types : {context.inputs, context.outputs}) {
    for (const TensorType& type : types) {
      ENGINE_CHECK(type.dtype == DType::f32 || type.dtype == DType::bf16, op, ": no ", type.dtype,
                   " kernel for ", context.device, "; use f32 or bf16");
    }
  }
}

// Runs `build`, which asks oneDNN for an implementation, and explains its refusal.
template <class Build>
auto asking_for(std::string_view op, const PrepareContext& context, const Build& build) {
  check_types(op, context);
  const ThreadCount threads(context.device.threads());
  try {
    return build();
  } catch (const dnnl::error& error) {
    std::string types;
    for (const TensorType& type : context.inputs) types += join(types.empty() ? "" : ", ", type);
    const bool is_bf16 = context.inputs[0].dtype == DType::bf16;
    ENGINE_CHECK(false, op, ": oneDNN ", onednn_version(), " has no kernel for ", types,
                 " on this processor", is_bf16 ? "; bf16 needs AVX-512, use f32 here" : "", " (",
                 error.what(), ")");
    throw;
  }
}

enum class Role { input, output };

// One tensor of a primitive: where our buffer is, and the two layouts.
struct Binding {
  int argument = 0;  // DNNL_ARG_...
  Role role = Role::input;
  int index = 0;        // among the node's inputs or outputs
  memory::desc plain;   // of our buffer
  memory::desc wanted;  // of the primitive; differs where a reorder is needed

  bool is_output() const { return role == Role::output; }
};

// A primitive with its reorders, bound to fresh pointers in each run.
class OneDnnKernel final : public Kernel {
 public:
  OneDnnKernel(const dnnl::engine& engine, const dnnl::primitive& primitive,
               const memory::desc& scratchpad, std::string implementation)
      : engine_(engine),
        stream_(engine),
        primitive_(primitive),
        scratchpad_(scratchpad, engine, nullptr),
        description_(std::move(implementation)) {
    arguments_.push_back({DNNL_ARG_SCRATCHPAD, scratchpad_.get()});
    scratchpad_offset_ = reserve(scratchpad.get_size());
  }

  // `frozen`: the data of an input that never changes, or null.
  void bind(const Binding& binding, const void* frozen = nullptr) {
    Slot& slot = slots_.emplace_back();
    slot.binding = binding;
    slot.primitive_side = memory(binding.wanted, engine_, nullptr);
    if (binding.plain != binding.wanted) {
      slot.our_side = memory(binding.plain, engine_, nullptr);
      const memory::desc& from = binding.is_output() ? binding.wanted : binding.plain;
      const memory::desc& to = binding.is_output() ? binding.plain : binding.wanted;
      const dnnl::reorder::primitive_desc reorder(engine_, from, engine_, to, reorder_attributes());
      slot.reorder = dnnl::reorder(reorder);
      slot.reorder_scratchpad = memory(reorder.scratchpad_desc(), engine_, nullptr);
      if (frozen != nullptr) {
        pack(slot, frozen, reorder.scratchpad_desc());
      } else {
        slot.offset = reserve(binding.wanted.get_size());
        slot.reorder_offset = reserve(reorder.scratchpad_desc().get_size());
        description_ += join(binding.is_output() ? ", unpacks output " : ", packs input ",
                             binding.index, " (", reorder.impl_info_str(), ")");
      }
    }
    arguments_.push_back({binding.argument, slot.primitive_side.get()});
  }

  std::int64_t scratch_bytes() const override { return scratch_bytes_; }
  std::int64_t packed_bytes() const override { return packed_bytes_; }
  std::string describe() const override { return "oneDNN " + description_; }

  void run(const Stream& stream, const Buffers& buffers) override {
    const ThreadCount threads(stream.device().threads());
    char* scratch = static_cast<char*>(buffers.scratch);
    scratchpad_.set_data_handle(scratch + scratchpad_offset_);
    for (Slot& slot : slots_) {
      if (slot.is_packed) continue;
      const Binding& binding = slot.binding;
      void* data = binding.is_output() ? buffers.outputs[binding.index]
                                       : const_cast<void*>(buffers.inputs[binding.index]);
      if (!slot.reorder) {
        slot.primitive_side.set_data_handle(data);
        continue;
      }
      slot.our_side.set_data_handle(data);
      slot.primitive_side.set_data_handle(scratch + slot.offset);
      slot.reorder_scratchpad.set_data_handle(scratch + slot.reorder_offset);
      if (!binding.is_output()) run_reorder(slot);
    }
    execute(primitive_, arguments_);
    for (Slot& slot : slots_) {
      if (slot.reorder && slot.binding.is_output()) run_reorder(slot);
    }
    stream_.wait();
  }

 private:
  struct Slot {
    Binding binding;
    memory primitive_side;
    memory our_side;  // where there is a reorder
    std::optional<dnnl::reorder> reorder;
    memory reorder_scratchpad;
    std::int64_t offset = 0;  // into scratch, of the packed form
    std::int64_t reorder_offset = 0;
    bool is_packed = false;  // once and for all
  };

  static dnnl::primitive_attr reorder_attributes() {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
  }

  std::int64_t reserve(std::size_t bytes) {
    const std::int64_t offset = scratch_bytes_;
    scratch_bytes_ += aligned(static_cast<std::int64_t>(bytes));
    return offset;
  }

  void pack(Slot& slot, const void* frozen, const memory::desc& reorder_scratchpad) {
    slot.primitive_side = memory(slot.binding.wanted, engine_);
    slot.our_side.set_data_handle(const_cast<void*>(frozen));
    slot.reorder_scratchpad = memory(reorder_scratchpad, engine_);
    run_reorder(slot);
    stream_.wait();
    slot.reorder.reset();
    slot.our_side = {};
    slot.reorder_scratchpad = {};
    slot.is_packed = true;
    packed_bytes_ += static_cast<std::int64_t>(slot.binding.wanted.get_size());
    description_ += join(", input ", slot.binding.index, " packed");
  }

  void run_reorder(Slot& slot) {
    memory& from = slot.binding.is_output() ? slot.primitive_side : slot.our_side;
    memory& to = slot.binding.is_output() ? slot.our_side : slot.primitive_side;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from.get()},
                                         {DNNL_ARG_TO, to.get()},
                                         {DNNL_ARG_SCRATCHPAD, slot.reorder_scratchpad.get()}};
    execute(*slot.reorder, arguments);
  }

  // The C++ call would build a map of arguments in each run.
  void execute(const dnnl::primitive& primitive, std::span<const dnnl_exec_arg_t> arguments) {
    const dnnl_status_t status = dnnl_primitive_execute(
        primitive.get(), stream_.get(), static_cast<int>(arguments.size()), arguments.data());
    if (status != dnnl_success) {
      throw Error(join("oneDNN ", onednn_version(), " failed to run ", description_, " (status ",
                       status, ")"));
    }
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  memory scratchpad_;
  std::vector<Slot> slots_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::int64_t scratchpad_offset_ = 0;
  std::int64_t scratch_bytes_ = 0;
  std::int64_t packed_bytes_ = 0;
  std::string description_;
};

dnnl::primitive_attr attributes_for(Activation activation) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (activation == Activation::relu) {
    dnnl::post_ops operations;
#if DNNL_VERSION_MAJOR >= 3
    operations.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#else
    operations.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#endif
    attributes.set_post_ops(operations);
  }
  return attributes;
}

// The descriptors of one convolution: extents in oneDNN's order, memory in ours.
struct Conv2dDescriptors {
  Conv2dDescriptors(const Conv2dProblem& p, DType data, DType weights) {
    const Conv2dGeometry& g = p.geometry;
    w_dims = g.groups == 1 ? Dims{p.oc, p.ic, p.kh, p.kw}
                           : Dims{g.groups, p.oc / g.groups, p.ic / g.groups, p.kh, p.kw};
    w_layout = g.groups == 1 ? Tag::ohwi : Tag::gohwi;
    x = memory::desc({p.n, p.ic, p.ih, p.iw}, type_of(data), Tag::nhwc);
    y = memory::desc({p.n, p.oc, p.oh, p.ow}, type_of(data), Tag::nhwc);
    w = memory::desc(w_dims, type_of(weights), Tag::any);
    bias = memory::desc({p.oc}, memory::data_type::f32, Tag::x);
    strides = {g.stride.h, g.stride.w};
    dilations = {g.dilation.h - 1, g.dilation.w - 1};  // oneDNN counts from 0
    padding = {g.padding.h, g.padding.w};
  }

  // Our buffer of weights.
  memory::desc plain_w(DType dtype) const { return {w_dims, type_of(dtype), w_layout}; }

  memory::desc x, y, w, bias;
  Dims w_dims, strides, dilations, padding;
  Tag w_layout;
};

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

#if DNNL_VERSION_MAJOR >= 3

Forward::primitive_desc forward_of(const dnnl::engine& engine, const Conv2dDescriptors& d,
                                   bool has_bias, const dnnl::primitive_attr& attributes) {
  const auto kind = dnnl::prop_kind::forward_training;
  if (has_bias) {
    return {engine, kind,      kDirect,     d.x,       d.w,       d.bias,
            d.y,    d.strides, d.dilations, d.padding, d.padding, attributes};
  }
  return {engine,    kind,        kDirect,   d.x,       d.w,       d.y,
          d.strides, d.dilations, d.padding, d.padding, attributes};
}

BackwardData::primitive_desc backward_data_of(const dnnl::engine& engine,
                                              const Conv2dDescriptors& d,
                                              const Forward::primitive_desc& forward,
                                              const dnnl::primitive_attr& attributes) {
  return {engine,      kDirect,   d.x,       d.w,     d.y,       d.strides,
          d.dilations, d.padding, d.padding, forward, attributes};
}

BackwardWeights::primitive_desc backward_weights_of(const dnnl::engine& engine,
                                                    const Conv2dDescriptors& d,
                                                    const Forward::primitive_desc& forward,
                                                    const dnnl::primitive_attr& attributes) {
  return {engine,      kDirect,   d.x,       d.w,     d.y,       d.strides,
          d.dilations, d.padding, d.padding, forward, attributes};
}

dnnl::matmul::primitive_desc matmul_of(const dnnl::engine& engine, const memory::desc& a,
                                       const memory::desc& b, const memory::desc* bias,
                                       const memory::desc& y,
                                       const dnnl::primitive_attr& attributes) {
  if (bias != nullptr) return {engine, a, b, *bias, y, attributes};
  return {engine, a, b, y, attributes};
}

#else

Forward::primitive_desc forward_of(const dnnl::engine& engine, const Conv2dDescriptors& d,
                                   bool has_bias, const dnnl::primitive_attr& attributes) {
  const auto kind = dnnl::prop_kind::forward_training;
  if (has_bias) {
    return {{kind, kDirect, d.x, d.w, d.bias, d.y, d.strides, d.dilations, d.padding, d.padding},
            attributes,
            engine};
  }
  return {{kind, kDirect, d.x, d.w, d.y, d.strides, d.dilations, d.padding, d.padding},
          attributes,
          engine};
}

BackwardData::primitive_desc backward_data_of(const dnnl::engine& engine,
                                              const Conv2dDescriptors& d,
                                              const Forward::primitive_desc& forward,
                                              const dnnl::primitive_attr& attributes) {
  return {{kDirect, d.x, d.w, d.y, d.strides, d.dilations, d.padding, d.padding},
          attributes,
          engine,
          forward};
}

BackwardWeights::primitive_desc backward_weights_of(const dnnl::engine& engine,
                                                    const Conv2dDescriptors& d,
                                                    const Forward::primitive_desc& forward,
                                                    const dnnl::primitive_attr& attributes) {
  return {{kDirect, d.x, d.w, d.y, d.strides, d.dilations, d.padding, d.padding},
          attributes,
          engine,
          forward};
}

dnnl::matmul::primitive_desc matmul_of(const dnnl::engine& engine, const memory::desc& a,
                                       const memory::desc& b, const memory::desc* bias,
                                       const memory::desc& y,
                                       const dnnl::primitive_attr& attributes) {
  if (bias != nullptr) return {{a, b, *bias, y}, attributes, engine};
  return {{a, b, y}, attributes, engine};
}

#endif

template <class Primitive, class Description>
std::unique_ptr<OneDnnKernel> make_kernel_of(const dnnl::engine& engine,
                                             const Description& description) {
  return std::make_unique<OneDnnKernel>(engine, Primitive(description),
                                        description.scratchpad_desc(), description.impl_info_str());
}

// The pass that the backward passes are the gradients of; oneDNN asks for it as a hint.
Forward::primitive_desc hint_of(const dnnl::engine& engine, const Conv2dProblem& problem,
                                DType data) {
  return forward_of(engine, {problem, data, data}, false, attributes_for(Activation::none));
}

}  // namespace

std::string onednn_version() {
  const dnnl_version_t* version = dnnl::version();
  return join(version->major, '.', version->minor, '.', version->patch);
}

std::unique_ptr<Kernel> onednn_conv2d(const Conv2dProblem& problem, Activation activation,
                                      const PrepareContext& context) {
  return asking_for("conv2d", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const bool has_bias = context.inputs.size() > 2;
    const Conv2dDescriptors d(problem, data, data);
    const auto description = forward_of(engine, d, has_bias, attributes_for(activation));
    auto kernel = make_kernel_of<Forward>(engine, description);
    kernel->bind({DNNL_ARG_SRC, Role::input, 0, d.x, d.x});
    kernel->bind({DNNL_ARG_WEIGHTS, Role::input, 1, d.plain_w(context.inputs[1].dtype),
                  description.weights_desc()},
                 context.frozen_data(1));
    if (has_bias) kernel->bind({DNNL_ARG_BIAS, Role::input, 2, d.bias, d.bias});
    kernel->bind({DNNL_ARG_DST, Role::output, 0, d.y, d.y});
    return kernel;
  });
}

std::unique_ptr<Kernel> onednn_conv2d_backward_data(const Conv2dProblem& problem,
                                                    const PrepareContext& context) {
  return asking_for("conv2d_backward_data", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const Conv2dDescriptors d(problem, data, data);
    const auto description = backward_data_of(engine, d, hint_of(engine, problem, data),
                                              attributes_for(Activation::none));
    auto kernel = make_kernel_of<BackwardData>(engine, description);
    kernel->bind({DNNL_ARG_DIFF_DST, Role::input, 0, d.y, d.y});
    kernel->bind({DNNL_ARG_WEIGHTS, Role::input, 1, d.plain_w(context.inputs[1].dtype),
                  description.weights_desc()},
                 context.frozen_data(1));
    kernel->bind({DNNL_ARG_DIFF_SRC, Role::output, 0, d.x, d.x});
    return kernel;
  });
}

std::unique_ptr<Kernel> onednn_conv2d_backward_weights(const Conv2dProblem& problem,
                                                       const PrepareContext& context) {
  return asking_for("conv2d_backward_weights", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const Conv2dDescriptors d(problem, data, DType::f32);
    const auto description = backward_weights_of(engine, d, hint_of(engine, problem, data),
                                                 attributes_for(Activation::none));
    auto kernel = make_kernel_of<BackwardWeights>(engine, description);
    kernel->bind({DNNL_ARG_SRC, Role::input, 0, d.x, d.x});
    kernel->bind({DNNL_ARG_DIFF_DST, Role::input, 1, d.y, d.y});
    kernel->bind({DNNL_ARG_DIFF_WEIGHTS, Role::output, 0, d.plain_w(DType::f32),
                  description.diff_weights_desc()});
    return kernel;
  });
}

std::unique_ptr<Kernel> onednn_matmul(const MatmulProblem& problem, const PrepareContext& context) {
  return asking_for("matmul", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const bool has_bias = context.inputs.size() > 2;
    // Packing b costs about as much as one product of 64 rows, so only a frozen b is packed.
    const Tag a_layout = problem.options.transpose_a ? Tag::ba : Tag::ab;
    const Tag b_layout = problem.options.transpose_b ? Tag::ba : Tag::ab;
    const bool packs_b = context.frozen_data(1) != nullptr;
    const memory::desc a({problem.m, problem.k}, type_of(data), a_layout);
    const memory::desc b({problem.k, problem.n}, type_of(data), packs_b ? Tag::any : b_layout);
    const memory::desc plain_b({problem.k, problem.n}, type_of(context.inputs[1].dtype), b_layout);
    const memory::desc bias({1, problem.n}, memory::data_type::f32, Tag::ab);
    const memory::desc y({problem.m, problem.n}, type_of(context.outputs[0].dtype), Tag::ab);

    const auto description =
        matmul_of(engine, a, b, has_bias ? &bias : nullptr, y, attributes_for(Activation::none));
    auto kernel = make_kernel_of<dnnl::matmul>(engine, description);
    kernel->bind({DNNL_ARG_SRC, Role::input, 0, a, a});
    kernel->bind({DNNL_ARG_WEIGHTS, Role::input, 1, plain_b, description.weights_desc()},
                 context.frozen_data(1));
    if (has_bias) kernel->bind({DNNL_ARG_BIAS, Role::input, 2, bias, bias});
    kernel->bind({DNNL_ARG_DST, Role::output, 0, y, y});
    return kernel;
  });
}

}  // namespace engine::cpu
