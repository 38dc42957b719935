// total_variation and its gradient on CUDA.
#include <cstdint>

#include "engine/kernels/cuda/column_sums.h"
#include "engine/kernels/total_variation.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kPack = kPackElements<float>;

// Images seen as [images, height, row], with c elements a pixel.
struct Images {
  std::int64_t height, row, c;
};

// Where an element lies, kept up by additions: divisions happen once a pack.
class Place {
 public:
  __device__ Place(const Images& images, std::int64_t element)
      : images_(images), column_(element % images.row), y_(element / images.row % images.height) {}
  __device__ bool has_left() const { return column_ >= images_.c; }
  __device__ bool has_right() const { return column_ + images_.c < images_.row; }
  __device__ bool has_above() const { return y_ > 0; }
  __device__ bool has_below() const { return y_ + 1 < images_.height; }
  __device__ void next() {
    if (++column_ < images_.row) return;
    column_ = 0;
    if (++y_ == images_.height) y_ = 0;
  }

 private:
  const Images& images_;
  std::int64_t column_, y_;
};

// The Source (column_sums.h) of the squared steps, as one column. Floor: x read once; the pixels to
// the right and below come from the caches.
struct SquaredSteps {
  static constexpr int kElements = kPack;
  static constexpr int kSums = 1;

  const float* x;
  float* y;
  Images images;

  __device__ void begin(std::int64_t) const {}
  template <bool kIsWhole>
  __device__ void add(std::int64_t element, std::int64_t left, std::int64_t,
                      float (&sums)[kSums][kElements]) const {
    float values[kElements];
    if constexpr (kIsWhole) {
      load_whole_pack(x + element, values);
    } else {
      load_single(x + element, left, values);
    }
    Place place(images, element);
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      if (!kIsWhole && i >= left) break;
      const float* at = x + element + i;
      const float right = place.has_right() ? at[images.c] - values[i] : 0.0f;
      const float below = place.has_below() ? at[images.row] - values[i] : 0.0f;
      sums[0][i] += right * right + below * below;
      place.next();
    }
  }
  __device__ void end(int, std::int64_t, float (&)[kSums][kElements]) const {}
  template <class Acc>
  __device__ static void merge(Acc (&a)[kSums], const Acc (&b)[kSums]) {
    a[0] += b[0];
  }
  template <class Acc>
  __device__ void finish(std::int64_t, std::int64_t, const Acc (&sums)[kSums]) const {
    y[0] = static_cast<float>(sums[0]);
  }
};

// A thread does one pack of 4. Floor: x read and dx written once; neighbours come from the caches.
__global__ void __launch_bounds__(kThreads)
    total_variation_backward_kernel(const float* dy, const float* x, float* dx,
                                    const __grid_constant__ Images images, std::int64_t count,
                                    bool is_aligned) {
  const std::int64_t first = kPack * global_thread();
  if (first >= count) return;
  const float factor = 2.0f * dy[0];
  float values[kPack], sums[kPack] = {};
  load_pack(x, first, count, is_aligned, values);
  Place place(images, first);
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    if (first + i >= count) break;
    const float* at = x + first + i;
    if (place.has_right()) sums[i] += factor * (values[i] - at[images.c]);
    if (place.has_left()) sums[i] += factor * (values[i] - at[-images.c]);
    if (place.has_above()) sums[i] += factor * (values[i] - at[-images.row]);
    if (place.has_below()) sums[i] += factor * (values[i] - at[images.row]);
    place.next();
  }
  store_pack(dx, first, count, is_aligned, sums);
}

Images images_of(const Shape& x) {
  return {.height = x[1], .row = x[2] * x[3], .c = x[3]};
}

}  // namespace

std::unique_ptr<Kernel> prepare_total_variation(const Shape& x) {
  const Images images = images_of(x);
  const ColumnPlan plan = column_plan(1, x.elements(), 1, kPack);
  return make_kernel(
      [=](const Stream& stream, const Buffers& b) {
        const SquaredSteps source{b.in<float>(0), b.out<float>(0), images};
        sum_columns(plan, source, are_aligned(source.x), b.scratch, stream);
      },
      column_scratch_bytes<SquaredSteps>(plan));
}

std::unique_ptr<Kernel> prepare_total_variation_backward(const Shape& x) {
  const Images images = images_of(x);
  const std::int64_t count = x.elements();
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const float *dy = b.in<float>(0), *from = b.in<float>(1);
    float* dx = b.out<float>(0);
    ENGINE_LAUNCH(
        total_variation_backward_kernel,
        (LaunchConfig{.grid = dim3(blocks_for(count, kThreads * kPack)), .block = dim3(kThreads)}),
        stream_of(stream), dy, from, dx, images, count, are_aligned(from, dx));
  });
}

}  // namespace engine::cuda
