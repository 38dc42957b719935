// The three products of a linear layer: our own kernels, whatever the library would take.
#include <cmath>

#include "bench/engine_bench/subject.h"
#include "engine/core/gpu.h"
#include "engine/kernels/matmul_choice.h"

namespace engine::bench {
namespace {

// A layer of `out` units on [rows, in].
struct Layer {
  std::int64_t rows, in, out;
};
// Of the day/night net and of LeNet-5, the first and the last; and squares.
constexpr Layer kLayers[] = {{64, 8192, 128}, {256, 400, 120}, {32, 84, 10}, {1024, 1024, 1024}};
constexpr Layer kLargeLayers[] = {{4096, 4096, 4096}, {8192, 1024, 4096}};

// matmul, but on CUDA never cuBLASLt: that is the peer.
class OwnMatmulOp final : public Op {
 public:
  explicit OwnMatmulOp(const MatmulOptions& options) : op_(options) {}
  std::string_view name() const override { return "own_matmul"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return op_.infer(inputs);
  }
  Cost cost(std::span<const TensorType> inputs,
            std::span<const TensorType> outputs) const override {
    return op_.cost(inputs, outputs);
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (!context.device.is_cuda()) return op_.prepare(context);
    const MatmulProblem problem =
        matmul_problem(context.inputs[0].shape, context.inputs[1].shape, op_.options());
    // Where wgmma does not take the product, the choice goes on with what is left of ours.
    const cuda::MatmulChoice choice = cuda::choose_matmul({.problem = problem,
                                                           .in = context.inputs[0].dtype,
                                                           .out = context.outputs[0].dtype,
                                                           .allows_tf32 = context.allows_tf32,
                                                           .gpu = gpu_of(context.device),
                                                           .only = cuda::MatmulAlgorithm::wgmma});
    return cuda::prepare_matmul(problem, Activation::none, choice, context);
  }

 private:
  MatmulOp op_;
};

// An element of y [rows, out], of dx [rows, in] or of dw [out, in].
Expected element_of(const Layer& layer, Pass pass, const std::vector<float>& a,
                    const std::vector<float>& b, std::int64_t element) {
  // Terms, and how far apart they are in either operand.
  std::int64_t terms = 0, first_a = 0, step_a = 1, first_b = 0, step_b = 1;
  switch (pass) {
    case Pass::forward:  // x [rows, in], w [out, in]
      terms = layer.in;
      first_a = element / layer.out * layer.in, first_b = element % layer.out * layer.in;
      break;
    case Pass::backward_data:  // dy [rows, out], w [out, in]
      terms = layer.out;
      first_a = element / layer.in * layer.out;
      first_b = element % layer.in, step_b = layer.in;
      break;
    case Pass::backward_weights:  // dy [rows, out], x [rows, in]
      terms = layer.rows;
      first_a = element / layer.in, step_a = layer.out;
      first_b = element % layer.in, step_b = layer.in;
      break;
  }
  Expected sum{.value = 0, .magnitude = 0, .terms = terms};
  for (std::int64_t i = 0; i < terms; ++i) {
    const double product = static_cast<double>(a[first_a + i * step_a]) * b[first_b + i * step_b];
    sum.value += product;
    sum.magnitude += std::abs(product);
  }
  return sum;
}

Subject subject_of(const Layer& layer, Pass pass, MathMode math) {
  const DType dtype = storage_of(math);
  const TensorType x{{layer.rows, layer.in}, dtype}, w{{layer.out, layer.in}, dtype},
      y{{layer.rows, layer.out}, dtype};
  Subject subject;
  subject.name = join("linear_", name_of(pass), '/', name_of(math), "/rows=", layer.rows,
                      ",in=", layer.in, ",out=", layer.out);
  subject.family = "linear";
  subject.math = math;
  MatmulOptions options;
  switch (pass) {
    case Pass::forward:
      subject.inputs = {x, w};
      options.transpose_b = true;
      subject.terms = layer.in;
      break;
    case Pass::backward_data:
      subject.inputs = {y, w};
      subject.terms = layer.out;
      break;
    case Pass::backward_weights:
      subject.inputs = {y, x};
      options.transpose_a = options.f32_output = true;
      subject.terms = layer.rows;
      break;
  }
  subject.op = std::make_shared<OwnMatmulOp>(options);
  subject.fills = {Fill::symmetric, Fill::symmetric};
  subject.define = [layer, pass](const HostTensors& tensors) -> Definition {
    return [layer, pass, &tensors](std::int64_t element) {
      return element_of(layer, pass, tensors[0], tensors[1], element);
    };
  };
  subject.peer_case = MatmulCase{options};
  return subject;
}

}  // namespace

std::vector<Subject> linear_subjects(const Device& device, std::span<const Pass> passes,
                                     std::span<const MathMode> modes) {
  std::vector<Layer> layers(std::begin(kLayers), std::end(kLayers));
  if (device.is_cuda())
    layers.insert(layers.end(), std::begin(kLargeLayers), std::end(kLargeLayers));
  std::vector<Subject> subjects;
  for (const Layer& layer : layers) {
    for (const MathMode math : modes) {
      for (const Pass pass : passes) subjects.push_back(subject_of(layer, pass, math));
    }
  }
  return subjects;
}

}  // namespace engine::bench
