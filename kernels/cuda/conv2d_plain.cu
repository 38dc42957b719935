// Convolutions of any geometry, f32 multiply-adds: implicit GEMM with 64 x 64 tiles.
//
// Each direction is a product of two matrices that are never stored (m, n and k of
// conv2d_products()); a matrix below says what lies at a row (along m or n) and a column (along k).
// A zero of the padding is multiplied like any element: NaN and infinity in a filter reach the
// pixels at the border even where their tap lies outside.
#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/conv2d_algorithms.h"
#include "engine/kernels/cuda/conv2d_map.h"
#include "engine/kernels/cuda/conv2d_sum_splits.h"

namespace engine::cuda {

namespace {

constexpr int kTile = 64, kTileK = 16, kThreads = 256;
constexpr int kLoads = kTile * kTileK / kThreads;  // of a thread, for each tile of a matrix
constexpr int kLine = kTile + 4;                   // floats; the 4 spread columns over the banks

// A window's row and column of x for an output pixel and a tap.
__device__ int input_row(const Conv2dMap& map, int oh, int kh) {
  return oh * map.stride_h - map.padding_h + kh * map.dilation_h;
}
__device__ int input_column(const Conv2dMap& map, int ow, int kw) {
  return ow * map.stride_w - map.padding_w + kw * map.dilation_w;
}

// x: an output pixel and an element of a filter.
template <class T>
struct Window {
  const T* x;
  int group;

  struct Pixel {
    std::int64_t image;
    int h, w;
  };
  __device__ Pixel pixel(const Conv2dMap& map, int index) const {
    if (index >= map.y_pixels) return {0, kNowhere, 0};
    const PixelPosition at = pixel_position(index, map.by_oh, map.by_ow);
    return {static_cast<std::int64_t>(at.image) * map.ih, input_row(map, at.h, 0),
            input_column(map, at.w, 0)};
  }
  struct Element {
    int h, w, channel;
  };
  __device__ Element element(const Conv2dMap& map, int index) const {
    if (index >= map.group_steps) return {kNowhere, 0, 0};
    const TapPosition at = tap_position(index, map.by_group_ic, map.by_kw);
    return {at.h * map.dilation_h, at.w * map.dilation_w, group * map.group_ic + at.channel};
  }
  __device__ float at(const Conv2dMap& map, const Pixel& pixel, const Element& element) const {
    const int h = pixel.h + element.h, w = pixel.w + element.w;
    if (!is_within(h, map.ih) || !is_within(w, map.iw)) return 0;
    return load(x[((pixel.image + h) * map.iw + w) * map.ic + element.channel]);
  }
};

template <class T>
struct WindowByPixel : Window<T> {
  static constexpr bool kColumnsAdjoin = true;
  __device__ auto row(const Conv2dMap& map, int index) const { return this->pixel(map, index); }
  __device__ auto column(const Conv2dMap& map, int index) const {
    return this->element(map, index);
  }
};
template <class T>
struct WindowByElement : Window<T> {
  static constexpr bool kColumnsAdjoin = false;
  __device__ auto row(const Conv2dMap& map, int index) const { return this->element(map, index); }
  __device__ auto column(const Conv2dMap& map, int index) const { return this->pixel(map, index); }
  __device__ float at(const Conv2dMap& map, const typename Window<T>::Element& element,
                      const typename Window<T>::Pixel& pixel) const {
    return Window<T>::at(map, pixel, element);
  }
};

// w: a filter and an element of it.
template <class T>
struct FilterByElement {
  static constexpr bool kColumnsAdjoin = true;
  const T* w;
  int group;

  __device__ std::int64_t row(const Conv2dMap& map, int index) const {
    if (index >= map.group_oc) return -1;
    return (static_cast<std::int64_t>(group) * map.group_oc + index) * map.group_steps;
  }
  __device__ int column(const Conv2dMap& map, int index) const {
    return index < map.group_steps ? index : -1;
  }
  __device__ float at(const Conv2dMap&, std::int64_t row, int column) const {
    return row < 0 || column < 0 ? 0.0f : load(w[row + column]);
  }
};

// dy: an input pixel, and a tap with an output channel. Only every stride-th input pixel meets a
// tap.
template <class T>
struct GradientWindow {
  static constexpr bool kColumnsAdjoin = true;
  const T* dy;
  int group;

