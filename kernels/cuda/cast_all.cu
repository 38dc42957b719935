// Many f32 tensors to bf16 by one launch for each 48 of them (tensor_table.h).
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cast_all.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/cuda/tensor_table.h"

namespace engine::cuda {

namespace {

// Pointers of a tensor: f32, then bf16. A block does 4096 elements of one tensor, a thread four
// packs of four that lie 1024 elements apart. Floor: 6 bytes an element.
__global__ void __launch_bounds__(kTableThreads)
    cast_all_kernel(const __grid_constant__ TensorTable<2> table) {
  const int block = static_cast<int>(blockIdx.x);
  const int tensor = tensor_of_block(table, block);
  const float* x = table.pointers[tensor][0];
  auto* y = reinterpret_cast<__nv_bfloat16*>(table.pointers[tensor][1]);
  const std::int64_t count = table.counts[tensor];
  const std::int64_t begin = (block - table.first_blocks[tensor]) * kTableBlock;
#pragma unroll
  for (int pack = 0; pack < kTablePacks; ++pack) {
    const std::int64_t first =
        begin + 4 * (static_cast<std::int64_t>(pack) * kTableThreads + threadIdx.x);
    if (first >= count) break;
    float values[4];
    load_pack(x, first, count, table.is_aligned, values);
    store_pack(y, first, count, table.is_aligned, values);
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_cast_all(const PrepareContext& context) {
  auto parts = table_parts(context.inputs, TensorTable<2>::kSize);
  return make_kernel([parts = std::move(parts)](const Stream& stream, const Buffers& buffers) {
    for (const TablePart& part : parts) {
      const auto table = table_of<2>(part, [&](int tensor, int k) {
        return k == 0 ? const_cast<float*>(buffers.in<float>(tensor)) : buffers.out<float>(tensor);
      });
      launch("cast_all_kernel", cast_all_kernel,
             {.grid = dim3(static_cast<unsigned>(part.blocks())), .block = dim3(kTableThreads)},
             stream_of(stream), table);
    }
  });
}

}  // namespace engine::cuda
