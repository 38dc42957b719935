#pragma once

#include <functional>
#include <memory>

#include "engine/core/stream.h"

namespace engine::bench {

// Enqueues call number `call` of a block; calls of one block differ in the buffers they use.
using Enqueue = std::function<void(const Stream& stream, int call)>;

// Several calls that are timed together.
class Block {
 public:
  virtual ~Block() = default;
  virtual double seconds() = 0;  // of one call; waits until all are done
};

// Times work on a device: by the wall clock on the CPU, by events on its stream on CUDA.
class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  // `is_short`: launching would count too much; the calls are recorded into a graph where the
  // device can (CUDA) and `enqueue` allows it.
  virtual std::unique_ptr<Block> block(Enqueue enqueue, int calls, bool is_short) = 0;
};

std::unique_ptr<Stopwatch> make_stopwatch(const Device& device);

}  // namespace engine::bench
