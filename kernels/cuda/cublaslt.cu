#include <optional>
#include <string>

#include <dlfcn.h>

#include "engine/kernels/cuda/cublaslt.h"

namespace engine::cuda {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// The dynamic linker's folders first, then the toolkit's that this library was built with.
void* open_library() {
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  void* const found = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (found != nullptr) return found;
  return dlopen((ENGINE_CUDA_LIBRARY_DIR "/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
}

std::optional<CublasLt> load() {
  void* const library = open_library();  // stays open: kernels hold handles until the process ends
  CublasLt table;
  const bool is_whole =
      library != nullptr && find(library, "cublasLtCreate", table.create) &&
      find(library, "cublasLtDestroy", table.destroy) &&
      find(library, "cublasLtGetStatusString", table.status_string) &&
      find(library, "cublasLtMatmulDescInit_internal", table.init_product) &&
      find(library, "cublasLtMatmulDescSetAttribute", table.set_product) &&
      find(library, "cublasLtMatrixLayoutInit_internal", table.init_layout) &&
      find(library, "cublasLtMatmulPreferenceInit_internal", table.init_preference) &&
      find(library, "cublasLtMatmulPreferenceSetAttribute", table.set_preference) &&
      find(library, "cublasLtMatmulAlgoGetHeuristic", table.find_algorithms) &&
      find(library, "cublasLtMatmul", table.matmul);
  if (!is_whole) return std::nullopt;
  return table;
}

}  // namespace

const CublasLt* cublaslt() {
  static const std::optional<CublasLt> table = load();
  return table ? &*table : nullptr;
}

}  // namespace engine::cuda
