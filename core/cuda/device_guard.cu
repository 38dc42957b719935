#include <map>
#include <mutex>

#include "engine/core/cuda/device_guard.h"
#include "engine/core/cuda/driver.h"

namespace engine::cuda {

namespace {

struct ContextCalls {
  DriverFunction<decltype(cuDevicePrimaryCtxRetain)> retain{"cuDevicePrimaryCtxRetain"};
  DriverFunction<decltype(cuCtxPushCurrent)> push{"cuCtxPushCurrent"};
  DriverFunction<decltype(cuCtxPopCurrent)> pop{"cuCtxPopCurrent"};
};
const ContextCalls& calls() {
  static const ContextCalls found;
  return found;
}

// Kept for the life of the process: what is made on a device lives in its primary context.
CUcontext context_of(int index) {
  static std::mutex mutex;
  static auto* const contexts = new std::map<int, CUcontext>;
  const std::lock_guard lock(mutex);
  CUcontext& context = (*contexts)[index];
  if (context == nullptr) calls().retain(&context, index);
  return context;
}

}  // namespace

void push_device(int index) {
  calls().push(context_of(index));
}

void pop_device() noexcept {
  CUcontext popped = nullptr;
  calls().pop.get()(&popped);
}

}  // namespace engine::cuda
