#pragma once

// Where these programs keep their data: memory and a stream of their own on the GPU, or plain
// memory where there is no GPU or no toolkit to build with.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "engine/engine.h"
#ifdef CONSUMER_CUDA
#include <cuda_runtime_api.h>

inline void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::exit(1);
}
#endif

class Place {
 public:
#ifdef CONSUMER_CUDA
  Place() {
    if (device_.is_cuda()) check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  ~Place() {
    for (float* data : on_gpu_) cudaFree(data);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  cudaStream_t cuda_stream() const {
    return stream_;
  }
#else
  Place() = default;
#endif
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const engine::Device& device() const {
    return device_;
  }
  engine::Stream stream() const {
#ifdef CONSUMER_CUDA
    if (device_.is_cuda()) return engine::Stream::borrow(device_, stream_);
#endif
    return device_;
  }

  float* upload(const std::vector<float>& values) {
    on_host_.push_back(values);
#ifdef CONSUMER_CUDA
    if (device_.is_cuda()) {
      float* data = nullptr;
      check(cudaMalloc(reinterpret_cast<void**>(&data), values.size() * sizeof(float)));
      on_gpu_.push_back(data);
      check(cudaMemcpyAsync(data, on_host_.back().data(), values.size() * sizeof(float),
                            cudaMemcpyHostToDevice, stream_));
      return data;
    }
#endif
    return on_host_.back().data();
  }

  // After everything that was enqueued.
  std::vector<float> download(const engine::Tensor& tensor) const {
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
#ifdef CONSUMER_CUDA
    if (device_.is_cuda()) {
      check(cudaMemcpyAsync(values.data(), tensor.data(), values.size() * sizeof(float),
                            cudaMemcpyDeviceToHost, stream_));
      check(cudaStreamSynchronize(stream_));
      return values;
    }
#endif
    return tensor.to_floats();
  }

 private:
#ifdef CONSUMER_CUDA
  engine::Device device_ = engine::Device::best();
  cudaStream_t stream_ = nullptr;
  std::vector<float*> on_gpu_;
#else
  engine::Device device_ = engine::Device::cpu();
#endif
  std::vector<std::vector<float>> on_host_;  // where the CPU computes, the data itself
};
