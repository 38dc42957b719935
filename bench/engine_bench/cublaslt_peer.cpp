#include "bench/engine_bench/peers.h"
#include "engine/kernels/matmul_choice.h"

namespace engine::bench {

// By the library's own adapter, which takes the first algorithm that cuBLASLt's heuristic proposes.
std::vector<Contender> cublaslt_candidates(const PeerContext& context) {
  const auto* matmul = std::get_if<MatmulCase>(&context.subject.peer_case);
  const RotatingBuffers& buffers = context.buffers;
  if (matmul == nullptr || !buffers.device().is_cuda()) return {};
  struct Bound {
    std::unique_ptr<Kernel> kernel;
    Tensor scratch;
  };
  const std::vector<TensorType>& inputs = context.subject.inputs;
  auto bound = std::make_shared<Bound>();
  bound->kernel =
      cuda::prepare_matmul(matmul_problem(inputs[0].shape, inputs[1].shape, matmul->options),
                           Activation::none, {.algorithm = cuda::MatmulAlgorithm::cublaslt},
                           {.device = buffers.device(),
                            .inputs = inputs,
                            .outputs = buffers.output_types(),
                            .frozen = {},
                            .allows_tf32 = context.subject.math == MathMode::tf32});
  if (bound->kernel->describe() != "cublaslt") return {};  // it has none; ours would stand in
  Contender contender;
  contender.name = "cuBLASLt";
  contender.algorithm = "heuristic";
  contender.scratch_bytes = bound->kernel->scratch_bytes();
  bound->scratch = Tensor::empty({contender.scratch_bytes}, DType::u8, buffers.device());
  contender.enqueue = [bound, &buffers](const Stream& stream, int call) {
    const int copy = call % buffers.copies();
    bound->kernel->run(stream,
                       {buffers.inputs(copy), buffers.outputs(copy), bound->scratch.data()});
  };
  contender.read = [&buffers](std::span<const std::int64_t> elements) {
    return buffers.read(elements);
  };
  return {contender};
}

}  // namespace engine::bench
