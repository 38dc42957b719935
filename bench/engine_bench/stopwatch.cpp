#include "bench/engine_bench/stopwatch.h"

#include <chrono>

#include "bench/engine_bench/cuda_device.h"

namespace engine::bench {
namespace {

class WallBlock final : public Block {
 public:
  WallBlock(Device device, Enqueue enqueue, int calls)
      : device_(device), enqueue_(std::move(enqueue)), calls_(calls) {}
  double seconds() override {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls_; ++i) enqueue_(device_, next_++);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    return took.count() / calls_;
  }

 private:
  Device device_;
  Enqueue enqueue_;
  int calls_;
  int next_ = 0;  // goes on from block to block, so that all buffers take part
};

class WallClock final : public Stopwatch {
 public:
  explicit WallClock(Device device) : device_(device) {}
  std::unique_ptr<Block> block(Enqueue enqueue, int calls, bool) override {
    return std::make_unique<WallBlock>(device_, std::move(enqueue), calls);
  }

 private:
  Device device_;
};

}  // namespace

std::unique_ptr<Stopwatch> make_stopwatch(const Device& device) {
  if (device.is_cpu()) return std::make_unique<WallClock>(device);
  return make_cuda_stopwatch(device);
}

}  // namespace engine::bench
