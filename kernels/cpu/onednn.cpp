#include "engine/kernels/cpu/onednn.h"

#include <omp.h>

#include "engine/core/memory_plan.h"
#include "engine/kernels/cpu/onednn_kernel.h"

namespace engine::cpu {

using dnnl::memory;

std::string onednn_version() {
  const dnnl_version_t* version = dnnl::version();
  return join(version->major, '.', version->minor, '.', version->patch);
}

bool onednn_uses_avx512() {
  const auto sets = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto avx512 = static_cast<unsigned>(dnnl::cpu_isa::avx512_core);
  return (sets & avx512) == avx512;  // a larger set holds the bits of the smaller
}

OneDnnThreads::OneDnnThreads(int threads) : previous_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
}

OneDnnThreads::~OneDnnThreads() {
  omp_set_num_threads(previous_);
}

memory::data_type onednn_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return memory::data_type::f32;
    case DType::bf16:
      return memory::data_type::bf16;
    case DType::f16:
      return memory::data_type::f16;
    default:
      ENGINE_CHECK(false, "oneDNN kernels take floating-point data, not ", dtype);
  }
  return memory::data_type::undef;
}

void onednn_check_types(std::string_view op, const PrepareContext& context) {
  for (const auto types : {context.inputs, context.outputs}) {
    for (const TensorType& type : types) {
      ENGINE_CHECK(type.dtype == DType::f32 || type.dtype == DType::bf16, op, ": no ", type.dtype,
                   " kernel for ", context.device, "; use f32 or bf16");
    }
  }
}

void onednn_explain_refusal(std::string_view op, const PrepareContext& context,
                            const dnnl::error& error) {
  std::string types;
  for (const TensorType& type : context.inputs) types += join(types.empty() ? "" : ", ", type);
  const bool is_bf16 = context.inputs[0].dtype == DType::bf16;
  ENGINE_CHECK(false, op, ": oneDNN ", onednn_version(), " has no kernel for ", types,
               " on this processor", is_bf16 ? "; bf16 needs AVX-512, use f32 here" : "", " (",
               error.what(), ")");
  throw error;
}

dnnl::primitive_attr onednn_attributes(Activation activation) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (activation == Activation::relu) {
    dnnl::post_ops operations;
#if DNNL_VERSION_MAJOR >= 3
    operations.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#else
    operations.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#endif
    attributes.set_post_ops(operations);
  }
  return attributes;
}

OneDnnKernel::OneDnnKernel(const dnnl::engine& engine, const dnnl::primitive& primitive,
                           const memory::desc& scratchpad, std::string implementation)
    : engine_(engine),
      stream_(engine),
      primitive_(primitive),
      scratchpad_(scratchpad, engine, nullptr),
      description_(std::move(implementation)) {
  arguments_.push_back({DNNL_ARG_SCRATCHPAD, scratchpad_.get()});
  scratchpad_offset_ = reserve(scratchpad.get_size());
}

void OneDnnKernel::bind(const Binding& binding, const void* frozen) {
  Slot& slot = slots_.emplace_back();
  slot.binding = binding;
  slot.primitive_side = memory(binding.wanted, engine_, nullptr);
  if (binding.plain != binding.wanted) {
    slot.our_side = memory(binding.plain, engine_, nullptr);
    const memory::desc& from = binding.is_output() ? binding.wanted : binding.plain;
    const memory::desc& to = binding.is_output() ? binding.plain : binding.wanted;
    const dnnl::reorder::primitive_desc reorder(engine_, from, engine_, to,
                                                onednn_attributes(Activation::none));
    slot.reorder = dnnl::reorder(reorder);
    slot.reorder_scratchpad = memory(reorder.scratchpad_desc(), engine_, nullptr);
    if (frozen != nullptr) {
      pack(slot, frozen, reorder.scratchpad_desc());
    } else {
      slot.offset = reserve(binding.wanted.get_size());
      slot.reorder_offset = reserve(reorder.scratchpad_desc().get_size());
      description_ += join(binding.is_output() ? ", unpacks output " : ", packs input ",
                           binding.index, " (", reorder.impl_info_str(), ")");
    }
  }
  arguments_.push_back({binding.argument, slot.primitive_side.get()});
}

void OneDnnKernel::run(const Stream& stream, const Buffers& buffers) {
  const OneDnnThreads threads(stream.device().threads());
  char* scratch = static_cast<char*>(buffers.scratch);
  scratchpad_.set_data_handle(scratch + scratchpad_offset_);
  for (Slot& slot : slots_) {
    if (slot.is_packed) continue;
    const Binding& binding = slot.binding;
    void* data = binding.is_output() ? buffers.outputs[binding.index]
                                     : const_cast<void*>(buffers.inputs[binding.index]);
    if (!slot.reorder) {
      slot.primitive_side.set_data_handle(data);
      continue;
    }
    slot.our_side.set_data_handle(data);
    slot.primitive_side.set_data_handle(scratch + slot.offset);
    slot.reorder_scratchpad.set_data_handle(scratch + slot.reorder_offset);
    if (!binding.is_output()) run_reorder(slot);
  }
  execute(primitive_, arguments_);
  for (Slot& slot : slots_) {
    if (slot.reorder && slot.binding.is_output()) run_reorder(slot);
  }
  stream_.wait();
}

std::int64_t OneDnnKernel::reserve(std::size_t bytes) {
  const std::int64_t offset = scratch_bytes_;
  scratch_bytes_ += aligned(static_cast<std::int64_t>(bytes));
  return offset;
}

void OneDnnKernel::pack(Slot& slot, const void* frozen, const memory::desc& reorder_scratchpad) {
  slot.primitive_side = memory(slot.binding.wanted, engine_);
  slot.our_side.set_data_handle(const_cast<void*>(frozen));
  slot.reorder_scratchpad = memory(reorder_scratchpad, engine_);
  run_reorder(slot);
  stream_.wait();
  slot.reorder.reset();
  slot.our_side = {};
  slot.reorder_scratchpad = {};
  slot.is_packed = true;
  packed_bytes_ += static_cast<std::int64_t>(slot.binding.wanted.get_size());
  description_ += join(", input ", slot.binding.index, " packed");
}

void OneDnnKernel::run_reorder(Slot& slot) {
  memory& from = slot.binding.is_output() ? slot.primitive_side : slot.our_side;
  memory& to = slot.binding.is_output() ? slot.our_side : slot.primitive_side;
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from.get()},
                                       {DNNL_ARG_TO, to.get()},
                                       {DNNL_ARG_SCRATCHPAD, slot.reorder_scratchpad.get()}};
  execute(*slot.reorder, arguments);
}

// The C++ call would build a map of arguments in each run.
void OneDnnKernel::execute(const dnnl::primitive& primitive,
                           std::span<const dnnl_exec_arg_t> arguments) {
  const dnnl_status_t status = dnnl_primitive_execute(
      primitive.get(), stream_.get(), static_cast<int>(arguments.size()), arguments.data());
  if (status != dnnl_success) {
    throw Error(join("oneDNN ", onednn_version(), " failed to run ", description_, " (status ",
                     status, ")"));
  }
}

}  // namespace engine::cpu
