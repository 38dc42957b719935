#pragma once

// Found before the toolkit's cuda_runtime.h where kernel files are compiled as C++ for the
// emulator. The toolkit's own declarations are used; only the language extensions are replaced.
#ifndef ENGINE_SIMT
#error "compile with -DENGINE_SIMT: engine_add_simt_test() does"
#endif

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include <vector_functions.h>
#include <vector_types.h>

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __launch_bounds__
#undef __grid_constant__
#undef __cluster_dims__
#undef __maxnreg__
#undef __managed__
#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __cluster_dims__(...)
#define __maxnreg__(...)
// In a function this is static: one instance for each OS thread, which runs one block at a time.
#define __shared__ thread_local

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "simt/atomic_builtins.h"
#include "simt/launch.h"
#include "simt/math_builtins.h"
#include "simt/memory_builtins.h"
#include "simt/thread_builtins.h"

namespace engine::simt {

// A kernel and its arguments, copied at the launch.
template <class... Parameters>
struct Call {
  void (*kernel)(Parameters...);
  std::tuple<Parameters...> arguments;

  template <std::size_t... kIndex>
  ENGINE_SIMT_UNCHECKED void run(std::index_sequence<kIndex...>) const {
    kernel(std::get<kIndex>(arguments)...);
  }
  ENGINE_SIMT_UNCHECKED static void invoke(const void* call) {
    static_cast<const Call*>(call)->run(std::index_sequence_for<Parameters...>{});
  }
};

}  // namespace engine::simt

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "number of kernel arguments");
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "kernel parameters are copied bytewise");
  using Call = engine::simt::Call<Parameters...>;
  engine::simt::LaunchInfo info;
  info.grid = config->gridDim;
  info.block = config->blockDim;
  info.shared_bytes = config->dynamicSmemBytes;
  info.function = reinterpret_cast<const void*>(kernel);
  for (unsigned i = 0; i < config->numAttrs; i++) {
    const cudaLaunchAttribute& attribute = config->attrs[i];
    if (attribute.id == cudaLaunchAttributeClusterDimension) {
      const auto& cluster = attribute.val.clusterDim;
      info.cluster = dim3(cluster.x, cluster.y, cluster.z);
    }
    if (attribute.id == cudaLaunchAttributeCooperative) {
      info.cooperative = attribute.val.cooperative != 0;
    }
  }
  auto call = std::make_shared<Call>(
      Call{kernel, {static_cast<Parameters>(std::forward<Arguments>(arguments))...}});
  info.invoke = &Call::invoke;
  info.arguments = call.get();
  return engine::simt::enqueue_launch(info, config->stream, std::move(call));
}

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute attribute,
                                 int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
template <class... Parameters>
cudaError_t cudaFuncGetName(const char** name, void (*kernel)(Parameters...)) {
  return cudaFuncGetName(name, reinterpret_cast<const void*>(kernel));
}
template <class T>
cudaError_t cudaMemcpyToSymbol(T& symbol, const void* source, std::size_t bytes,
                               std::size_t offset = 0, cudaMemcpyKind = cudaMemcpyHostToDevice) {
  return engine::simt::copy_to_symbol(reinterpret_cast<char*>(&symbol) + offset, source, bytes,
                                      nullptr);
}
template <class T>
cudaError_t cudaMemcpyToSymbolAsync(T& symbol, const void* source, std::size_t bytes,
                                    std::size_t offset, cudaMemcpyKind, cudaStream_t stream) {
  return engine::simt::copy_to_symbol(reinterpret_cast<char*>(&symbol) + offset, source, bytes,
                                      stream);
}
template <class T>
cudaError_t cudaMalloc(T** p, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(p), bytes);
}
template <class T>
cudaError_t cudaMallocAsync(T** p, std::size_t bytes, cudaStream_t stream) {
  return cudaMallocAsync(reinterpret_cast<void**>(p), bytes, stream);
}
template <class T>
cudaError_t cudaMallocHost(T** p, std::size_t bytes) {
  return cudaMallocHost(reinterpret_cast<void**>(p), bytes);
}
