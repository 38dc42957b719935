#include "../kernels/tensor_map.h"
#include "conformance.h"
#include "engine/kernels/cuda/ptx/tma.h"

// Tensor copies: boxes of 2 to 5 dimensions with every swizzle, also beyond the tensor's edges.
// Shared memory is looked at byte by byte.
namespace engine::conformance {
namespace {

using samples::make_tensor_map;
using samples::TensorMapShape;

constexpr int kMostDimensions = 5;

struct Box {
  int rank;
  int at[kMostDimensions];
  std::uint32_t bytes;
};

#ifdef ENGINE_PTX_SM90
__device__ void load_box(std::uint32_t to, const CUtensorMap* map, std::uint32_t barrier,
                         const Box& box) {
  const int* const c = box.at;
  switch (box.rank) {
    case 2:
      ptx::tma_load(to, map, barrier, c[0], c[1]);
      break;
    case 3:
      ptx::tma_load(to, map, barrier, c[0], c[1], c[2]);
      break;
    case 4:
      ptx::tma_load(to, map, barrier, c[0], c[1], c[2], c[3]);
      break;
    default:
      ptx::tma_load(to, map, barrier, c[0], c[1], c[2], c[3], c[4]);
  }
}
#endif

__global__ void load_kernel(const __grid_constant__ CUtensorMap map, Box box, std::uint8_t* out) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(std::uint8_t, shared);
  __shared__ __align__(8) std::uint64_t barrier_memory;
  const std::uint32_t barrier = ptx::shared_address(&barrier_memory);
  if (threadIdx.x == 0) {
    ptx::tma_prefetch(&map);
    ptx::mbarrier_init(barrier, 1);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::mbarrier_expect_bytes(barrier, box.bytes);
    load_box(ptx::shared_address(shared), &map, barrier, box);
    ptx::mbarrier_arrive(barrier);
  }
  ptx::mbarrier_wait(barrier, 0);
  for (std::uint32_t i = threadIdx.x; i < box.bytes; i += blockDim.x) out[i] = shared[i];
#endif
}

__global__ void store_kernel(const __grid_constant__ CUtensorMap map, Box box,
                             const std::uint8_t* in) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(std::uint8_t, shared);
  for (std::uint32_t i = threadIdx.x; i < box.bytes; i += blockDim.x) shared[i] = in[i];
  ptx::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x != 0) return;
  const std::uint32_t from = ptx::shared_address(shared);
  const int* const c = box.at;
  switch (box.rank) {
    case 2:
      ptx::tma_store(&map, from, c[0], c[1]);
      break;
    case 3:
      ptx::tma_store(&map, from, c[0], c[1], c[2]);
      break;
    case 4:
      ptx::tma_store(&map, from, c[0], c[1], c[2], c[3]);
      break;
    default:
      ptx::tma_store(&map, from, c[0], c[1], c[2], c[3], c[4]);
  }
  ptx::bulk_commit();
  ptx::bulk_wait_read<0>();
  ptx::bulk_wait<0>();
#endif
}

// Block r of the cluster brings half r of a box of 16 rows, for both blocks.
template <int kRank>
__global__ void multicast_kernel(const __grid_constant__ CUtensorMap map, std::uint32_t half_bytes,
                                 std::uint8_t* out) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(std::uint8_t, shared);
  const std::uint32_t base = ptx::shared_address(shared), barrier = base + 2 * half_bytes;
  const std::uint32_t rank = ptx::cluster_rank();
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier, 1);
    ptx::fence_mbarrier_init();
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_bytes(barrier, 2 * half_bytes);
    const std::uint32_t to = base + rank * half_bytes;
    const int row = static_cast<int>(rank) * 8;
    if constexpr (kRank == 2) {
      ptx::tma_load_multicast(to, &map, barrier, 3, 0, row);
    } else {
      ptx::tma_load_multicast(to, &map, barrier, 3, 0, row, 0, 0);
    }
  }
  ptx::mbarrier_wait(barrier, 0);
  for (std::uint32_t i = threadIdx.x; i < 2 * half_bytes; i += blockDim.x) {
    out[rank * 2 * half_bytes + i] = shared[i];
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
#endif
}

// --- what has to come out
// ----------------------------------------------------------------------------

