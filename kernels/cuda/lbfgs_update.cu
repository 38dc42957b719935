// lbfgs_update on CUDA. Which way the search goes is known on the GPU alone, so that every call is
// the same list of launches: kernels of one block decide, and the others look up what was decided.
// A dot product's parts are made by the launch that computes the vector, and summed by every block
// of the next one.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/check.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/lbfgs_update.h"
#include "engine/kernels/line_search_code.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kPack = kPackElements<float>;
constexpr int kMostBlocks = kThreads;  // one part of a sum for each thread of the next launch
constexpr int kMostHistory = 64;
constexpr double kLeastCurvature = 1e-10;

// What was decided, in scratch.
struct Control {
  enum Next { along_direction, at_origin, at_trial };

  int takes_trial;   // it becomes the origin
  int pair_row;      // where the pair from the origin to the trial goes; -1: nowhere
  int begins;        // a line search, with a new direction
  int is_steepest;   // the recursion led astray
  Next next;         // x
  double curvature;  // y . y of the newest pair
  double alpha[kMostHistory];
};

constexpr int kTrialSums = 3;   // s . y, y . y, gradient . direction
constexpr int kVectorSums = 2;  // of one launch, for the next one

struct Scratch {
  Control control;
  double trial_parts[kTrialSums * kMostBlocks];
  double parts[2][kVectorSums * kMostBlocks];
};

// Kernel parameter: the whole state of the search, where it will be after the call.
struct Search {
  const float *learning_rate, *loss, *trial, *gradient;
  float *x, *origin, *origin_gradient, *direction, *steps, *changes, *words;
  Scratch* scratch;
  std::int64_t elements;
  int blocks, history, most_evaluations;
  bool searches_lines, is_aligned;
  float first_step, most_growth;

  __device__ float& word(LbfgsWord which) const { return words[static_cast<int>(which)]; }
  __device__ int pairs() const { return static_cast<int>(word(LbfgsWord::pairs)); }
  __device__ float& product(int row) const { return words[kLbfgsWords + row]; }
  __device__ float* row(float* ring, int index) const { return ring + index * elements; }
  // Row of the pair that is `age` pairs old.
  __device__ int row_of(int age) const {
    return (static_cast<int>(word(LbfgsWord::newest)) - age + history) % history;
  }
};

using Values = float[kPack];

// body(first) for each pack of this thread.
template <class Body>
__device__ void for_packs(const Search& s, const Body& body) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * kThreads * kPack;
  for (std::int64_t first = kPack * global_thread(); first < s.elements; first += stride) {
    body(first);
  }
}
__device__ void read(const Search& s, const float* x, std::int64_t first, Values& values) {
  load_pack(x, first, s.elements, s.is_aligned, values);
}
__device__ void write(const Search& s, float* y, std::int64_t first, const Values& values) {
  store_pack(y, first, s.elements, s.is_aligned, values);
}
__device__ double dot(const Values& a, const Values& b) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kPack; ++i) sum += a[i] * b[i];
  return sum;
}

template <int N>
__device__ void write_parts(double (&sums)[N], double* parts) {
  combine_block<Total, kThreads>(sums);
  if (threadIdx.x != 0) return;
#pragma unroll
  for (int i = 0; i < N; ++i) parts[N * blockIdx.x + i] = sums[i];
}
template <int N>
__device__ void read_parts(const Search& s, const double* parts, double (&sums)[N]) {
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < N; ++i) sums[i] = thread < s.blocks ? parts[N * thread + i] : 0.0;
  combine_block<Total, kThreads>(sums);
}

// --- decisions: one thread ---

__device__ void accept(const Search& s, Control& control, float loss, double product,
                       double curvature) {
  const int row = (static_cast<int>(s.word(LbfgsWord::newest)) + 1) % s.history;
  const bool overwrites = s.pairs() == s.history;
  if (product > kLeastCurvature * curvature) {
    s.product(row) = static_cast<float>(product);
    s.word(LbfgsWord::newest) = static_cast<float>(row);
    if (!overwrites) s.word(LbfgsWord::pairs) += 1;
  } else if (overwrites) {
    s.word(LbfgsWord::pairs) -= 1;
  }
  s.word(LbfgsWord::loss) = loss;
  s.word(LbfgsWord::accepted) += 1;
  control.pair_row = row;
  control.takes_trial = control.begins = 1;
}

// Back to the origin, without what led here.
__device__ void fall_back(const Search& s, Control& control) {
  if (s.pairs() == 0 && (s.searches_lines || s.word(LbfgsWord::damping) < 1e-6f)) {
    s.word(LbfgsWord::stalled) = 1;
    control.next = Control::at_origin;
    return;
  }
  s.word(LbfgsWord::pairs) = 0;
  s.word(LbfgsWord::damping) *= 0.5f;
  s.word(LbfgsWord::fallbacks) += 1;
  control.begins = 1;
}

