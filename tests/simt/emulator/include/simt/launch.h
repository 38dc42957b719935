#pragma once

#include <memory>

#include <cuda_runtime_api.h>

#include "simt/operations.h"

namespace engine::simt {

struct LaunchInfo {
  dim3 grid, block, cluster{1, 1, 1};
  std::size_t shared_bytes = 0;
  bool cooperative = false;
  const char* name = "?";
  const void* function = nullptr;
  void (*invoke)(const void* arguments) = nullptr;
  const void* arguments = nullptr;
  std::uint32_t serial = 0;
};

// Checks the configuration and puts the launch into the stream (or the graph being captured).
cudaError_t enqueue_launch(LaunchInfo info, cudaStream_t stream, std::shared_ptr<void> arguments);

// Runs all blocks now. False when a mistake ended the launch.
bool run_launch(const LaunchInfo& info);

cudaError_t copy_to_symbol(void* symbol, const void* source, std::size_t bytes,
                           cudaStream_t stream);

}  // namespace engine::simt