// Chunks of 16 bytes change places within lines of 128 bytes: the chunk's number is xored with bits
// of the line's number.
std::size_t swizzled(std::size_t byte, int swizzle_bytes) {
  const std::size_t lines = byte / 128;
  std::size_t mask = 0;
  if (swizzle_bytes == 128) mask = lines % 8;
  if (swizzle_bytes == 64) mask = lines % 4;
  if (swizzle_bytes == 32) mask = lines % 2;
  return byte ^ mask << 4;
}

struct Tensor {
  TensorMapShape shape;
  std::vector<std::uint16_t> values;

  Tensor(std::vector<std::uint64_t> sizes, std::vector<std::uint32_t> box, int swizzle) {
    shape.sizes = std::move(sizes);
    shape.box = std::move(box);
    shape.swizzle_bytes = swizzle;
    std::size_t count = 1;
    for (auto size : shape.sizes) count *= size;
    values = counting(count);
    for (auto& value : values) value = static_cast<std::uint16_t>(value + 1);  // 0 is outside
  }
  std::size_t box_elements() const {
    std::size_t count = 1;
    for (auto size : shape.box) count *= size;
    return count;
  }
  // Calls visit(element of the box, element of the tensor, or -1 outside of it).
  template <class Visit>
  void for_each(const int* at, Visit visit) const {
    for (std::size_t i = 0; i < box_elements(); i++) {
      std::size_t rest = i, stride = 1;
      std::int64_t index = 0;
      for (std::size_t d = 0; d < shape.box.size(); d++) {
        const std::int64_t x = at[d] + static_cast<std::int64_t>(rest % shape.box[d]);
        rest /= shape.box[d];
        const bool inside = x >= 0 && x < static_cast<std::int64_t>(shape.sizes[d]);
        index = inside && index >= 0 ? index + x * static_cast<std::int64_t>(stride) : -1;
        stride *= shape.sizes[d];
      }
      visit(i, index);
    }
  }
};

Box box_of(const Tensor& tensor, const std::vector<int>& at) {
  Box box{static_cast<int>(at.size()), {}, static_cast<std::uint32_t>(tensor.box_elements() * 2)};
  for (std::size_t i = 0; i < at.size(); i++) box.at[i] = at[i];
  return box;
}

void put(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value);
  bytes[at + 1] = static_cast<std::uint8_t>(value >> 8);
}

void check_load(Result& result, const Tensor& tensor, const std::vector<int>& at) {
  const Array<std::uint16_t> device(tensor.values);
  const Box box = box_of(tensor, at);
  const Array<std::uint8_t> out(box.bytes);
  ENGINE_LAUNCH(load_kernel, {.block = 64, .shared_bytes = box.bytes}, nullptr,
                make_tensor_map(device.data(), tensor.shape), box, out.data());
  std::vector<std::uint8_t> want(box.bytes);
  tensor.for_each(box.at, [&](std::size_t i, std::int64_t element) {
    put(want, swizzled(i * 2, tensor.shape.swizzle_bytes),
        element < 0 ? 0 : tensor.values[element]);
  });
  result.expect_equal(out.values(), want);
}

void check_store(Result& result, const Tensor& tensor, const std::vector<int>& at) {
  const Array<std::uint16_t> device(tensor.values);
  const Box box = box_of(tensor, at);
  std::vector<std::uint8_t> in(box.bytes);
  std::vector<std::uint16_t> want = tensor.values;
  tensor.for_each(box.at, [&](std::size_t i, std::int64_t element) {
    const auto value = static_cast<std::uint16_t>(40000 + i);
    put(in, swizzled(i * 2, tensor.shape.swizzle_bytes), value);
    if (element >= 0) want[element] = value;
  });
  const Array<std::uint8_t> device_in(in);
  ENGINE_LAUNCH(store_kernel, {.block = 64, .shared_bytes = box.bytes}, nullptr,
                make_tensor_map(device.data(), tensor.shape), box, device_in.data());
  result.expect_equal(device.values(), want);
}

