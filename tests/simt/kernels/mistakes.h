#pragma once

namespace engine::samples {

enum class Mistake {
  kStaticOverflow,
  kDynamicOverflow,
  kMisaligned,
  kTwoBarriers,
  kLocalIndex,
  kLocalUninitialised,
  kSpin,
  kPoliteSpin,  // none: the loop gives way
  kSameValueRace,
  kNeighbourRace,
  kThirdBlockRace,
  kNamedBarrier,
  kCopyNotWaitedFor,
  kForeignLocal,
  kTooManyThreads,
  kEmptyGrid,  // none: nothing is launched
};

// Arrays of 4096 floats, and one int that is 0.
void run_mistake(Mistake mistake, float* x, float* out, int* flag);

}  // namespace engine::samples
