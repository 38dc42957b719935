// Each CUDA algorithm for products, in each configuration, whatever would be chosen.
#include <gtest/gtest.h>

#include "engine/core/backend.h"
#include "engine/kernels/matmul_choice.h"
#include "tests/kernels/matrix_support.h"
#include "tests/reference/matmul.h"
#include "tests/support/cases.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

using cuda::MatmulAlgorithm;
using cuda::MatmulChoice;

// matmul by a given algorithm.
class ChosenMatmulOp final : public Op {
 public:
  ChosenMatmulOp(const MatmulOp& op, const MatmulChoice& choice, bool allows_tf32)
      : op_(op), choice_(choice), allows_tf32_(allows_tf32) {}

  std::string_view name() const override { return op_.name(); }
  std::string attributes() const override { return join(op_.attributes(), ' ', choice_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return op_.infer(inputs);
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const MatmulProblem problem =
        matmul_problem(context.inputs[0].shape, context.inputs[1].shape, op_.options());
    PrepareContext asked = context;
    asked.allows_tf32 = allows_tf32_;
    return cuda::prepare_matmul(problem, op_.activation(), choice_, asked);
  }

 private:
  MatmulOp op_;
  MatmulChoice choice_;
  bool allows_tf32_;
};

struct AlgorithmCase {
  const char* name;
  std::int64_t m = 1, k = 1, n = 1;
  MatmulOptions options;
  DType in = DType::bf16;
  MatmulChoice choice;
  bool has_bias = false;
  std::int64_t offset = 0;  // bytes by which all tensors miss their alignment
  bool allows_tf32 = false;
};
ENGINE_TEST_CASE_PRINTS_NAME(AlgorithmCase)

constexpr MatmulChoice plain(int tile, int splits = 1) {
  return {.algorithm = MatmulAlgorithm::plain, .tile_m = tile, .tile_n = tile, .splits = splits};
}
constexpr MatmulChoice mma(int tile, int splits = 1) {
  return {.algorithm = MatmulAlgorithm::mma, .tile_m = tile, .tile_n = tile, .splits = splits};
}
constexpr MatmulOptions kNN{}, kTN{.transpose_a = true}, kNT{.transpose_b = true},
    kTT{.transpose_a = true, .transpose_b = true}, kNNToF32{.f32_output = true},
    kTNToF32{.transpose_a = true, .f32_output = true};
constexpr DType kF32 = DType::f32, kBf16 = DType::bf16, kF16 = DType::f16;

const AlgorithmCase kPlainCases[] = {
    {"large_tile", 128, 16, 128, kNN, kF32, plain(128)},
    {"large_tile_edges", 129, 33, 130, kNN, kF32, plain(128)},
    {"large_tile_packs", 132, 36, 140, kTT, kF32, plain(128), true},
    {"large_tile_bf16", 132, 36, 140, kNT, kBf16, plain(128), true},
    {"large_tile_bf16_to_f32", 100, 20, 130, kNNToF32, kBf16, plain(128)},
    {"small_tile_packs", 68, 48, 60, kNN, kF32, plain(64)},
    {"small_tile_packs_ta", 68, 48, 60, kTN, kF32, plain(64)},
    {"small_tile_packs_tb", 68, 48, 60, kNT, kBf16, plain(64), true},
    {"small_tile_packs_both", 68, 48, 60, kTT, kBf16, plain(64), true},
    {"small_tile_to_f32", 68, 48, 60, kNNToF32, kBf16, plain(64), true},
    {"unaligned", 68, 48, 60, kNT, kF32, plain(64), true, 4},
    {"unaligned_bf16", 68, 48, 60, kNN, kBf16, plain(64), true, 4},
    {"splits", 36, 640, 40, kNT, kF32, plain(64, 5), true},
    {"splits_uneven", 7, 300, 9, kNN, kF32, plain(64, 3), true},
    {"splits_bf16", 36, 200, 40, kTN, kBf16, plain(64, 4), true},
    {"splits_bf16_to_f32", 130, 130, 129, kNNToF32, kBf16, plain(128, 3)},
};

// The small tile takes 64 terms at a time, through four stages.
const AlgorithmCase kMmaCases[] = {
    {"large_tile", 128, 64, 128, kNT, kBf16, mma(128)},
    {"large_nn_edges", 136, 72, 144, kNN, kBf16, mma(128), true},
    {"large_tn_edges", 136, 200, 144, kTN, kBf16, mma(128)},
    {"large_nt_edges", 264, 264, 136, kNT, kBf16, mma(128), true},
    {"large_tt_edges", 136, 72, 144, kTT, kBf16, mma(128)},
    {"large_odd", 129, 65, 131, kNT, kBf16, mma(128), true},
    {"large_to_f32", 130, 70, 130, kTNToF32, kBf16, mma(128)},
    {"small_tile", 64, 64, 64, kNN, kBf16, mma(64)},
    {"small_nn", 72, 136, 80, kNN, kBf16, mma(64), true},
    {"small_tn", 72, 520, 80, kTN, kBf16, mma(64)},
    {"small_nt", 72, 328, 80, kNT, kBf16, mma(64), true},
    {"small_tt", 72, 136, 80, kTT, kBf16, mma(64)},
    {"small_odd_nn", 63, 65, 67, kNN, kBf16, mma(64)},
    {"small_odd_tt", 65, 67, 63, kTT, kBf16, mma(64), true},
    {"one_row", 1, 200, 70, kNT, kBf16, mma(64), true},
    {"one_column", 70, 200, 1, kNT, kBf16, mma(64), true},
    {"one_term", 70, 1, 30, kNN, kBf16, mma(64)},
    {"to_f32", 40, 130, 50, kNNToF32, kBf16, mma(64), true},
    {"unaligned", 72, 136, 80, kNT, kBf16, mma(64), true, 4},
    {"unaligned_tn", 72, 136, 80, kTN, kBf16, mma(64), false, 4},
    {"splits", 40, 640, 48, kNT, kBf16, mma(64, 5), true},
    {"splits_uneven_to_f32", 30, 300, 34, kTNToF32, kBf16, mma(64, 3)},
    {"large_splits", 130, 200, 136, kNT, kBf16, mma(128, 4), true},
    {"f16_large_nn", 136, 72, 144, kNN, kF16, mma(128), true},
    {"f16_large_tn", 136, 72, 144, kTN, kF16, mma(128)},
    {"f16_large_nt", 136, 200, 136, kNT, kF16, mma(128), true},
    {"f16_large_tt", 136, 72, 144, kTT, kF16, mma(128)},
    {"f16_small_nn", 72, 136, 80, kNN, kF16, mma(64), true},
    {"f16_small_tn", 72, 328, 80, kTN, kF16, mma(64)},
    {"f16_small_nt_odd", 63, 65, 67, kNT, kF16, mma(64), true},
    {"f16_small_tt", 72, 136, 80, kTT, kF16, mma(64)},
    {"f16_to_f32", 40, 130, 50, kNNToF32, kF16, mma(64), true},
    {"f16_splits", 40, 640, 48, kNT, kF16, mma(64, 5), true},
    {"f16_unaligned", 40, 64, 48, kNT, kF16, mma(64), true, 4},
};

// f32 rounded to tf32: 32 terms at a time.
const AlgorithmCase kTf32Cases[] = {
    {"large_tile", 128, 32, 128, kNT, kF32, mma(128)},
    {"large_nn_edges", 132, 36, 140, kNN, kF32, mma(128), true},
    {"large_tn_edges", 132, 100, 140, kTN, kF32, mma(128)},
    {"large_nt_edges", 260, 132, 132, kNT, kF32, mma(128), true},
    {"large_tt_edges", 132, 36, 140, kTT, kF32, mma(128)},
    {"large_odd", 129, 65, 131, kNT, kF32, mma(128), true},
    {"small_tile", 64, 32, 64, kNN, kF32, mma(64)},
    {"small_nn", 68, 68, 76, kNN, kF32, mma(64), true},
    {"small_tn", 68, 260, 76, kTN, kF32, mma(64)},
    {"small_nt", 68, 164, 76, kNT, kF32, mma(64), true},
    {"small_tt", 68, 68, 76, kTT, kF32, mma(64)},
    {"small_odd_nn", 63, 65, 67, kNN, kF32, mma(64)},
    {"small_odd_tt", 65, 67, 63, kTT, kF32, mma(64), true},
    {"one_row", 1, 200, 70, kNT, kF32, mma(64), true},
    {"one_column", 70, 200, 1, kNN, kF32, mma(64), true},
    {"one_term", 70, 1, 30, kNN, kF32, mma(64)},
    {"unaligned", 72, 136, 80, kNT, kF32, mma(64), true, 4},
    {"unaligned_tn", 72, 136, 80, kTN, kF32, mma(64), false, 4},
    {"splits", 40, 640, 48, kNT, kF32, mma(64, 5), true},
    {"splits_uneven", 30, 300, 34, kTN, kF32, mma(64, 3)},
    {"large_splits", 130, 200, 136, kNN, kF32, mma(128, 4), true},
};

constexpr MatmulChoice kCublasLt{.algorithm = MatmulAlgorithm::cublaslt};
const AlgorithmCase kCublasLtCases[] = {
    {"nn_f32", 24, 40, 56, kNN, kF32, kCublasLt, true},
    {"tn_f32", 24, 40, 56, kTN, kF32, kCublasLt},
    {"nt_bf16", 24, 40, 56, kNT, kBf16, kCublasLt, true},
    {"tt_bf16", 24, 40, 56, kTT, kBf16, kCublasLt},
    {"to_f32", 24, 40, 56, kTNToF32, kBf16, kCublasLt, true},
    {"odd", 23, 41, 57, kNT, kBf16, kCublasLt, true},
    {"unaligned", 24, 40, 56, kNT, kBf16, kCublasLt, true, 4},
    {"nn_f16", 24, 40, 56, kNN, kF16, kCublasLt, true},
    {"tn_f16", 24, 40, 56, kTN, kF16, kCublasLt},
    {"nt_tf32", 24, 40, 56, kNT, kF32, kCublasLt, true, 0, true},
    {"unaligned_tf32", 24, 40, 56, kNT, kF32, kCublasLt, true, 4, true},
};

constexpr MatmulChoice wgmma(int tile, int splits = 1) {
  return {.algorithm = MatmulAlgorithm::wgmma, .tile_m = tile, .tile_n = tile, .splits = splits};
}
// Emulated GPUs have four multiprocessors: more tiles make a block do several. The rings have four
// (large tile) and six stages.
const AlgorithmCase kWgmmaCases[] = {
    {"large_nn", 264, 72, 272, kNN, kBf16, wgmma(256), true},
    {"large_tn", 264, 72, 272, kTN, kBf16, wgmma(256)},
    {"large_nt", 128, 400, 24, kNT, kBf16, wgmma(256), true},
    {"large_tt", 136, 104, 264, kTT, kBf16, wgmma(256)},
    {"large_many_tiles", 1032, 64, 264, kNT, kBf16, wgmma(256)},
    {"small_nn", 136, 72, 144, kNN, kBf16, wgmma(128), true},
    {"small_tn", 136, 65, 144, kTN, kBf16, wgmma(128)},
    {"small_nt", 129, 520, 131, kNT, kBf16, wgmma(128), true},
    {"small_tt", 136, 136, 144, kTT, kBf16, wgmma(128)},
    {"small_many_tiles", 264, 128, 392, kNT, kBf16, wgmma(128), true},
    {"to_f32", 72, 64, 80, kTNToF32, kBf16, wgmma(128), true},
    {"splits", 40, 640, 48, kNT, kBf16, wgmma(128, 5), true},
    {"splits_uneven", 136, 304, 136, kTNToF32, kBf16, wgmma(128, 3)},
    {"large_splits", 264, 192, 24, kNT, kBf16, wgmma(256, 3), true},
    {"unaligned", 72, 64, 80, kNT, kBf16, wgmma(128), true, 4},
};

// 400 tiles for 132 multiprocessors, 100 for 66 clusters of two.
const AlgorithmCase kManyTilesCases[] = {
    {"small_many_tiles", 2560, 72, 2560, kNT, kBf16, wgmma(128), true},
    {"large_many_tiles", 2560, 72, 2560, kNN, kBf16, wgmma(256), true},
};

class MatmulAlgorithms : public DeviceTest<AlgorithmCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MatmulAlgorithms);