  struct Row {
    std::int64_t image;
    int h, w;
  };
  __device__ Row row(const Conv2dMap& map, int index) const {
    if (index >= map.x_pixels) return {0, kNowhere, 0};
    const PixelPosition at = pixel_position(index, map.by_ih, map.by_iw);
    return {static_cast<std::int64_t>(at.image) * map.oh, at.h + map.padding_h,
            at.w + map.padding_w};
  }
  struct Column {
    int h, w, channel;
  };
  __device__ Column column(const Conv2dMap& map, int index) const {
    if (index >= map.kh * map.kw * map.group_oc) return {-kNowhere, 0, 0};
    const TapPosition at = tap_position(index, map.by_group_oc, map.by_kw);
    return {at.h * map.dilation_h, at.w * map.dilation_w, group * map.group_oc + at.channel};
  }
  __device__ float at(const Conv2dMap& map, const Row& row, const Column& column) const {
    const int h = row.h - column.h, w = row.w - column.w;
    if (h < 0 || w < 0) return 0;
    const int oh = map.by_stride_h.quotient(h), ow = map.by_stride_w.quotient(w);
    if (oh * map.stride_h != h || ow * map.stride_w != w || oh >= map.oh || ow >= map.ow) return 0;
    return load(dy[((row.image + oh) * map.ow + ow) * map.oc + column.channel]);
  }
};

// w: an input channel, and a tap with an output channel.
template <class T>
struct FilterByChannel {
  static constexpr bool kColumnsAdjoin = false;
  const T* w;
  int group;

  __device__ int row(const Conv2dMap& map, int index) const {
    return index < map.group_ic ? index : -1;
  }
  __device__ std::int64_t column(const Conv2dMap& map, int index) const {
    if (index >= map.kh * map.kw * map.group_oc) return -1;
    const TapPosition at = tap_position(index, map.by_group_oc, map.by_kw);
    const std::int64_t filter = static_cast<std::int64_t>(group) * map.group_oc + at.channel;
    return filter * map.group_steps + static_cast<std::int64_t>(at.tap) * map.group_ic;
  }
  __device__ float at(const Conv2dMap&, int row, std::int64_t column) const {
    return row < 0 || column < 0 ? 0.0f : load(w[row + column]);
  }
};

// dy: an output channel and an output pixel.
template <class T>
struct GradientByChannel {
  static constexpr bool kColumnsAdjoin = false;
  const T* dy;
  int group;

  __device__ int row(const Conv2dMap& map, int index) const {
    return index < map.group_oc ? group * map.group_oc + index : -1;
  }
  __device__ std::int64_t column(const Conv2dMap& map, int index) const {
    return index < map.y_pixels ? static_cast<std::int64_t>(index) * map.oc : -1;
  }
  __device__ float at(const Conv2dMap&, int row, std::int64_t column) const {
    return row < 0 || column < 0 ? 0.0f : load(dy[row + column]);
  }
};

// The elements of one tile that a thread brings: neighbouring threads read neighbouring memory.
template <class Matrix>
class TileLoader {
  static constexpr int kRows = Matrix::kColumnsAdjoin ? kLoads : 1;
  static constexpr int kColumns = kLoads / kRows;
  using Row = decltype(Matrix().row(std::declval<const Conv2dMap&>(), 0));

 public:
  __device__ TileLoader(const Matrix& matrix, const Conv2dMap& map, int first_row)
      : matrix_(matrix) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) rows_[i] = matrix.row(map, first_row + row(i));
  }
  __device__ void load(const Conv2dMap& map, int first_column, float (&values)[kLoads]) const {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const auto at = matrix_.column(map, first_column + column(j));
#pragma unroll
      for (int i = 0; i < kRows; ++i) values[j * kRows + i] = matrix_.at(map, rows_[i], at);
    }
  }
  __device__ void store(float (&tile)[kTileK][kLine], const float (&values)[kLoads]) const {
#pragma unroll
    for (int e = 0; e < kLoads; ++e) tile[column(e / kRows)][row(e % kRows)] = values[e];
  }

 private:
  static constexpr int kAcross = Matrix::kColumnsAdjoin ? kTileK : kTile;
  __device__ static int row(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return Matrix::kColumnsAdjoin ? thread / kAcross + i * (kThreads / kAcross) : thread % kAcross;
  }
  __device__ static int column(int j) {
    const int thread = static_cast<int>(threadIdx.x);
    return Matrix::kColumnsAdjoin ? thread % kAcross : thread / kAcross + j * (kThreads / kAcross);
  }

  Matrix matrix_;
  Row rows_[kRows];
};