template <int kRank>
void check_multicast(Result& result, const Tensor& tensor) {
  const Array<std::uint16_t> device(tensor.values);
  const auto half = static_cast<std::uint32_t>(tensor.box_elements() * 2);
  const Array<std::uint8_t> out(4 * half);
  ENGINE_LAUNCH(multicast_kernel<kRank>,
                {.grid = 2, .block = 64, .shared_bytes = 2 * half + 8, .cluster = 2}, nullptr,
                make_tensor_map(device.data(), tensor.shape), half, out.data());
  std::vector<std::uint8_t> want(4 * half);
  for (int part = 0; part < 2; part++) {
    const int at[kMostDimensions] = {0, part * 8, 0, 0, 0};
    tensor.for_each(at, [&](std::size_t i, std::int64_t element) {
      const std::uint16_t value = element < 0 ? 0 : tensor.values[element];
      const std::size_t byte = part * half + swizzled(i * 2, tensor.shape.swizzle_bytes);
      put(want, byte, value);
      put(want, 2 * half + byte, value);
    });
  }
  result.expect_equal(out.values(), want);
}

const Tensor kFlat = {{72, 40}, {32, 24}, 64};
Tensor matrix(std::uint32_t box_columns, int swizzle) {
  return {{72, 40}, {box_columns, 24}, swizzle};
}
const Tensor kVolume = {{24, 10, 6}, {16, 4, 3}, 32};
const Tensor kImages = {{64, 9, 7, 3}, {64, 4, 3, 2}, 128};
const Tensor kFive = {{16, 5, 4, 3, 3}, {8, 3, 2, 2, 2}, 0};

}  // namespace

ENGINE_CONFORMANCE(tma_load_2d, 90) {
  check_load(result, matrix(32, 0), {8, 4});
}
ENGINE_CONFORMANCE(tma_load_2d_swizzle_32, 90) {
  check_load(result, matrix(16, 32), {8, 4});
}
ENGINE_CONFORMANCE(tma_load_2d_swizzle_64, 90) {
  check_load(result, matrix(32, 64), {8, 4});
}
ENGINE_CONFORMANCE(tma_load_2d_swizzle_128, 90) {
  check_load(result, matrix(64, 128), {8, 4});
}
ENGINE_CONFORMANCE(tma_load_2d_before_the_edge, 90) {
  check_load(result, kFlat, {-3, -5});
}
ENGINE_CONFORMANCE(tma_load_2d_beyond_the_edge, 90) {
  check_load(result, kFlat, {61, 33});
}
ENGINE_CONFORMANCE(tma_load_3d, 90) {
  check_load(result, kVolume, {8, 5, 2});
}
ENGINE_CONFORMANCE(tma_load_3d_beyond_the_edge, 90) {
  check_load(result, kVolume, {13, -1, 4});
}
ENGINE_CONFORMANCE(tma_load_4d_swizzle_128, 90) {
  check_load(result, kImages, {0, 2, 1, 0});
}
ENGINE_CONFORMANCE(tma_load_4d_padding, 90) {
  check_load(result, kImages, {0, -1, -1, 1});
}
ENGINE_CONFORMANCE(tma_load_5d, 90) {
  check_load(result, kFive, {3, 1, 1, 0, 1});
}
ENGINE_CONFORMANCE(tma_load_5d_beyond_the_edge, 90) {
  check_load(result, kFive, {11, 4, -1, 2, 2});
}
ENGINE_CONFORMANCE(tma_store_2d, 90) {
  check_store(result, matrix(64, 128), {8, 4});
}
ENGINE_CONFORMANCE(tma_store_2d_beyond_the_edge, 90) {
  check_store(result, kFlat, {61, -5});
}
ENGINE_CONFORMANCE(tma_store_3d, 90) {
  check_store(result, kVolume, {8, 8, 2});
}
ENGINE_CONFORMANCE(tma_store_4d, 90) {
  check_store(result, kImages, {0, -1, 2, 1});
}
ENGINE_CONFORMANCE(tma_store_5d, 90) {
  check_store(result, kFive, {3, 1, 3, 0, 1});
}
ENGINE_CONFORMANCE(tma_multicast_2d, 90) {
  check_multicast<2>(result, {{64, 40}, {64, 8}, 128});
}
ENGINE_CONFORMANCE(tma_multicast_4d, 90) {
  check_multicast<4>(result, {{64, 40, 2, 2}, {64, 8, 1, 1}, 128});
}

}  // namespace engine::conformance