__device__ LinePoint point_of(const Search& s, LbfgsWord first) {
  const float* at = s.words + static_cast<int>(first);
  return {at[0], at[1], at[2]};
}
__device__ void set_point(const Search& s, LbfgsWord first, const LinePoint& point) {
  float* at = s.words + static_cast<int>(first);
  at[0] = static_cast<float>(point.step);
  at[1] = static_cast<float>(point.value);
  at[2] = static_cast<float>(point.slope);
}

__device__ LineDecision search_on(const Search& s, float loss, double slope) {
  LineSearchState state{.stage = static_cast<LineSearchState::Stage>(s.word(LbfgsWord::stage)),
                        .evaluations = static_cast<int>(s.word(LbfgsWord::evaluations)),
                        .origin = {0, s.word(LbfgsWord::loss), s.word(LbfgsWord::slope)},
                        .low = point_of(s, LbfgsWord::low_step),
                        .high = point_of(s, LbfgsWord::high_step)};
  const LinePoint trial{s.word(LbfgsWord::step), loss, slope};
  double next = 0;
  const LineDecision decision = line_search::advance(state, trial, s.most_evaluations, next);
  if (decision != LineDecision::evaluate) return decision;
  s.word(LbfgsWord::stage) = static_cast<float>(state.stage);
  s.word(LbfgsWord::evaluations) = static_cast<float>(state.evaluations);
  set_point(s, LbfgsWord::low_step, state.low);
  set_point(s, LbfgsWord::high_step, state.high);
  s.word(LbfgsWord::step) = static_cast<float>(next);
  return decision;
}

__device__ LineDecision judge_step(const Search& s, float loss) {
  // Against the lowest loss: a little growth in every step would pass unseen.
  float& lowest = s.word(LbfgsWord::low_loss);
  if (!line_search::is_finite(loss) || loss > s.most_growth * fabsf(lowest)) {
    return LineDecision::fail;
  }
  if (loss < lowest) lowest = loss;
  return LineDecision::accept;
}

// --- kernels ---

// Floor: trial, gradient, origin, its gradient and the direction read once.
__global__ void __launch_bounds__(kThreads) lbfgs_trial_kernel(const __grid_constant__ Search s) {
  double sums[kTrialSums] = {};
  for_packs(s, [&](std::int64_t first) {
    Values step, change, gradient, other;
    read(s, s.trial, first, step);
    read(s, s.origin, first, other);
#pragma unroll
    for (int i = 0; i < kPack; ++i) step[i] -= other[i];
    read(s, s.gradient, first, gradient);
    read(s, s.origin_gradient, first, other);
#pragma unroll
    for (int i = 0; i < kPack; ++i) change[i] = gradient[i] - other[i];
    read(s, s.direction, first, other);
    sums[0] += dot(step, change);
    sums[1] += dot(change, change);
    sums[2] += dot(gradient, other);
  });
  write_parts(sums, s.scratch->trial_parts);
}

// One block; bound by latency.
__global__ void __launch_bounds__(kThreads) lbfgs_decide_kernel(const __grid_constant__ Search s) {
  double sums[kTrialSums];
  read_parts(s, s.scratch->trial_parts, sums);
  if (threadIdx.x != 0) return;
  Control& control = s.scratch->control;
  control.takes_trial = control.begins = control.is_steepest = 0;
  control.pair_row = -1;
  control.next = Control::along_direction;
  const float loss = s.loss[0];
  if (static_cast<int>(s.word(LbfgsWord::stage)) == LineSearchState::fresh) {
    s.word(LbfgsWord::loss) = s.word(LbfgsWord::low_loss) = loss;
    s.word(LbfgsWord::damping) = 1;
    control.takes_trial = control.begins = 1;
    return;
  }
  if (s.word(LbfgsWord::stalled) != 0) {
    control.next = Control::at_trial;
    return;
  }
  const LineDecision decision =
      s.searches_lines ? search_on(s, loss, sums[2]) : judge_step(s, loss);
  if (decision == LineDecision::accept) accept(s, control, loss, sums[0], sums[1]);
  if (decision == LineDecision::fail) fall_back(s, control);
}

