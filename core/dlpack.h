#pragma once

#include "engine/core/tensor.h"

// Declared in the global namespace, as everybody's dlpack.h does: include that, or
// "engine/core/dlpack_structs.h", where their members are needed.
extern "C" {
struct DLManagedTensor;
struct DLManagedTensorVersioned;
}

namespace engine {

// Tensors shared with other libraries in one process, without a copy (DLPack 1.x,
// https://dmlc.github.io/dlpack). Both directions keep the memory alive until both sides let go.
// Nothing here synchronises: on CUDA the caller orders the two libraries' streams.

// Takes ownership: `managed`'s deleter is called once, when the last Tensor over its memory is
// gone. Throws InvalidArgument for what a Tensor cannot be: memory that is not row-major and
// contiguous, read-only or misaligned, another device than CPU or CUDA, another dtype than f32 bf16
// f16 i32 u8 bool, more than 8 axes, another major version; `managed` still belongs to the caller
// then.
Tensor from_dlpack(DLManagedTensorVersioned* managed);
Tensor from_dlpack(DLManagedTensor* managed);  // of before version 1

// The receiver calls the deleter, once; until then the buffer lives.
DLManagedTensorVersioned* to_dlpack(const Tensor& tensor);
DLManagedTensor* to_dlpack_unversioned(const Tensor& tensor);

}  // namespace engine
