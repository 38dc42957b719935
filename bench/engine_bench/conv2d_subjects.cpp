#include "bench/engine_bench/subject.h"
#include "engine/core/graph.h"

namespace engine::bench {
namespace {

// The ops behind the gradients are private to their file; a graph hands them out.
std::shared_ptr<const Op> op_of(const Conv2dProblem& p, Pass pass, DType dtype) {
  if (pass == Pass::forward) return std::make_shared<Conv2dOp>(p.geometry);
  Graph graph;
  if (pass == Pass::backward_data) {
    const Value dy = graph.input("dy", p.y_shape(), dtype),
                w = graph.input("w", p.w_shape(), dtype);
    return conv2d_backward_data(dy, w, p.x_shape(), p.geometry).node().op;
  }
  const Value x = graph.input("x", p.x_shape(), dtype), dy = graph.input("dy", p.y_shape(), dtype);
  return conv2d_backward_weights(x, dy, p.w_shape(), p.geometry).node().op;
}

std::vector<TensorType> inputs_of(const Conv2dProblem& p, Pass pass, DType dtype) {
  const TensorType x{p.x_shape(), dtype}, w{p.w_shape(), dtype}, y{p.y_shape(), dtype};
  switch (pass) {
    case Pass::forward:
      return {x, w};
    case Pass::backward_data:
      return {y, w};
    case Pass::backward_weights:
      return {x, y};
  }
  return {};
}

}  // namespace

std::vector<Subject> conv2d_subjects(std::span<const Conv2dProblem> shapes,
                                     std::span<const Pass> passes,
                                     std::span<const MathMode> modes) {
  std::vector<Subject> subjects;
  for (const Conv2dProblem& p : shapes) {
    for (const MathMode math : modes) {
      const DType dtype = storage_of(math);
      for (const Pass pass : passes) {
        Subject subject;
        subject.name = join("conv2d_", name_of(pass), '/', name_of(math), '/', text_of(p));
        subject.family = "conv2d";
        subject.shape_class = name_of(class_of(p));
        subject.math = math;
        subject.op = op_of(p, pass, dtype);
        subject.inputs = inputs_of(p, pass, dtype);
        subject.fills = {Fill::symmetric, Fill::symmetric};
        subject.define = [p, pass](const HostTensors& tensors) -> Definition {
          return [p, pass, &tensors](std::int64_t element) {
            return conv2d_element(p, pass, tensors[0], tensors[1], element);
          };
        };
        subject.terms = conv2d_terms(p, pass);
        subject.peer_case = ConvCase{p, pass};
        subjects.push_back(std::move(subject));
      }
    }
  }
  return subjects;
}

}  // namespace engine::bench
