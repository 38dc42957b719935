#pragma once

// What mutate.py writes into kernels: all mistakes are compiled in, ENGINE_MUTANT chooses the one
// that is made.
#include <type_traits>

namespace engine::simt {

// Whether mistake `id` is to be made here. Notes that the test that runs came by.
bool is_mutant(int id) noexcept;

// `a < b` as `a < Flip{id} < b` is a <= b where the mistake is made. Only where the two differ does
// it count as met by the test.
struct Flip {
  int id;
};

#define ENGINE_SIMT_FLIP(Left, op, flipped)                                                       \
  template <class A>                                                                              \
  struct Left {                                                                                   \
    A a;                                                                                          \
    int id;                                                                                       \
  };                                                                                              \
  template <class A>                                                                              \
  [[gnu::always_inline]] constexpr Left<A> operator op(A a, Flip flip) {                          \
    return {a, flip.id};                                                                          \
  }                                                                                               \
  template <class A, class B>                                                                     \
  [[gnu::always_inline]] constexpr bool operator op(Left<A> left, B b) {                          \
    const bool right = left.a op b, wrong = left.a flipped b;                                     \
    return right != wrong && !std::is_constant_evaluated() && is_mutant(left.id) ? wrong : right; \
  }
ENGINE_SIMT_FLIP(LeftOfLess, <, <=)
ENGINE_SIMT_FLIP(LeftOfLessOrEqual, <=, <)
ENGINE_SIMT_FLIP(LeftOfGreater, >, >=)
ENGINE_SIMT_FLIP(LeftOfGreaterOrEqual, >=, >)
ENGINE_SIMT_FLIP(LeftOfEqual, ==, !=)
ENGINE_SIMT_FLIP(LeftOfNotEqual, !=, ==)
#undef ENGINE_SIMT_FLIP

}  // namespace engine::simt
