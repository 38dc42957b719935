// A few passes over vectors of the picture's size: 4 per kept pair when a step is taken, 2 within a
// line search. Bound by reading the history once in each loop of the recursion.
#include "engine/kernels/lbfgs_update.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/line_search.h"

namespace engine::cpu {
namespace {

constexpr std::int64_t kBlock = 4096;
constexpr double kLeastCurvature = 1e-10;

ENGINE_CPU_CLONES float block_dot(const float* a, const float* b, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// y = a + factor b; y may be a.
ENGINE_CPU_CLONES void add_scaled(const float* a, const float* b, float factor, float* y,
                                  std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = a[i] + factor * b[i];
}

ENGINE_CPU_CLONES void scale(const float* x, float factor, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = factor * x[i];
}

// Vectors of one length on one stream.
class Vectors {
 public:
  Vectors(const Stream& stream, std::int64_t elements, double* sums)
      : stream_(stream), elements_(elements), sums_(sums) {}

  double dot(const float* a, const float* b) const {
    const std::int64_t blocks = (elements_ + kBlock - 1) / kBlock;
    parallel_for(stream_, blocks, kBlock, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t at = block * kBlock;
        sums_[block] = block_dot(a + at, b + at, std::min(kBlock, elements_ - at));
      }
    });
    double total = 0;
    for (std::int64_t block = 0; block < blocks; ++block) total += sums_[block];
    return total;
  }
  void add(const float* a, const float* b, double factor, float* y) const {
    each([&](std::int64_t at, std::int64_t count) {
      add_scaled(a + at, b + at, static_cast<float>(factor), y + at, count);
    });
  }
  void scaled(const float* x, double factor, float* y) const {
    each([&](std::int64_t at, std::int64_t count) {
      scale(x + at, static_cast<float>(factor), y + at, count);
    });
  }
  void copy(const float* x, float* y) const {
    if (x != y) std::memcpy(y, x, static_cast<std::size_t>(elements_) * sizeof(float));
  }

 private:
  template <class Body>
  void each(const Body& body) const {
    parallel_for(
        stream_, elements_, 1,
        [&](std::int64_t begin, std::int64_t end) { body(begin, end - begin); }, 64);
  }

  const Stream& stream_;
  std::int64_t elements_;
  double* sums_;
};

// The whole state of the search, where it will be after this call.
struct Search {
  const LbfgsUpdate& options;
  const Vectors& vectors;
  std::int64_t elements;
  float learning_rate;
  const float *trial, *gradient;  // what was evaluated
  float *x, *origin, *origin_gradient, *direction, *steps, *changes, *words;

