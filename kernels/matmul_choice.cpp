#include "engine/kernels/matmul_choice.h"

#include <algorithm>
#include <limits>
#include <ostream>

#include "engine/core/memory_plan.h"
#include "engine/core/structural_kernels.h"
#include "engine/kernels/ceil_div.h"

namespace engine::cuda {
namespace {

constexpr std::int64_t kSplitMultiple = 64;  // terms; every tile's depth divides it
constexpr std::int64_t kLeastSplit = 256;    // terms: below, sums through scratch cost more
constexpr std::int64_t kMostSplits = 64;
constexpr std::int64_t kLeastCublasLt = 512;  // terms

std::int64_t tiles_of(const MatmulProblem& problem, const MatmulChoice& choice) {
  return ceil_div(problem.m, choice.tile_m) * ceil_div(problem.n, choice.tile_n);
}

// As many parts of k as it takes to have `blocks` of work.
int splits_for(const MatmulProblem& problem, const MatmulChoice& choice, std::int64_t blocks) {
  const std::int64_t wanted = blocks / std::max<std::int64_t>(tiles_of(problem, choice), 1);
  const std::int64_t possible = problem.k / kLeastSplit;
  MatmulChoice split = choice;
  split.splits =
      static_cast<int>(std::clamp<std::int64_t>(std::min(wanted, possible), 1, kMostSplits));
  // Parts are whole multiples, so that fewer may cover k.
  return static_cast<int>(
      std::max<std::int64_t>(ceil_div(problem.k, split_length(problem, split)), 1));
}

bool is_asked(const MatmulQuery& query, MatmulAlgorithm algorithm) {
  return !query.only || *query.only == algorithm;
}

bool is_empty(const MatmulProblem& problem) {
  return problem.m == 0 || problem.k == 0 || problem.n == 0;
}

// TMA takes lines of whole 16 bytes. Small products are left to smaller tiles.
bool suits_wgmma(const MatmulQuery& query) {
  const MatmulProblem& problem = query.problem;
  const std::int64_t a_line = problem.options.transpose_a ? problem.m : problem.k;
  const std::int64_t b_line = problem.options.transpose_b ? problem.k : problem.n;
  const bool takes = query.gpu.capability == 90 && query.in == DType::bf16 && !is_empty(problem) &&
                     a_line % 8 == 0 && b_line % 8 == 0 && is_asked(query, MatmulAlgorithm::wgmma);
  return takes && (query.only || (problem.m >= 128 && problem.n >= 128));
}

// A round is what all multiprocessors do at a time: 256 x 256 is twice the work for each of two.
MatmulChoice wgmma_choice(const MatmulQuery& query) {
  constexpr double kSmallCost = 1.15;  // of its products, which read more; a guess without a GPU
  MatmulChoice large{.algorithm = MatmulAlgorithm::wgmma, .tile_m = 256, .tile_n = 256};
  MatmulChoice small{.algorithm = MatmulAlgorithm::wgmma, .tile_m = 128, .tile_n = 128};
  const std::int64_t blocks = query.gpu.multiprocessors,
                     clusters = std::max<std::int64_t>(blocks / 2, 1);
  const std::int64_t large_rounds = ceil_div(tiles_of(query.problem, large), clusters);
  const std::int64_t small_rounds = ceil_div(tiles_of(query.problem, small), blocks);
  if (2.0 * static_cast<double>(large_rounds) < kSmallCost * static_cast<double>(small_rounds)) {
    return large;
  }
  small.splits = splits_for(query.problem, small, blocks);
  return small;
}

// cuBLASLt for products that fill the GPU with large tiles. What it does not do to its result would
// cost a pass over y, which our kernels do not need.
bool suits_cublaslt(const MatmulQuery& query) {
  const MatmulProblem& problem = query.problem;
  if (is_empty(problem)) return false;
  if (query.only) return *query.only == MatmulAlgorithm::cublaslt;
  const bool is_dense =
      problem.m % 8 == 0 && problem.k % 8 == 0 && problem.n % 8 == 0 &&
      problem.k >= kLeastCublasLt &&
      tiles_of(problem, {.tile_m = 128, .tile_n = 128}) >= query.gpu.multiprocessors;
  const bool needs_pass =
      query.activation != Activation::none || (query.has_bias && query.out != DType::f32);
  return is_dense && !needs_pass;
}

// f16 has no other kernel that takes all problems.
bool suits_mma(const MatmulQuery& query) {
  if (query.in == DType::f16) return true;
  return (query.in == DType::bf16 || query.allows_tf32) && query.only != MatmulAlgorithm::plain;
}

// Runs `product` on b in a's type, which it makes in the scratch first.
class CastThenProduct final : public Kernel {
 public:
  CastThenProduct(std::unique_ptr<Kernel> cast, std::int64_t cast_bytes,
                  std::unique_ptr<Kernel> product)
      : cast_(std::move(cast)), cast_bytes_(aligned(cast_bytes)), product_(std::move(product)) {}

  std::int64_t scratch_bytes() const override { return cast_bytes_ + product_->scratch_bytes(); }
  std::string describe() const override { return "cast of b, then " + product_->describe(); }

