// Convolutions over oneDNN, in three directions.
#include "engine/kernels/cpu/onednn_kernel.h"

namespace engine::cpu {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;

// The descriptors of one convolution: extents in oneDNN's order, memory in ours.
struct Conv2dDescriptors {
  Conv2dDescriptors(const Conv2dProblem& p, DType data, DType weights) {
    const Conv2dGeometry& g = p.geometry;
    w_dims = g.groups == 1 ? Dims{p.oc, p.ic, p.kh, p.kw}
                           : Dims{g.groups, p.oc / g.groups, p.ic / g.groups, p.kh, p.kw};
    w_layout = g.groups == 1 ? Tag::ohwi : Tag::gohwi;
    x = memory::desc({p.n, p.ic, p.ih, p.iw}, onednn_type(data), Tag::nhwc);
    y = memory::desc({p.n, p.oc, p.oh, p.ow}, onednn_type(data), Tag::nhwc);
    w = memory::desc(w_dims, onednn_type(weights), Tag::any);
    bias = memory::desc({p.oc}, memory::data_type::f32, Tag::x);
    strides = {g.stride.h, g.stride.w};
    dilations = {g.dilation.h - 1, g.dilation.w - 1};  // oneDNN counts from 0
    padding = {g.padding.h, g.padding.w};
  }

  // Our buffer of weights.
  memory::desc plain_w(DType dtype) const { return {w_dims, onednn_type(dtype), w_layout}; }

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

#endif

// The pass that the backward passes are the gradients of; oneDNN asks for it as a hint.
Forward::primitive_desc hint_of(const dnnl::engine& engine, const Conv2dProblem& problem,
                                DType data) {
  return forward_of(engine, {problem, data, data}, false, onednn_attributes(Activation::none));
}

}  // namespace

std::unique_ptr<Kernel> onednn_conv2d(const Conv2dProblem& problem, Activation activation,
                                      const PrepareContext& context) {
  return onednn_asking_for("conv2d", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const bool has_bias = context.inputs.size() > 2;
    const Conv2dDescriptors d(problem, data, data);
    const auto description = forward_of(engine, d, has_bias, onednn_attributes(activation));
    auto kernel = make_onednn_kernel<Forward>(engine, description);
    kernel->bind({DNNL_ARG_SRC, OneDnnKernel::Role::input, 0, d.x, d.x});
    kernel->bind({DNNL_ARG_WEIGHTS, OneDnnKernel::Role::input, 1,
                  d.plain_w(context.inputs[1].dtype), description.weights_desc()},
                 context.frozen_data(1));
    if (has_bias) kernel->bind({DNNL_ARG_BIAS, OneDnnKernel::Role::input, 2, d.bias, d.bias});
    kernel->bind({DNNL_ARG_DST, OneDnnKernel::Role::output, 0, d.y, d.y});
    return kernel;
  });
}

std::unique_ptr<Kernel> onednn_conv2d_backward_data(const Conv2dProblem& problem,
                                                    const PrepareContext& context) {
  return onednn_asking_for("conv2d_backward_data", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const Conv2dDescriptors d(problem, data, data);
    const auto description = backward_data_of(engine, d, hint_of(engine, problem, data),
                                              onednn_attributes(Activation::none));
    auto kernel = make_onednn_kernel<BackwardData>(engine, description);
    kernel->bind({DNNL_ARG_DIFF_DST, OneDnnKernel::Role::input, 0, d.y, d.y});
    kernel->bind({DNNL_ARG_WEIGHTS, OneDnnKernel::Role::input, 1,
                  d.plain_w(context.inputs[1].dtype), description.weights_desc()},
                 context.frozen_data(1));
    kernel->bind({DNNL_ARG_DIFF_SRC, OneDnnKernel::Role::output, 0, d.x, d.x});
    return kernel;
  });
}

std::unique_ptr<Kernel> onednn_conv2d_backward_weights(const Conv2dProblem& problem,
                                                       const PrepareContext& context) {
  return onednn_asking_for("conv2d_backward_weights", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const Conv2dDescriptors d(problem, data, DType::f32);
    const auto description = backward_weights_of(engine, d, hint_of(engine, problem, data),
                                                 onednn_attributes(Activation::none));
    auto kernel = make_onednn_kernel<BackwardWeights>(engine, description);
    kernel->bind({DNNL_ARG_SRC, OneDnnKernel::Role::input, 0, d.x, d.x});
    kernel->bind({DNNL_ARG_DIFF_DST, OneDnnKernel::Role::input, 1, d.y, d.y});
    kernel->bind({DNNL_ARG_DIFF_WEIGHTS, OneDnnKernel::Role::output, 0, d.plain_w(DType::f32),
                  description.diff_weights_desc()});
    return kernel;
  });
}

}  // namespace engine::cpu
