#pragma once

#include <functional>
#include <vector>

#include "bench/engine_bench/math_mode.h"
#include "bench/pass.h"
#include "engine/kernels/conv2d.h"

// What an op's output should hold, element by element in double: slow, and never for all elements
// of a large shape.
namespace engine::bench {

struct Expected {
  double value = 0;
  double magnitude = 0;    // the sum of |products|: what the error of a sum is proportional to
  std::int64_t terms = 0;  // products; 0: exact but for the rounding of the output
};
using Definition = std::function<Expected(std::int64_t element)>;

// The element of y, dx or dw with this row-major index. Operands row-major: x and w, dy and w, or x
// and dy.
Expected conv2d_element(const Conv2dProblem& problem, Pass pass, const std::vector<float>& first,
                        const std::vector<float>& second, std::int64_t element);
// The most products in an element.
std::int64_t conv2d_terms(const Conv2dProblem& problem, Pass pass);

// The bound that |got - want| has to keep for f32 sums, matrix units included; out: of the output.
double error_bound(const Expected& want, MathMode math, DType out);

// Up to `limit` of `count` elements, ascending, the first and the last among them; the same ones
// each time.
std::vector<std::int64_t> sample_elements(std::int64_t count, std::int64_t limit);

struct Errors {
  double relative = 0;        // largest |got - want| / root mean square of want
  double share_of_bound = 0;  // largest |got - want| / bound
};
// NaN and infinity in `got` give infinite errors.
Errors errors_of(const std::vector<double>& got, const std::vector<Expected>& want, MathMode math,
                 DType out);

}  // namespace engine::bench