// The trial becomes the origin, and direction = -g. Floor: trial and gradient read and written,
// with the origin and its gradient read and the pair written where one is kept; the direction.
__global__ void __launch_bounds__(kThreads) lbfgs_take_kernel(const __grid_constant__ Search s) {
  const Control& control = s.scratch->control;
  if (!control.begins) return;
  const int pairs = s.pairs(), newest = s.row_of(0), pair_row = control.pair_row;
  double sums[kVectorSums] = {};
  for_packs(s, [&](std::int64_t first) {
    Values gradient, direction;
    if (control.takes_trial) {
      Values trial, other;
      read(s, s.trial, first, trial);
      read(s, s.gradient, first, gradient);
      if (pair_row >= 0) {
        read(s, s.origin, first, other);
#pragma unroll
        for (int i = 0; i < kPack; ++i) other[i] = trial[i] - other[i];
        write(s, s.row(s.steps, pair_row), first, other);
        read(s, s.origin_gradient, first, other);
#pragma unroll
        for (int i = 0; i < kPack; ++i) other[i] = gradient[i] - other[i];
        write(s, s.row(s.changes, pair_row), first, other);
      }
      write(s, s.origin, first, trial);
      write(s, s.origin_gradient, first, gradient);
    } else {
      read(s, s.origin_gradient, first, gradient);
    }
#pragma unroll
    for (int i = 0; i < kPack; ++i) direction[i] = -gradient[i];
    write(s, s.direction, first, direction);
    if (pairs > 0) {
      Values step, change;
      read(s, s.row(s.steps, newest), first, step);
      read(s, s.row(s.changes, newest), first, change);
      sums[0] += dot(step, direction);
      sums[1] += dot(change, change);
    } else {
      sums[0] += dot(gradient, direction);
      sums[1] += dot(gradient, gradient);
    }
  });
  write_parts(sums, s.scratch->parts[0]);
}

// direction -= alpha y, from the newest pair to the oldest; H0 behind it. Parts come and go by
// turns. Floor: the direction read and written, y and the next s read once.
__global__ void __launch_bounds__(kThreads)
    lbfgs_first_loop_kernel(const __grid_constant__ Search s, int age) {
  Control& control = s.scratch->control;
  const int pairs = s.pairs();
  if (!control.begins || age >= pairs) return;
  double sums[kVectorSums];
  read_parts(s, s.scratch->parts[age % 2], sums);
  const int row = s.row_of(age);
  const double alpha = sums[0] / s.product(row);
  const double curvature = age == 0 ? sums[1] : control.curvature;
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    control.alpha[age] = alpha;
    if (age == 0) control.curvature = curvature;
  }
  const bool is_last = age + 1 == pairs;
  const float factor = static_cast<float>(-alpha);
  const float scale = static_cast<float>(s.product(s.row_of(0)) / curvature);
  const float* next = s.row(s.steps, s.row_of(age + 1));
  sums[0] = sums[1] = 0;
  for_packs(s, [&](std::int64_t first) {
    Values direction, change;
    read(s, s.direction, first, direction);
    read(s, s.row(s.changes, row), first, change);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      direction[i] += factor * change[i];
      if (is_last) direction[i] *= scale;
    }
    write(s, s.direction, first, direction);
    if (!is_last) read(s, next, first, change);
    sums[0] += dot(change, direction);
  });
  write_parts(sums, s.scratch->parts[(age + 1) % 2]);
}

// direction += (alpha - beta) s, from the oldest pair to the newest. Floor: the direction read and
// written, s and the next y read once.
__global__ void __launch_bounds__(kThreads)
    lbfgs_second_loop_kernel(const __grid_constant__ Search s, int age) {
  const Control& control = s.scratch->control;
  if (!control.begins || age >= s.pairs()) return;
  double sums[kVectorSums];
  read_parts(s, s.scratch->parts[(age + 1) % 2], sums);
  const int row = s.row_of(age);
  const float factor = static_cast<float>(control.alpha[age] - sums[0] / s.product(row));
  const float* next = age > 0 ? s.row(s.changes, s.row_of(age - 1)) : s.origin_gradient;
  sums[0] = sums[1] = 0;
  for_packs(s, [&](std::int64_t first) {
    Values direction, other;
    read(s, s.direction, first, direction);
    read(s, s.row(s.steps, row), first, other);
#pragma unroll
    for (int i = 0; i < kPack; ++i) direction[i] += factor * other[i];
    write(s, s.direction, first, direction);
    read(s, next, first, other);
    sums[0] += dot(other, direction);
    sums[1] += dot(other, other);
  });
  write_parts(sums, s.scratch->parts[age % 2]);
}

// Begins a line search at the origin. One block; bound by latency.
__global__ void __launch_bounds__(kThreads) lbfgs_begin_kernel(const __grid_constant__ Search s) {
  Control& control = s.scratch->control;
  if (!control.begins) return;
  double sums[kVectorSums];  // gradient . direction, gradient . gradient
  read_parts(s, s.scratch->parts[0], sums);
  if (threadIdx.x != 0) return;
  double slope = sums[0];
  if (s.pairs() > 0 && !(slope < 0)) {
    s.word(LbfgsWord::pairs) = 0;
    s.word(LbfgsWord::fallbacks) += 1;
    control.is_steepest = 1;
    slope = -sums[1];
  }
  double step = s.learning_rate[0];
  if (s.pairs() == 0) {
    const double root_mean_square = sqrt(-slope / static_cast<double>(s.elements));
    step = root_mean_square > 0 ? s.first_step / root_mean_square : 0;
  }
  step *= s.word(LbfgsWord::damping);
  s.word(LbfgsWord::stage) = LineSearchState::bracketing;
  s.word(LbfgsWord::evaluations) = 0;
  s.word(LbfgsWord::slope) = static_cast<float>(slope);
  s.word(LbfgsWord::step) = static_cast<float>(step);
}

