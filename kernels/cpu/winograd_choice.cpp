// Which convolutions Winograd's way can do, and for which of them it is expected to be the faster.

#include "engine/core/cpu_info.h"
#include "engine/kernels/ceil_div.h"
#include "engine/kernels/cpu/lanes.h"
#include "engine/kernels/cpu/onednn.h"
#include "engine/kernels/cpu/winograd_conv2d.h"
#include "engine/kernels/cpu/winograd_transforms.h"

namespace engine::cpu {
namespace {

using namespace winograd;

// What decides between the two ways, in cycles of one core: measured on a Zen 4 (AVX-512) with 2
// cores on the layers of VGG-19 and of the day/night net.
constexpr double kProducts = 15.5;    // f32 multiplications and additions a cycle
constexpr double kMapOfChannel = 25;  // a channel of a tile read or written
constexpr double kFilterRead = 4;     // a float of the transformed filters, where they are not kept
constexpr double kFilterUse = 1;      // the same where they are more than the last cache holds
constexpr double kMeetings = 30'000;  // of the threads in a run
constexpr double kGain = 0.9;         // below which the errors are worth it

// The same for direct convolution.
double direct_products(DType dtype) {
  constexpr double kF32 = 14.5;
  if (dtype == DType::f32) return kF32;
  if (cpu_has("amx_bf16")) return 16 * kF32;
  return cpu_has("avx512_bf16") ? 2 * kF32 : kF32;
}

}  // namespace

bool winograd_can(const Conv2dProblem& p, const PrepareContext& context) {
  const Conv2dGeometry& g = p.geometry;
  const auto is_known = [](const TensorType& type) {
    return type.dtype == DType::f32 || type.dtype == DType::bf16;
  };
  return p.kh == 3 && p.kw == 3 && g.stride == Extent2d(1) && g.dilation == Extent2d(1) &&
         g.groups == 1 && g.padding.h <= 2 && g.padding.w <= 2 && p.ic % kLanes == 0 &&
         p.oc % kLanes == 0 && is_known(context.inputs[0]) && is_known(context.inputs[1]);
}

bool winograd_is_faster(const Conv2dProblem& p, const PrepareContext& context) {
  if (!winograd_can(p, context) || !onednn_uses_avx512()) return false;
  const auto tiles = static_cast<double>(p.n * ceil_div(p.oh, kTile) * ceil_div(p.ow, kTile));
  const auto channels = static_cast<double>(p.ic + p.oc);
  const Filters transformed{.out = p.oc, .in = p.ic};
  const auto filters = static_cast<double>(transformed.transformed_floats());
  const bool is_whole = transformed.transformed_floats() <= WinogradLimits{}.filter_floats;
  const bool is_packed = is_whole && context.frozen_data(1) != nullptr;

  const double direct =
      static_cast<double>(p.flops()) / 2 / direct_products(context.inputs[0].dtype);
  const double products = tiles * filters / kProducts;
  const double maps = tiles * channels * kMapOfChannel;
  const double reads = is_packed ? 0 : filters * (is_whole ? kFilterRead : kFilterUse);
  return products + maps + reads + context.device.threads() * kMeetings < kGain * direct;
}

}  // namespace engine::cpu