  float& word(LbfgsWord which) const { return words[static_cast<int>(which)]; }
  int pairs() const { return static_cast<int>(word(LbfgsWord::pairs)); }
  float* row(float* ring, int index) const { return ring + index * elements; }
  float& product(int index) const { return words[kLbfgsWords + index]; }
  // Row of the pair that is `age` pairs old.
  int row_of(int age) const {
    const int history = options.history;
    return (static_cast<int>(word(LbfgsWord::newest)) - age + history) % history;
  }
};

void keep_pair(const Search& s) {
  const int row = (static_cast<int>(s.word(LbfgsWord::newest)) + 1) % s.options.history;
  // Written into the oldest row, which counts only if the pair is good.
  float *step = s.row(s.steps, row), *change = s.row(s.changes, row);
  const bool overwrites = s.pairs() == s.options.history;
  s.vectors.add(s.trial, s.origin, -1, step);
  s.vectors.add(s.gradient, s.origin_gradient, -1, change);
  const double product = s.vectors.dot(step, change);
  if (!(product > kLeastCurvature * s.vectors.dot(change, change))) {
    if (overwrites) s.word(LbfgsWord::pairs) -= 1;
    return;
  }
  s.product(row) = static_cast<float>(product);
  s.word(LbfgsWord::newest) = static_cast<float>(row);
  if (!overwrites) s.word(LbfgsWord::pairs) += 1;
}

// direction = -H g by the two-loop recursion.
void set_direction(const Search& s) {
  const int pairs = s.pairs();
  std::array<double, 64> alpha{};
  s.vectors.scaled(s.origin_gradient, -1, s.direction);
  for (int age = 0; age < pairs; ++age) {
    const int row = s.row_of(age);
    alpha[static_cast<std::size_t>(age)] =
        s.vectors.dot(s.row(s.steps, row), s.direction) / s.product(row);
    s.vectors.add(s.direction, s.row(s.changes, row), -alpha[static_cast<std::size_t>(age)],
                  s.direction);
  }
  if (pairs > 0) {
    const int row = s.row_of(0);
    const float* change = s.row(s.changes, row);
    s.vectors.scaled(s.direction, s.product(row) / s.vectors.dot(change, change), s.direction);
  }
  for (int age = pairs - 1; age >= 0; --age) {
    const int row = s.row_of(age);
    const double beta = s.vectors.dot(s.row(s.changes, row), s.direction) / s.product(row);
    s.vectors.add(s.direction, s.row(s.steps, row), alpha[static_cast<std::size_t>(age)] - beta,
                  s.direction);
  }
}

// Begins a line search at the origin, and makes its first trial.
void begin_search(const Search& s) {
  set_direction(s);
  double slope = s.vectors.dot(s.origin_gradient, s.direction);
  if (s.pairs() > 0 && !(slope < 0)) {
    s.word(LbfgsWord::pairs) = 0;
    s.word(LbfgsWord::fallbacks) += 1;
    set_direction(s);
    slope = s.vectors.dot(s.origin_gradient, s.direction);
  }
  double step = s.learning_rate;
  if (s.pairs() == 0) {
    const double root_mean_square = std::sqrt(-slope / static_cast<double>(s.elements));
    step = root_mean_square > 0 ? s.options.first_step / root_mean_square : 0;
  }
  step *= s.word(LbfgsWord::damping);
  s.word(LbfgsWord::stage) = LineSearchState::bracketing;
  s.word(LbfgsWord::evaluations) = 0;
  s.word(LbfgsWord::slope) = static_cast<float>(slope);
  s.word(LbfgsWord::step) = static_cast<float>(step);
  s.vectors.add(s.origin, s.direction, s.word(LbfgsWord::step), s.x);
}

void accept(const Search& s, float loss) {
  keep_pair(s);
  s.vectors.copy(s.trial, s.origin);
  s.vectors.copy(s.gradient, s.origin_gradient);
  s.word(LbfgsWord::loss) = loss;
  s.word(LbfgsWord::accepted) += 1;
  begin_search(s);
}

// Back to the origin, without what led here.
void fall_back(const Search& s) {
  const bool searched = s.options.line_search == LineSearch::strong_wolfe;
  if (s.pairs() == 0 && (searched || s.word(LbfgsWord::damping) < 1e-6f)) {
    s.word(LbfgsWord::stalled) = 1;
    s.vectors.copy(s.origin, s.x);
    return;
  }
  s.word(LbfgsWord::pairs) = 0;
  s.word(LbfgsWord::damping) *= 0.5f;
  s.word(LbfgsWord::fallbacks) += 1;
  begin_search(s);
}

LinePoint point_of(const Search& s, LbfgsWord first) {
  const int at = static_cast<int>(first);
  return {s.words[at], s.words[at + 1], s.words[at + 2]};
}
void set_point(const Search& s, LbfgsWord first, const LinePoint& point) {
  const int at = static_cast<int>(first);
  s.words[at] = static_cast<float>(point.step);
  s.words[at + 1] = static_cast<float>(point.value);
  s.words[at + 2] = static_cast<float>(point.slope);
}

void search_on(const Search& s, float loss) {
  LineSearchState state{.stage = static_cast<LineSearchState::Stage>(s.word(LbfgsWord::stage)),
                        .evaluations = static_cast<int>(s.word(LbfgsWord::evaluations)),
                        .origin = {0, s.word(LbfgsWord::loss), s.word(LbfgsWord::slope)},
                        .low = point_of(s, LbfgsWord::low_step),
                        .high = point_of(s, LbfgsWord::high_step)};
  const LinePoint trial{s.word(LbfgsWord::step), loss, s.vectors.dot(s.gradient, s.direction)};
  double next = 0;
  const LineDecision decision = advance_line_search(state, trial, s.options.most_evaluations, next);
  if (decision == LineDecision::accept) return accept(s, loss);
  if (decision == LineDecision::fail) return fall_back(s);
  s.word(LbfgsWord::stage) = static_cast<float>(state.stage);
  s.word(LbfgsWord::evaluations) = static_cast<float>(state.evaluations);
  set_point(s, LbfgsWord::low_step, state.low);
  set_point(s, LbfgsWord::high_step, state.high);
  s.word(LbfgsWord::step) = static_cast<float>(next);
  s.vectors.add(s.origin, s.direction, s.word(LbfgsWord::step), s.x);
}

void advance(const Search& s, float loss) {
  if (static_cast<int>(s.word(LbfgsWord::stage)) == LineSearchState::fresh) {
    s.vectors.copy(s.trial, s.origin);
    s.vectors.copy(s.gradient, s.origin_gradient);
    s.word(LbfgsWord::loss) = loss;
    s.word(LbfgsWord::low_loss) = loss;
    s.word(LbfgsWord::damping) = 1;
    return begin_search(s);
  }
  if (s.word(LbfgsWord::stalled) != 0) return s.vectors.copy(s.trial, s.x);
  if (s.options.line_search == LineSearch::strong_wolfe) return search_on(s, loss);
  // Against the lowest loss: a little growth in every step would pass unseen.
  float& lowest = s.word(LbfgsWord::low_loss);
  if (!std::isfinite(loss) || loss > s.options.most_growth * std::abs(lowest)) return fall_back(s);
  lowest = std::min(lowest, loss);
  accept(s, loss);
}

}  // namespace

std::unique_ptr<Kernel> prepare_lbfgs_update(const LbfgsUpdate& options, std::int64_t elements) {
  const std::int64_t blocks = (elements + kBlock - 1) / kBlock;
  return make_kernel(
      [=](const Stream& stream, const Buffers& b) {
        const Vectors vectors(stream, elements, static_cast<double*>(b.scratch));
        // Everything but the trial is worked on where it will stay.
        const std::int64_t ring = options.history * elements;
        const std::int64_t counts[] = {elements, elements, elements,
                                       ring,     ring,     kLbfgsWords + options.history};
        for (int i = 0; i < 6; ++i) {
          if (b.inputs[4 + i] != b.outputs[1 + i]) {
            std::memcpy(b.outputs[1 + i], b.inputs[4 + i],
                        static_cast<std::size_t>(counts[i]) * sizeof(float));
          }
        }
        const Search search{.options = options,
                            .vectors = vectors,
                            .elements = elements,
                            .learning_rate = *b.in<float>(0),
                            .trial = b.in<float>(2),
                            .gradient = b.in<float>(3),
                            .x = b.out<float>(0),
                            .origin = b.out<float>(1),
                            .origin_gradient = b.out<float>(2),
                            .direction = b.out<float>(3),
                            .steps = b.out<float>(4),
                            .changes = b.out<float>(5),
                            .words = b.out<float>(6)};
        advance(search, *b.in<float>(1));
      },
      blocks * static_cast<std::int64_t>(sizeof(double)));
}

}  // namespace engine::cpu