TEST_P(MatmulAlgorithms, MatchReference) {
  const AlgorithmCase& c = GetParam();
  if (c.choice.algorithm == MatmulAlgorithm::wgmma && gpu_of(device()).capability != 90) {
    GTEST_SKIP() << "wgmma needs compute capability 9.0";
  }
  const reference::MatmulCase r{.m = c.m,
                                .k = c.k,
                                .n = c.n,
                                .transpose_a = c.options.transpose_a,
                                .transpose_b = c.options.transpose_b};
  const Tensor a = random_tensor(r.transpose_a ? Shape{c.k, c.m} : Shape{c.m, c.k}, c.in, 1);
  const Tensor b = random_tensor(r.transpose_b ? Shape{c.n, c.k} : Shape{c.k, c.n}, c.in, 2);
  const Tensor bias = random_tensor({c.n}, DType::f32, 3);
  const bool is_mma = c.choice.algorithm == MatmulAlgorithm::mma;
  const auto factors = [&](const Tensor& x) {
    return is_mma && c.in == kF32 ? rounded_to_tf32(to_doubles(x)) : to_doubles(x);
  };
  const auto ad = factors(a), bd = factors(b);
  auto want = reference::matmul(r, ad, bd);
  auto magnitude = reference::matmul(r, absolute(ad), absolute(bd));
  for (std::size_t i = 0; c.has_bias && i < want.size(); ++i) {
    const double added = bias.span<float>()[i % c.n];
    want[i] += added;
    magnitude[i] += std::abs(added);
  }
  const DType out = c.options.f32_output ? DType::f32 : c.in;
  // The sums of tensor cores are known to 2^-22 of their terms.
  if (c.choice.algorithm != MatmulAlgorithm::plain && (c.in != kF32 || is_mma || c.allows_tf32)) {
    for (double& value : magnitude) value *= 4;
  }
  auto bounds = product_bounds(c.k + 1, want, magnitude, out);
  // cuBLASLt may round both factors or drop their low bits.
  for (std::size_t i = 0; c.allows_tf32 && i < bounds.size(); ++i) {
    bounds[i] += 2 * 0x1p-10 * magnitude[i] / 4;
  }
  for (const Activation activation : {Activation::none, Activation::relu}) {
    if (activation == Activation::relu) {
      for (double& value : want) value = std::max(value, 0.0);
    }
    Graph graph;
    std::vector<Value> inputs{graph.input("a", a.shape(), c.in), graph.input("b", b.shape(), c.in)};
    if (c.has_bias) inputs.push_back(graph.input("bias", bias.shape()));
    const auto op =
        std::make_shared<ChosenMatmulOp>(MatmulOp(c.options, activation), c.choice, c.allows_tf32);
    graph.output("y", graph.add1(op, inputs));
    const auto got =
        interpret(graph, {{"a", a}, {"b", b}, {"bias", bias}}, nullptr, device(), c.offset);
    EXPECT_TRUE(close_to(got[0], want, bounds)) << name_of(activation);
  }
}