// Where a product goes: element (row, column) of a group to out[group * group_stride + row *
// row_stride + column], or, with splits, as a partial sum to the same place of one of the f32
// results in `partials`.
template <class T>
struct Target {
  T* out;
  const float* bias;  // or null
  float* partials;
  std::int64_t count, row_stride, group_stride;
  int m, n, k, splits;
  Activation activation;
};

// One block's tile of a product. A thread has 4 x 4 elements.
template <class A, class B, class T>
__device__ void multiply_tile(const Conv2dMap& map, const A& a, const B& b,
                              const Target<T>& target) {
  alignas(16) __shared__ float a_tile[kTileK][kLine];
  alignas(16) __shared__ float b_tile[kTileK][kLine];
  const int first_m = static_cast<int>(blockIdx.x) * kTile;
  const int first_n = static_cast<int>(blockIdx.y) * kTile;
  const int group = static_cast<int>(blockIdx.z) / target.splits;
  const int split = static_cast<int>(blockIdx.z) % target.splits;
  const int steps = (target.k + kTileK - 1) / kTileK;
  const int first_step = static_cast<int>(static_cast<std::int64_t>(steps) * split / target.splits);
  const int end_step =
      static_cast<int>(static_cast<std::int64_t>(steps) * (split + 1) / target.splits);

  const TileLoader<A> a_loader(a, map, first_m);
  const TileLoader<B> b_loader(b, map, first_n);
  const int m = static_cast<int>(threadIdx.x) / 16 * 4, n = static_cast<int>(threadIdx.x) % 16 * 4;
  float a_next[kLoads], b_next[kLoads], sums[4][4] = {};
  if (first_step < end_step) {
    a_loader.load(map, first_step * kTileK, a_next);
    b_loader.load(map, first_step * kTileK, b_next);
  }
  for (int step = first_step; step < end_step; ++step) {
    a_loader.store(a_tile, a_next);
    b_loader.store(b_tile, b_next);
    __syncthreads();
    if (step + 1 < end_step) {
      a_loader.load(map, (step + 1) * kTileK, a_next);
      b_loader.load(map, (step + 1) * kTileK, b_next);
    }
#pragma unroll
    for (int k = 0; k < kTileK; ++k) {
      const auto left = *reinterpret_cast<const Pack<float, 4>*>(&a_tile[k][m]);
      const auto right = *reinterpret_cast<const Pack<float, 4>*>(&b_tile[k][n]);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sums[i][j] = fmaf(left.values[i], right.values[j], sums[i][j]);
        }
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int row = first_m + m + i, column = first_n + n + j;
      if (row >= target.m || column >= target.n) continue;
      const std::int64_t at = group * target.group_stride + row * target.row_stride + column;
      if (target.splits > 1) {
        target.partials[split * target.count + at] = sums[i][j];
      } else {
        const float bias = target.bias == nullptr ? 0.0f : target.bias[group * target.n + column];
        target.out[at] = store<T>(activate(sums[i][j] + bias, target.activation));
      }
    }
  }
}

// One block a tile, a group and a part of k. Bound by multiply-adds: 2 m n k FLOP a group at the
// f32 rate, of which a tile's shared memory allows about half (two 16-byte reads for 16
// multiply-adds).
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv2d_forward_plain_kernel(Conv2dMap map, const T* x, const T* w, Target<T> target) {
  const int group = static_cast<int>(blockIdx.z) / target.splits;
  multiply_tile(map, WindowByPixel<T>{{x, group}}, FilterByElement<T>{w, group}, target);
}
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv2d_backward_data_plain_kernel(Conv2dMap map, const T* dy, const T* w, Target<T> target) {
  const int group = static_cast<int>(blockIdx.z) / target.splits;
  multiply_tile(map, GradientWindow<T>{dy, group}, FilterByChannel<T>{w, group}, target);
}
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv2d_backward_weights_plain_kernel(Conv2dMap map, const T* x, const T* dy,
                                         Target<float> target) {
  const int group = static_cast<int>(blockIdx.z) / target.splits;
  multiply_tile(map, GradientByChannel<T>{dy, group}, WindowByElement<T>{{x, group}}, target);
}

