#pragma once

#include <utility>

#include "engine/core/cuda/check.h"

namespace engine::cuda {

// A CUDA handle that is destroyed with its owner. Destructors do not throw.
template <class Handle, cudaError_t (*kDestroy)(Handle)>
class UniqueHandle {
 public:
  UniqueHandle() = default;
  explicit UniqueHandle(Handle handle) : handle_(handle) {}
  UniqueHandle(UniqueHandle&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  UniqueHandle(const UniqueHandle&) = delete;
  UniqueHandle& operator=(const UniqueHandle&) = delete;
  ~UniqueHandle() {
    if (handle_ != nullptr) kDestroy(handle_);
  }

  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }  // for calls that create into it; it must be empty

 private:
  Handle handle_ = nullptr;
};

inline cudaError_t destroy_stream(cudaStream_t stream) {
  return cudaStreamDestroy(stream);
}
inline cudaError_t destroy_event(cudaEvent_t event) {
  return cudaEventDestroy(event);
}
inline cudaError_t destroy_graph(cudaGraph_t graph) {
  return cudaGraphDestroy(graph);
}
inline cudaError_t destroy_graph_exec(cudaGraphExec_t exec) {
  return cudaGraphExecDestroy(exec);
}

using UniqueStream = UniqueHandle<cudaStream_t, destroy_stream>;
using UniqueEvent = UniqueHandle<cudaEvent_t, destroy_event>;
using UniqueGraph = UniqueHandle<cudaGraph_t, destroy_graph>;
using UniqueGraphExec = UniqueHandle<cudaGraphExec_t, destroy_graph_exec>;

}  // namespace engine::cuda