// The next x. Floor: two vectors read, one written.
__global__ void __launch_bounds__(kThreads) lbfgs_move_kernel(const __grid_constant__ Search s) {
  const Control& control = s.scratch->control;
  const float step = s.word(LbfgsWord::step);
  for_packs(s, [&](std::int64_t first) {
    Values x, direction;
    read(s, control.next == Control::at_trial ? s.trial : s.origin, first, x);
    if (control.next == Control::along_direction) {
      read(s, control.is_steepest ? s.origin_gradient : s.direction, first, direction);
      if (control.is_steepest) {
#pragma unroll
        for (int i = 0; i < kPack; ++i) direction[i] = -direction[i];
        write(s, s.direction, first, direction);
      }
#pragma unroll
      for (int i = 0; i < kPack; ++i) x[i] += step * direction[i];
    }
    write(s, s.x, first, x);
  });
}

// Everything but the trial is worked on where it will stay.
void copy_state(const Buffers& b, std::int64_t elements, int history, cudaStream_t stream) {
  const std::int64_t ring = history * elements;
  const std::int64_t counts[] = {elements, elements, elements, ring, ring, kLbfgsWords + history};
  for (int i = 0; i < 6; ++i) {
    const void* from = b.inputs[static_cast<std::size_t>(4 + i)];
    void* to = b.outputs[static_cast<std::size_t>(1 + i)];
    if (from == to || counts[i] == 0) continue;
    ENGINE_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<std::size_t>(counts[i]) * sizeof(float),
                                      cudaMemcpyDeviceToDevice, stream));
  }
}

Search search_of(const LbfgsUpdate& options, std::int64_t elements, const Buffers& b) {
  const std::int64_t blocks = (elements + kThreads * kPack - 1) / (kThreads * kPack);
  Search s{.learning_rate = b.in<float>(0),
           .loss = b.in<float>(1),
           .trial = b.in<float>(2),
           .gradient = b.in<float>(3),
           .x = b.out<float>(0),
           .origin = b.out<float>(1),
           .origin_gradient = b.out<float>(2),
           .direction = b.out<float>(3),
           .steps = b.out<float>(4),
           .changes = b.out<float>(5),
           .words = b.out<float>(6),
           .scratch = static_cast<Scratch*>(b.scratch),
           .elements = elements,
           .blocks = static_cast<int>(std::clamp<std::int64_t>(blocks, 1, kMostBlocks)),
           .history = options.history,
           .most_evaluations = options.most_evaluations,
           .searches_lines = options.line_search == LineSearch::strong_wolfe,
           .is_aligned = false,
           .first_step = options.first_step,
           .most_growth = options.most_growth};
  s.is_aligned =
      elements % kPack == 0 && are_aligned(s.trial, s.gradient, s.x, s.origin, s.origin_gradient,
                                           s.direction, s.steps, s.changes);
  return s;
}

}  // namespace

std::unique_ptr<Kernel> prepare_lbfgs_update(const LbfgsUpdate& options, std::int64_t elements) {
  return make_kernel(
      [=](const Stream& on, const Buffers& b) {
        const cudaStream_t stream = stream_of(on);
        copy_state(b, elements, options.history, stream);
        const Search s = search_of(options, elements, b);
        const LaunchConfig vectors{.grid = dim3(static_cast<unsigned>(s.blocks)),
                                   .block = dim3(kThreads)};
        const LaunchConfig decision{.grid = dim3(1), .block = dim3(kThreads)};
        ENGINE_LAUNCH(lbfgs_trial_kernel, vectors, stream, s);
        ENGINE_LAUNCH(lbfgs_decide_kernel, decision, stream, s);
        ENGINE_LAUNCH(lbfgs_take_kernel, vectors, stream, s);
        for (int age = 0; age < options.history; ++age) {
          ENGINE_LAUNCH(lbfgs_first_loop_kernel, vectors, stream, s, age);
        }
        for (int age = options.history - 1; age >= 0; --age) {
          ENGINE_LAUNCH(lbfgs_second_loop_kernel, vectors, stream, s, age);
        }
        ENGINE_LAUNCH(lbfgs_begin_kernel, decision, stream, s);
        ENGINE_LAUNCH(lbfgs_move_kernel, vectors, stream, s);
      },
      static_cast<std::int64_t>(sizeof(Scratch)));
}

}  // namespace engine::cuda