template <class T>
class PlainKernel final : public Kernel {
 public:
  explicit PlainKernel(const Conv2dPlan& plan)
      : plan_(plan),
        map_(conv2d_map(plan.problem)),
        products_(conv2d_products(plan.direction, plan.problem)) {
    is_gradient_of_weights_ = plan.direction == Conv2dDirection::backward_weights;
    sum_ = {.count = products_.m * products_.n * products_.count,
            .splits = plan.choice.splits,
            .channels = static_cast<int>(products_.n * products_.count),
            .out_dtype = is_gradient_of_weights_ ? DType::f32 : dtype(),
            .activation = plan.activation};
    const std::int64_t tiles_n = (products_.n + kTile - 1) / kTile;
    const std::int64_t depth = products_.count * plan.choice.splits;
    ENGINE_CHECK(tiles_n <= kMostGridYz && depth <= kMostGridYz, "conv2d ", plan.direction, ' ',
                 plan.problem, ": too many channels or groups for a CUDA grid");
    grid_ = dim3(blocks_for(products_.m, kTile), static_cast<unsigned>(tiles_n),
                 static_cast<unsigned>(depth));
  }

  std::int64_t scratch_bytes() const override { return sum_.scratch_bytes(); }
  std::string describe() const override { return join(plan_.choice); }

  void run(const Stream& stream, const Buffers& buffers) override {
    switch (plan_.direction) {
      case Conv2dDirection::forward:
        enqueue("conv2d_forward_plain_kernel", conv2d_forward_plain_kernel<T>, stream, buffers);
        break;
      case Conv2dDirection::backward_data:
        enqueue("conv2d_backward_data_plain_kernel", conv2d_backward_data_plain_kernel<T>, stream,
                buffers);
        break;
      case Conv2dDirection::backward_weights:
        enqueue("conv2d_backward_weights_plain_kernel", conv2d_backward_weights_plain_kernel<T>,
                stream, buffers);
        break;
    }
  }

 private:
  static constexpr std::int64_t kMostGridYz = 65535;

  static DType dtype() {
    return std::is_same_v<T, float>    ? DType::f32
           : std::is_same_v<T, __half> ? DType::f16
                                       : DType::bf16;
  }

  template <class Out>
  void enqueue(const char* name, void (*kernel)(Conv2dMap, const T*, const T*, Target<Out>),
               const Stream& stream, const Buffers& buffers) const {
    const float* bias = buffers.inputs.size() > 2 ? buffers.in<float>(2) : nullptr;
    auto* partials = static_cast<float*>(buffers.scratch);
    const Target<Out> target{
        .out = buffers.out<Out>(0),
        .bias = bias,
        .partials = partials,
        .count = sum_.count,
        .row_stride = products_.n * (is_gradient_of_weights_ ? 1 : products_.count),
        .group_stride = products_.n * (is_gradient_of_weights_ ? products_.m : 1),
        .m = static_cast<int>(products_.m),
        .n = static_cast<int>(products_.n),
        .k = static_cast<int>(products_.k),
        .splits = sum_.splits,
        .activation = plan_.activation};
    launch(name, kernel, {.grid = grid_, .block = dim3(kThreads)}, stream_of(stream), map_,
           buffers.in<T>(0), buffers.in<T>(1), target);
    if (sum_.splits > 1) sum_splits(stream_of(stream), sum_, partials, bias, buffers.outputs[0]);
  }

  Conv2dPlan plan_;
  Conv2dMap map_;
  Conv2dProducts products_;
  SplitSum sum_;
  dim3 grid_;
  bool is_gradient_of_weights_ = false;
};

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_plain(const Conv2dPlan& plan,
                                             const PrepareContext& context) {
  switch (context.inputs[0].dtype) {
    case DType::bf16:
      return std::make_unique<PlainKernel<__nv_bfloat16>>(plan);
    case DType::f16:
      return std::make_unique<PlainKernel<__half>>(plan);
    default:
      return std::make_unique<PlainKernel<float>>(plan);
  }
}

}  // namespace engine::cuda