  void run(const Stream& stream, const Buffers& buffers) override {
    void* const b = buffers.scratch;
    cast_->run(stream, {.inputs = buffers.inputs.subspan(1, 1), .outputs = {&b, 1}});
    const void* const bias = buffers.inputs.size() > 2 ? buffers.inputs[2] : nullptr;
    const void* const inputs[] = {buffers.inputs[0], b, bias};
    product_->run(stream, {.inputs = {inputs, buffers.inputs.size()},
                           .outputs = buffers.outputs,
                           .scratch = static_cast<char*>(buffers.scratch) + cast_bytes_});
  }

 private:
  std::unique_ptr<Kernel> cast_;
  std::int64_t cast_bytes_;
  std::unique_ptr<Kernel> product_;
};

std::unique_ptr<Kernel> prepare_algorithm(const MatmulProblem& problem, Activation activation,
                                          const MatmulChoice& choice,
                                          const PrepareContext& context) {
  // A kernel that takes every address.
  const auto prepare_instead = [&] {
    const MatmulChoice own = choose_matmul({.problem = problem,
                                            .in = context.inputs[0].dtype,
                                            .allows_tf32 = context.allows_tf32,
                                            .gpu = gpu_of(context.device),
                                            .only = MatmulAlgorithm::mma});
    return prepare_algorithm(problem, activation, own, context);
  };
  switch (choice.algorithm) {
    case MatmulAlgorithm::plain:
      return prepare_matmul_plain(problem, activation, choice, context);
    case MatmulAlgorithm::mma:
      return prepare_matmul_mma(problem, activation, choice, context);
    case MatmulAlgorithm::wgmma:
      return prepare_matmul_wgmma(problem, activation, choice, context, prepare_instead());
    case MatmulAlgorithm::cublaslt:
      return prepare_matmul_cublaslt(problem, activation, context, prepare_instead());
  }
  return nullptr;
}

}  // namespace

std::string_view name_of(MatmulAlgorithm algorithm) {
  switch (algorithm) {
    case MatmulAlgorithm::plain:
      return "plain";
    case MatmulAlgorithm::mma:
      return "mma";
    case MatmulAlgorithm::wgmma:
      return "wgmma";
    case MatmulAlgorithm::cublaslt:
      return "cublaslt";
  }
  return "";
}

std::ostream& operator<<(std::ostream& out, const MatmulChoice& choice) {
  out << name_of(choice.algorithm);
  if (choice.algorithm == MatmulAlgorithm::cublaslt) return out;
  out << ' ' << choice.tile_m << 'x' << choice.tile_n;
  if (choice.splits > 1) out << ", " << choice.splits << " splits";
  return out;
}

std::int64_t split_length(const MatmulProblem& problem, const MatmulChoice& choice) {
  const std::int64_t k = std::max<std::int64_t>(problem.k, 1);
  return ceil_div(ceil_div(k, choice.splits), kSplitMultiple) * kSplitMultiple;
}

std::int64_t split_bytes(const MatmulProblem& problem, const MatmulChoice& choice) {
  if (choice.splits == 1) return 0;
  return choice.splits * problem.m * problem.n * static_cast<std::int64_t>(sizeof(float));
}

MatmulChoice choose_matmul(const MatmulQuery& query) {
  const MatmulProblem& problem = query.problem;
  if (suits_cublaslt(query)) return {.algorithm = MatmulAlgorithm::cublaslt};
  if (suits_wgmma(query)) return wgmma_choice(query);
  MatmulChoice choice{.tile_m = 128, .tile_n = 128};
  if (suits_mma(query)) choice.algorithm = MatmulAlgorithm::mma;
  // A large tile reads less; a small one leaves no multiprocessor idle.
  if (tiles_of(problem, choice) < query.gpu.multiprocessors) choice.tile_m = choice.tile_n = 64;
  choice.splits = splits_for(problem, choice, 2 * query.gpu.multiprocessors);
  return choice;
}

std::unique_ptr<Kernel> prepare_matmul(const MatmulProblem& problem, Activation activation,
                                       const MatmulChoice& choice, const PrepareContext& context) {
  const TensorType &a = context.inputs[0], &b = context.inputs[1];
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max() / 2;
  ENGINE_CHECK(problem.m <= kMost && problem.k <= kMost && problem.n <= kMost &&
                   tiles_of(problem, choice) <= kMost,
               "matmul: ", problem, " is too large for ", context.device);
  if (b.dtype == a.dtype) return prepare_algorithm(problem, activation, choice, context);
  std::vector<TensorType> inputs(context.inputs.begin(), context.inputs.end());
  inputs[1].dtype = a.dtype;
  const PrepareContext product{
      .device = context.device, .inputs = inputs, .outputs = context.outputs, .frozen = {}};
  const PrepareContext cast{.device = context.device,
                            .inputs = context.inputs.subspan(1, 1),
                            .outputs = {&inputs[1], 1},
                            .frozen = {}};
  return std::make_unique<CastThenProduct>(cuda::prepare_cast(cast), inputs[1].bytes(),
                                           prepare_algorithm(problem, activation, choice, product));
}

std::unique_ptr<Kernel> prepare_matmul(const MatmulProblem& problem, Activation activation,
                                       const PrepareContext& context) {
  const MatmulChoice choice = choose_matmul({.problem = problem,
                                             .in = context.inputs[0].dtype,
                                             .out = context.outputs[0].dtype,
                                             .has_bias = context.inputs.size() > 2,
                                             .activation = activation,
                                             .allows_tf32 = context.allows_tf32,
                                             .gpu = gpu_of(context.device),
                                             .only = {}});
  return prepare_matmul(problem, activation, choice, context);
}

}  // namespace engine::cuda
