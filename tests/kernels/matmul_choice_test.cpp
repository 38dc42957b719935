#include "engine/kernels/matmul_choice.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace engine::cuda {
namespace {

constexpr Gpu kA100{.capability = 80, .multiprocessors = 108, .shared_kib = 164};
constexpr Gpu kH100{.capability = 90, .multiprocessors = 132, .shared_kib = 228};

std::string chosen(const MatmulQuery& query) {
  return join(choose_matmul(query));
}

MatmulQuery f32_on_a100(std::int64_t m, std::int64_t k, std::int64_t n) {
  return {.problem = {.m = m, .k = k, .n = n, .options = {}}, .gpu = kA100, .only = {}};
}

MatmulQuery bf16_on_a100(std::int64_t m, std::int64_t k, std::int64_t n) {
  MatmulQuery query = f32_on_a100(m, k, n);
  query.in = query.out = DType::bf16;
  return query;
}

TEST(MatmulChoice, TensorCoresForBf16) {
  EXPECT_EQ(chosen(bf16_on_a100(4096, 256, 4096)), "mma 128x128");
  EXPECT_EQ(chosen(bf16_on_a100(64, 8192, 128)), "mma 64x64, 32 splits");
  MatmulQuery query = bf16_on_a100(4096, 4096, 4096);
  query.only = MatmulAlgorithm::plain;
  EXPECT_EQ(chosen(query), "plain 128x128");
  // f32 is strict: the kernel that is asked for does not take it.
  query = f32_on_a100(4096, 4096, 4096);
  query.only = MatmulAlgorithm::mma;
  EXPECT_EQ(chosen(query), "plain 128x128");
}

TEST(MatmulChoice, TensorCoresForF16AndForTf32WhereItIsAllowed) {
  MatmulQuery query = f32_on_a100(4096, 256, 4096);
  query.in = query.out = DType::f16;
  EXPECT_EQ(chosen(query), "mma 128x128");
  query.only = MatmulAlgorithm::plain;  // does not take f16
  EXPECT_EQ(chosen(query), "mma 128x128");
  query.only = {};
  query.gpu = kH100;
  EXPECT_EQ(chosen(query), "mma 128x128");

  query = f32_on_a100(4096, 256, 4096);
  query.allows_tf32 = true;
  EXPECT_EQ(chosen(query), "mma 128x128");
  query.only = MatmulAlgorithm::plain;
  EXPECT_EQ(chosen(query), "plain 128x128");
  query.only = {};
  query.problem.k = 4096;
  EXPECT_EQ(chosen(query), "cublaslt");
}

TEST(MatmulChoice, WgmmaOnHopper) {
  MatmulQuery query = bf16_on_a100(4096, 256, 4096);
  query.gpu = kH100;
  EXPECT_EQ(chosen(query), "wgmma 256x256");
  // 81 tiles of 256 x 256 take 66 pairs of multiprocessors two rounds, and the second one is short.
  query.problem = {.m = 2304, .k = 256, .n = 2304, .options = {}};
  EXPECT_EQ(chosen(query), "wgmma 128x128");
  query.problem = {.m = 2048, .k = 256, .n = 2048, .options = {}};
  EXPECT_EQ(chosen(query), "wgmma 256x256");
  query.problem = {.m = 256, .k = 8192, .n = 128, .options = {}};
  EXPECT_EQ(chosen(query), "wgmma 128x128, 32 splits");
  query.problem = {.m = 64, .k = 8192, .n = 128, .options = {}};
  EXPECT_EQ(chosen(query), "mma 64x64, 32 splits");
  query.problem = {.m = 256, .k = 8191, .n = 128, .options = {.transpose_a = true}};
  EXPECT_EQ(chosen(query).substr(0, 5), "wgmma");  // k is along no line
  query.problem.options = {};
  EXPECT_EQ(chosen(query).substr(0, 3), "mma");
  query.gpu.capability = 100;
  EXPECT_EQ(chosen(query).substr(0, 3), "mma");
}

TEST(MatmulChoice, CublasLtForLargeProductsThatNeedNoPass) {
  MatmulQuery query = bf16_on_a100(4096, 4096, 4096);
  EXPECT_EQ(chosen(query), "cublaslt");
  query.activation = Activation::relu;
  EXPECT_EQ(chosen(query), "mma 128x128");
  query.activation = Activation::none;
  query.has_bias = true;
  EXPECT_EQ(chosen(query), "mma 128x128");
  query.out = DType::f32;
  EXPECT_EQ(chosen(query), "cublaslt");
  EXPECT_EQ(chosen(f32_on_a100(4096, 4096, 4096)), "cublaslt");
  EXPECT_EQ(chosen(f32_on_a100(4096, 4096, 4090)), "plain 128x128");
  query = f32_on_a100(64, 64, 64);
  query.only = MatmulAlgorithm::cublaslt;
  EXPECT_EQ(chosen(query), "cublaslt");
  query.problem.k = 0;
  EXPECT_EQ(chosen(query), "plain 64x64");
}

TEST(MatmulChoice, LargeTilesWhereTheyFillTheGpu) {
  EXPECT_EQ(chosen(f32_on_a100(4096, 256, 4096)), "plain 128x128");
  EXPECT_EQ(chosen(f32_on_a100(1024, 200, 1024)), "plain 64x64");
}

TEST(MatmulChoice, SplitsLongSumsOfFewResults) {
  EXPECT_EQ(chosen(f32_on_a100(64, 8192, 128)), "plain 64x64, 32 splits");
  EXPECT_EQ(chosen(f32_on_a100(64, 400, 128)), "plain 64x64");
}

// Parts are multiples of 64 terms, cover k, and none is empty.
TEST(MatmulChoice, PartsCoverTheSum) {
  for (const std::int64_t k : {0, 1, 63, 64, 511, 512, 513, 5000, 8192, 100001}) {
    for (const std::int64_t n : {1, 64, 1000}) {
      const MatmulQuery query = f32_on_a100(64, k, n);
      const MatmulChoice choice = choose_matmul(query);
      const std::int64_t length = split_length(query.problem, choice);
      EXPECT_EQ(length % 64, 0);
      EXPECT_GE(choice.splits * length, k) << choice;
      EXPECT_LT((choice.splits - 1) * length, std::max<std::int64_t>(k, 1)) << choice;
      EXPECT_EQ(split_bytes(query.problem, choice),
                choice.splits == 1 ? 0 : choice.splits * 64 * n * 4);
    }
  }
}

TEST(MatmulChoice, EmptyProblems) {
  EXPECT_EQ(chosen(f32_on_a100(0, 5, 7)), "plain 64x64");
  EXPECT_EQ(chosen(f32_on_a100(5, 0, 7)), "plain 64x64");
}

}  // namespace
}  // namespace engine::cuda
