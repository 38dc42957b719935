#pragma once

#include <cstring>

#include <vector_types.h>

#include "simt/operations.h"

// Indices, barriers, votes and shuffles. Set at every switch of fibers; variables, because macros
// would clash with members such as cudaLaunchConfig_t::gridDim.
#define ENGINE_SIMT_INDEX constinit thread_local
#define ENGINE_SIMT_MODEL __attribute__((tls_model("initial-exec")))
extern ENGINE_SIMT_INDEX uint3 threadIdx ENGINE_SIMT_MODEL, blockIdx ENGINE_SIMT_MODEL;
extern ENGINE_SIMT_INDEX dim3 blockDim ENGINE_SIMT_MODEL, gridDim ENGINE_SIMT_MODEL;
static constexpr int warpSize = 32;

namespace engine::simt {

template <class Body>
ENGINE_SIMT_UNCHECKED void for_each_lane(std::uint32_t mask, Body body) {
  for (std::uint32_t rest = mask; rest; rest &= rest - 1) body(__builtin_ctz(rest));
}
template <class Argument>
ENGINE_SIMT_UNCHECKED Argument& argument_of(Warp* warp, int lane) {
  return *static_cast<Argument*>(warp->lanes[lane].argument);
}

template <class T>
struct ShuffleArgument {
  T given, received;
  int source;
};
template <class T>
ENGINE_SIMT_UNCHECKED void perform_shuffle(Warp* warp, std::uint32_t mask) {
  for_each_lane(mask, [&](int lane) ENGINE_SIMT_UNCHECKED {
    auto& argument = argument_of<ShuffleArgument<T>>(warp, lane);
    if (!(mask >> argument.source & 1)) {
      fail("warp-op", "shuffle at %s:%d reads lane %d, which is not in the mask %08x",
           file_name(warp->lanes[lane].where.file), warp->lanes[lane].where.line, argument.source,
           mask);
    }
    argument.received = argument_of<ShuffleArgument<T>>(warp, argument.source).given;
  });
}
template <class T>
ENGINE_SIMT_UNCHECKED T shuffle(std::uint32_t mask, T v, int source, Location where) {
  ShuffleArgument<T> argument{v, v, source};
  warp_collective(mask, Collective::kShuffle, &argument, perform_shuffle<T>, where);
  return argument.received;
}

struct VoteArgument {
  bool claim;
  std::uint32_t votes;
};
ENGINE_SIMT_DEVICE void perform_vote(Warp* warp, std::uint32_t mask) {
  std::uint32_t votes = 0;
  for_each_lane(mask, [&](int lane) ENGINE_SIMT_UNCHECKED {
    votes |= std::uint32_t{argument_of<VoteArgument>(warp, lane).claim} << lane;
  });
  for_each_lane(mask, [&](int lane) ENGINE_SIMT_UNCHECKED {
    argument_of<VoteArgument>(warp, lane).votes = votes;
  });
}

template <class T>
struct MatchArgument {
  T value;
  std::uint32_t equal;
};
template <class T>
ENGINE_SIMT_UNCHECKED void perform_match(Warp* warp, std::uint32_t mask) {
  for_each_lane(mask, [&](int lane) ENGINE_SIMT_UNCHECKED {
    auto& own = argument_of<MatchArgument<T>>(warp, lane);
    own.equal = 0;
    for_each_lane(mask, [&](int other) ENGINE_SIMT_UNCHECKED {
      const T& value = argument_of<MatchArgument<T>>(warp, other).value;
      if (std::memcmp(&value, &own.value, sizeof(T)) == 0) own.equal |= 1u << other;
    });
  });
}

template <class T, class Operation>
ENGINE_SIMT_UNCHECKED void perform_reduction(Warp* warp, std::uint32_t mask) {
  T result{};
  bool first = true;
  for_each_lane(mask, [&](int lane) ENGINE_SIMT_UNCHECKED {
    const T value = argument_of<T>(warp, lane);
    result = first ? value : Operation{}(result, value);
    first = false;
  });
  for_each_lane(mask, [&](int lane) ENGINE_SIMT_UNCHECKED { argument_of<T>(warp, lane) = result; });
}
template <class Operation, class T>
ENGINE_SIMT_UNCHECKED T reduction(std::uint32_t mask, T v, Location where) {
  warp_collective(mask, Collective::kReduce, &v, perform_reduction<T, Operation>, where);
  return v;
}

}  // namespace engine::simt