// What a capture records does the same when it is replayed, again and again.
TEST(MatmulCapture, ReplaysEveryAlgorithm) {
  const Tensor a = random_tensor({72, 512}, kBf16, 1), b = random_tensor({80, 512}, kBf16, 2);
  const Tensor bias = random_tensor({80}, kF32, 3);
  const std::vector<TensorType> inputs{a.type(), b.type(), bias.type()};
  const std::vector<TensorType> outputs{{{72, 80}, kBf16}};
  const MatmulProblem problem = matmul_problem(a.shape(), b.shape(), kNT);
  for (const Device& device : test_devices()) {
    if (!device.is_cuda()) continue;
    const Tensor there[] = {a.to(device), b.to(device), bias.to(device)};
    const void* const in[] = {there[0].data(), there[1].data(), there[2].data()};
    for (const MatmulChoice& choice : {plain(64, 2), mma(64, 2), wgmma(128, 2), kCublasLt}) {
      if (choice.algorithm == MatmulAlgorithm::wgmma && gpu_of(device).capability != 90) continue;
      const auto kernel = cuda::prepare_matmul(
          problem, Activation::relu, choice,
          {.device = device, .inputs = inputs, .outputs = outputs, .frozen = {}});
      const Tensor scratch = Tensor::empty({kernel->scratch_bytes() + 1}, DType::u8, device);
      const auto run = [&](const Stream& stream, const Tensor& y) {
        void* const out = y.data();
        kernel->run(stream, {.inputs = in, .outputs = {&out, 1}, .scratch = scratch.data()});
      };
      const Tensor want = Tensor::empty({72, 80}, kBf16, device);
      const Tensor got = Tensor::empty({72, 80}, kBf16, device);
      run(device, want);
      const auto recording = backend_of(device).record(
          device.index(), [&](void* stream) { run(Stream::borrow(device, stream), got); });
      ASSERT_NE(recording, nullptr) << choice;
      for (int i = 0; i < 2; ++i) {
        got.fill_zero();
        recording->replay(nullptr);
        EXPECT_TRUE(same_bits(got, want)) << choice;
      }
    }
  }
}

template <class Cases>
auto on_gpus(const Cases& cases) {
  std::vector<Device> gpus;
  for (const Device& device : test_devices()) {
    if (device.is_cuda()) gpus.push_back(device);
  }
  return testing::Combine(testing::ValuesIn(cases), testing::ValuesIn(gpus));
}
INSTANTIATE_TEST_SUITE_P(CublasLt, MatmulAlgorithms, on_gpus(kCublasLtCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Large, MatmulAlgorithms, on_large_gpus(kManyTilesCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Mma, MatmulAlgorithms, on_gpus(kMmaCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Tf32, MatmulAlgorithms, on_gpus(kTf32Cases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Wgmma, MatmulAlgorithms, on_gpus(kWgmmaCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Plain, MatmulAlgorithms, on_gpus(kPlainCases), device_case_name);

}  // namespace
}  // namespace engine
