// Matrix products over oneDNN.
#include "engine/kernels/cpu/onednn_kernel.h"

namespace engine::cpu {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

dnnl::matmul::primitive_desc matmul_of(const dnnl::engine& engine, const memory::desc& a,
                                       const memory::desc& b, const memory::desc* bias,
                                       const memory::desc& y,
                                       const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  if (bias != nullptr) return {engine, a, b, *bias, y, attributes};
  return {engine, a, b, y, attributes};
#else
  if (bias != nullptr) return {{a, b, *bias, y}, attributes, engine};
  return {{a, b, y}, attributes, engine};
#endif
}

dnnl::primitive_attr attributes_of(bool adds) {
  dnnl::primitive_attr attributes = onednn_attributes(Activation::none);
  if (adds) {
    dnnl::post_ops operations;
    operations.append_sum(1.0f);
    attributes.set_post_ops(operations);
  }
  return attributes;
}

}  // namespace

std::unique_ptr<Kernel> onednn_matmul(const MatmulProblem& problem, const PrepareContext& context,
                                      bool adds) {
  return onednn_asking_for("matmul", context, [&]() -> std::unique_ptr<Kernel> {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const DType data = context.inputs[0].dtype;
    const bool has_bias = context.inputs.size() > 2;
    // Packing b costs about as much as one product of 64 rows, so only a frozen b is packed.
    const Tag a_layout = problem.options.transpose_a ? Tag::ba : Tag::ab;
    const Tag b_layout = problem.options.transpose_b ? Tag::ba : Tag::ab;
    const bool packs_b = context.frozen_data(1) != nullptr;
    const memory::desc a({problem.m, problem.k}, onednn_type(data), a_layout);
    const memory::desc b({problem.k, problem.n}, onednn_type(data), packs_b ? Tag::any : b_layout);
    const memory::desc plain_b({problem.k, problem.n}, onednn_type(context.inputs[1].dtype),
                               b_layout);
    const memory::desc bias({1, problem.n}, memory::data_type::f32, Tag::ab);
    const memory::desc y({problem.m, problem.n}, onednn_type(context.outputs[0].dtype), Tag::ab);

    const auto description =
        matmul_of(engine, a, b, has_bias ? &bias : nullptr, y, attributes_of(adds));
    auto kernel = make_onednn_kernel<dnnl::matmul>(engine, description);
    kernel->bind({DNNL_ARG_SRC, OneDnnKernel::Role::input, 0, a, a});
    kernel->bind(
        {DNNL_ARG_WEIGHTS, OneDnnKernel::Role::input, 1, plain_b, description.weights_desc()},
        context.frozen_data(1));
    if (has_bias) kernel->bind({DNNL_ARG_BIAS, OneDnnKernel::Role::input, 2, bias, bias});
    kernel->bind({DNNL_ARG_DST, OneDnnKernel::Role::output, 0, y, y});
    return kernel;
  });
}

}  // namespace engine::cpu
