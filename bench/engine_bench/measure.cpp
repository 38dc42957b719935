#include "bench/engine_bench/measure.h"

#include <algorithm>

#include "bench/engine_bench/buffers.h"
#include "bench/engine_bench/machine.h"
#include "bench/engine_bench/peers.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

// Products that the definition may cost: about a second in all.
constexpr std::int64_t kDefinitionProducts = 100'000'000;

// The expected values of a sample of output 0's elements.
struct Check {
  std::vector<std::int64_t> elements;
  std::vector<Expected> expected;
};

Check make_check(const Subject& subject, const HostTensors& host, std::int64_t count) {
  Check check;
  if (!subject.define) return check;
  const Definition definition = subject.define(host);
  const std::int64_t terms = std::max<std::int64_t>(subject.terms, 1);
  check.elements =
      sample_elements(count, std::clamp<std::int64_t>(kDefinitionProducts / terms, 64, 4096));
  check.expected.resize(check.elements.size());
  const auto samples = static_cast<std::int64_t>(check.elements.size());
#pragma omp parallel for schedule(dynamic, 16)
  for (std::int64_t i = 0; i < samples; ++i) check.expected[i] = definition(check.elements[i]);
  return check;
}

Contender engine_contender(const Subject& subject, const RotatingBuffers& buffers) {
  struct Bound {
    std::unique_ptr<Kernel> kernel;
    Tensor scratch;
  };
  const Device& device = buffers.device();
  auto bound = std::make_shared<Bound>();
  bound->kernel = subject.op->prepare({.device = device,
                                       .inputs = subject.inputs,
                                       .outputs = buffers.output_types(),
                                       .frozen = {},
                                       .allows_tf32 = subject.math == MathMode::tf32});
  Contender contender;
  contender.name = "engine";
  contender.algorithm = bound->kernel->describe();
  contender.scratch_bytes = bound->kernel->scratch_bytes();
  bound->scratch = Tensor::empty({contender.scratch_bytes}, DType::u8, device);
  contender.enqueue = [bound, &buffers](const Stream& stream, int call) {
    const int copy = call % buffers.copies();
    bound->kernel->run(stream,
                       {buffers.inputs(copy), buffers.outputs(copy), bound->scratch.data()});
  };
  contender.read = [&buffers](std::span<const std::int64_t> elements) {
    return buffers.read(elements);
  };
  return contender;
}

std::vector<Contender> peer_candidates(const PeerContext& context) {
  if (context.buffers.device().is_cpu()) return onednn_candidates(context);
  // They do not share a kind of row.
  std::vector<Contender> candidates = cublaslt_candidates(context);
  return candidates.empty() ? cudnn_candidates(context) : candidates;
}

Side checked_side(const Contender& contender, const Subject& subject, const Check& check,
                  const RotatingBuffers& buffers) {
  Side side{.name = contender.name, .algorithm = contender.algorithm};
  side.scratch_bytes = contender.scratch_bytes;
  if (check.elements.empty()) return side;
  buffers.spoil_outputs();
  contender.enqueue(buffers.device(), 0);
  const Errors errors = errors_of(contender.read(check.elements), check.expected, subject.math,
                                  buffers.output_types()[0].dtype);
  side.error = errors.relative;
  side.share_of_bound = errors.share_of_bound;
  return side;
}

}  // namespace

std::pair<double, std::string> least_seconds(const Cost& cost, MathMode math,
                                             const Ceilings& ceilings) {
  const auto time = [](std::int64_t amount, double rate) {
    return rate > 0 ? static_cast<double>(amount) / rate : 0;
  };
  const double copy = time(cost.bytes, ceilings.copy_bytes_per_second);
  const double matrix = time(cost.flops, ceilings.flops_per_second[math]);
  return copy >= matrix ? std::pair(copy, "copy") : std::pair(matrix, "matrix");
}

Row measure(const Subject& subject, const Setup& setup, Stopwatch& stopwatch) {
  // oneDNN keeps copies of its own, in two layouts of up to two algorithms.
  const std::int64_t needed =
      std::max(RotatingBuffers::bytes_of(subject), setup.rotated_bytes) * (setup.has_peer ? 5 : 1);
  const std::int64_t available = free_bytes(setup.device);
  if (needed > available / 10 * 8) {
    throw OutOfMemory(join(needed >> 20, " MiB wanted, ", available >> 20, " MiB free"));
  }
  const HostTensors host = random_inputs(subject);
  const RotatingBuffers buffers(subject, host, setup.device, setup.rotated_bytes);
  const Contender engine = engine_contender(subject, buffers);
  const std::int64_t elements = buffers.output_types()[0].shape.elements();
  const Check check = make_check(subject, host, elements);

  Row row{.name = subject.name, .family = subject.family, .shape_class = subject.shape_class};
  row.dtype = name_of(subject.math);
  const Cost cost = subject.op->cost(subject.inputs, buffers.output_types());
  row.bytes = subject.bytes > 0 ? subject.bytes : cost.bytes;
  row.flops = cost.flops;
  row.checked = static_cast<std::int64_t>(check.elements.size());
  row.elements = elements;
  row.engine = checked_side(engine, subject, check, buffers);

  std::vector<Contender> peers;
  if (setup.has_peer) {
    peers = peer_candidates({.subject = subject,
                             .host = host,
                             .buffers = buffers,
                             .scratch_limit = std::max(setup.scratch_limit, engine.scratch_bytes),
                             .max_candidates = setup.max_candidates});
  }
  const int best = peers.size() == 1 ? 0 : fastest(stopwatch, peers, buffers.copies());
  const Contender* peer = peers.empty() || best < 0 ? nullptr : &peers[best];
  if (peer != nullptr) row.peer = checked_side(*peer, subject, check, buffers);

  const Times times = run_contest(stopwatch, engine, peer, buffers.copies(), setup.effort);
  row.engine.seconds = times.engine;
  row.has_settled = times.have_settled;
  if (peer != nullptr) row.peer->seconds = *times.peer;
  const auto [least, limit] =
      least_seconds({.bytes = row.bytes, .flops = row.flops}, subject.math, setup.ceilings);
  row.limit = limit;
  row.share_of_limit = least / times.engine.median;
  return row;
}

}  // namespace engine::bench
