#pragma once

#include <optional>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "engine/kernels/cpu/onednn.h"

// What the kernels over oneDNN share: a primitive with its reorders as one Kernel. Only
// kernels/cpu/onednn*.cpp include this.
namespace engine::cpu {

// oneDNN takes its thread count from OpenMP's setting for the calling thread.
class OneDnnThreads {
 public:
  explicit OneDnnThreads(int threads);
  ~OneDnnThreads();
  OneDnnThreads(const OneDnnThreads&) = delete;
  OneDnnThreads& operator=(const OneDnnThreads&) = delete;

 private:
  int previous_;
};

dnnl::memory::data_type onednn_type(DType dtype);

// Scratchpad given by the caller, and the activation as a post-op.
dnnl::primitive_attr onednn_attributes(Activation activation);

// Throws InvalidArgument unless all inputs and outputs are f32 or bf16.
void onednn_check_types(std::string_view op, const PrepareContext& context);

// Throws InvalidArgument that explains oneDNN's refusal.
[[noreturn]] void onednn_explain_refusal(std::string_view op, const PrepareContext& context,
                                         const dnnl::error& error);

// Runs `build`, which asks oneDNN for an implementation, and explains its refusal.
template <class Build>
auto onednn_asking_for(std::string_view op, const PrepareContext& context, const Build& build) {
  onednn_check_types(op, context);
  const OneDnnThreads threads(context.device.threads());
  try {
    return build();
  } catch (const dnnl::error& error) {
    onednn_explain_refusal(op, context, error);
  }
}

// A primitive with its reorders, bound to fresh pointers in each run.
class OneDnnKernel final : public Kernel {
 public:
  enum class Role { input, output };

  // One tensor of a primitive: where our buffer is, and the two layouts.
  struct Binding {
    int argument = 0;  // DNNL_ARG_...
    Role role = Role::input;
    int index = 0;              // among the node's inputs or outputs
    dnnl::memory::desc plain;   // of our buffer
    dnnl::memory::desc wanted;  // of the primitive; differs where a reorder is needed

    bool is_output() const { return role == Role::output; }
  };

  OneDnnKernel(const dnnl::engine& engine, const dnnl::primitive& primitive,
               const dnnl::memory::desc& scratchpad, std::string implementation);

  // `frozen`: the data of an input that never changes, or null.
  void bind(const Binding& binding, const void* frozen = nullptr);

  std::int64_t scratch_bytes() const override { return scratch_bytes_; }
  std::int64_t packed_bytes() const override { return packed_bytes_; }
  std::string describe() const override { return "oneDNN " + description_; }
  void run(const Stream& stream, const Buffers& buffers) override;

 private:
  struct Slot {
    Binding binding;
    dnnl::memory primitive_side;
    dnnl::memory our_side;  // where there is a reorder
    std::optional<dnnl::reorder> reorder;
    dnnl::memory reorder_scratchpad;
    std::int64_t offset = 0;  // into scratch, of the packed form
    std::int64_t reorder_offset = 0;
    bool is_packed = false;  // once and for all
  };

  std::int64_t reserve(std::size_t bytes);
  void pack(Slot& slot, const void* frozen, const dnnl::memory::desc& reorder_scratchpad);
  void run_reorder(Slot& slot);
  void execute(const dnnl::primitive& primitive, std::span<const dnnl_exec_arg_t> arguments);

  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  dnnl::memory scratchpad_;
  std::vector<Slot> slots_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::int64_t scratchpad_offset_ = 0;
  std::int64_t scratch_bytes_ = 0;
  std::int64_t packed_bytes_ = 0;
  std::string description_;
};

template <class Primitive, class Description>
std::unique_ptr<OneDnnKernel> make_onednn_kernel(const dnnl::engine& engine,
                                                 const Description& description) {
  return std::make_unique<OneDnnKernel>(engine, Primitive(description),
                                        description.scratchpad_desc(), description.impl_info_str());
}

}  // namespace engine::cpu