ENGINE_SIMT_DEVICE void __syncthreads(
    engine::simt::Location where = engine::simt::Location::here()) {
  engine::simt::barrier_sync(0, 0, where);
}
ENGINE_SIMT_DEVICE void __syncwarp(unsigned mask = ~0u,
                                   engine::simt::Location where = engine::simt::Location::here()) {
  engine::simt::warp_collective(mask, engine::simt::Collective::kSync, nullptr, nullptr, where);
}
ENGINE_SIMT_DEVICE unsigned __activemask() {
  return engine::simt::current_fiber->warp->alive;
}
ENGINE_SIMT_DEVICE void __nanosleep(unsigned) {
  engine::simt::yield_to_others();
}
[[noreturn]] ENGINE_SIMT_DEVICE void __trap() {
  engine::simt::fail("trap", "__trap()");
}

// Lanes outside of the segment of `width` lanes give the own value back.
template <class T>
ENGINE_SIMT_DEVICE T __shfl_sync(unsigned mask, T v, int source, int width = 32,
                                 engine::simt::Location where = engine::simt::Location::here()) {
  const int lane = static_cast<int>(engine::simt::current_fiber->lane);
  return engine::simt::shuffle(mask, v, (lane & ~(width - 1)) | (source & (width - 1)), where);
}
template <class T>
ENGINE_SIMT_DEVICE T
__shfl_xor_sync(unsigned mask, T v, int with, int width = 32,
                engine::simt::Location where = engine::simt::Location::here()) {
  const int lane = static_cast<int>(engine::simt::current_fiber->lane), source = lane ^ with;
  const bool inside = source < (lane & ~(width - 1)) + width;
  return engine::simt::shuffle(mask, v, inside ? source : lane, where);
}
template <class T>
ENGINE_SIMT_DEVICE T
__shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32,
                 engine::simt::Location where = engine::simt::Location::here()) {
  const int lane = static_cast<int>(engine::simt::current_fiber->lane);
  const int source = lane + static_cast<int>(by);
  const bool inside = source < (lane & ~(width - 1)) + width;
  return engine::simt::shuffle(mask, v, inside ? source : lane, where);
}
template <class T>
ENGINE_SIMT_DEVICE T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32,
                                    engine::simt::Location where = engine::simt::Location::here()) {
  const int lane = static_cast<int>(engine::simt::current_fiber->lane);
  const int source = lane - static_cast<int>(by);
  const bool inside = source >= (lane & ~(width - 1));
  return engine::simt::shuffle(mask, v, inside ? source : lane, where);
}

ENGINE_SIMT_DEVICE unsigned __ballot_sync(
    unsigned mask, int claim, engine::simt::Location where = engine::simt::Location::here()) {
  engine::simt::VoteArgument argument{claim != 0, 0};
  engine::simt::warp_collective(mask, engine::simt::Collective::kVote, &argument,
                                engine::simt::perform_vote, where);
  return argument.votes;
}
ENGINE_SIMT_DEVICE int __any_sync(unsigned mask, int claim,
                                  engine::simt::Location where = engine::simt::Location::here()) {
  return __ballot_sync(mask, claim, where) != 0;
}
ENGINE_SIMT_DEVICE int __all_sync(unsigned mask, int claim,
                                  engine::simt::Location where = engine::simt::Location::here()) {
  return __ballot_sync(mask, claim, where) == mask;
}
template <class T>
ENGINE_SIMT_DEVICE unsigned __match_any_sync(
    unsigned mask, T v, engine::simt::Location where = engine::simt::Location::here()) {
  engine::simt::MatchArgument<T> argument{v, 0};
  engine::simt::warp_collective(mask, engine::simt::Collective::kMatch, &argument,
                                engine::simt::perform_match<T>, where);
  return argument.equal;
}

#define ENGINE_SIMT_REDUCTION(name, T, expression)                                           \
  ENGINE_SIMT_DEVICE T name(unsigned mask, T v,                                              \
                            engine::simt::Location where = engine::simt::Location::here()) { \
    struct Operation {                                                                       \
      ENGINE_SIMT_UNCHECKED T operator()(T a, T b) const { return expression; }              \
    };                                                                                       \
    return engine::simt::reduction<Operation>(mask, v, where);                               \
  }
ENGINE_SIMT_REDUCTION(__reduce_add_sync, unsigned, a + b)
ENGINE_SIMT_REDUCTION(__reduce_add_sync, int, a + b)
ENGINE_SIMT_REDUCTION(__reduce_min_sync, unsigned, a < b ? a : b)
ENGINE_SIMT_REDUCTION(__reduce_min_sync, int, a < b ? a : b)
ENGINE_SIMT_REDUCTION(__reduce_max_sync, unsigned, a > b ? a : b)
ENGINE_SIMT_REDUCTION(__reduce_max_sync, int, a > b ? a : b)
ENGINE_SIMT_REDUCTION(__reduce_and_sync, unsigned, a& b)
ENGINE_SIMT_REDUCTION(__reduce_or_sync, unsigned, a | b)
ENGINE_SIMT_REDUCTION(__reduce_xor_sync, unsigned, a ^ b)
#undef ENGINE_SIMT_REDUCTION
