#include "engine/kernels/cpu/few_channels_conv2d.h"

#include "engine/core/cpu/parallel.h"
#include "engine/kernels/cpu/onednn.h"

namespace engine::cpu {
namespace {

using namespace few_channels;

// Products of bf16 in a sum, below which adding up its lanes takes too long: measured on a Zen 4.
constexpr std::int64_t kFewestBf16 = 128;

bool is_known(const TensorType& type) {
  return type.dtype == DType::f32 || type.dtype == DType::bf16;
}

}  // namespace

bool few_channels_can(const Conv2dProblem& p, const PrepareContext& context) {
  const Conv2dGeometry& g = p.geometry;
  return p.ic <= kMostChannels && g.stride == Extent2d(1) && g.dilation == Extent2d(1) &&
         g.groups == 1 && p.n * p.oh * p.ow * p.oc >= least_numbers_of_y(p.oc) &&
         is_known(context.inputs[0]) && is_known(context.inputs[1]);
}

bool few_channels_is_faster(const Conv2dProblem& p, const PrepareContext& context) {
  if (!few_channels_can(p, context) || !onednn_uses_avx512()) return false;
  return context.inputs[0].dtype == DType::f32 || p.kh * p.kw * p.oc >= kFewestBf16;
}

std::unique_ptr<Kernel> few_channels_conv2d_backward_data(const Conv2dProblem& p, DType filters,
                                                          Products products) {
  const BackwardData problem{.products = products,
                             .n = p.n,
                             .ih = p.ih,
                             .iw = p.iw,
                             .ic = p.ic,
                             .oc = p.oc,
                             .kh = p.kh,
                             .kw = p.kw,
                             .oh = p.oh,
                             .ow = p.ow,
                             .padding_h = p.geometry.padding.h,
                             .padding_w = p.geometry.padding.w};
  return make_kernel(
      [problem, filters](const Stream& stream, const Buffers& buffers) {
        pack_filters(problem, filters, buffers.inputs[1], buffers.scratch);
        parallel_for(stream, problem.n * problem.ih, problem.iw * problem.kh * problem.run(),
                     [&](std::int64_t begin, std::int64_t end) {
                       write_rows(problem, buffers.inputs[0], buffers.scratch, begin, end,
                                  buffers.outputs[0]);
                     });
      },
      problem.filter_bytes(), "dot products along the rows of y");
}

}  // namespace engine::cpu
