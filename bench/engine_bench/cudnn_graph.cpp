// After NVIDIA's documentation of the cuDNN graph library: tensors -> operation -> operation graph
// -> engine (from heuristics, or by its number) -> engine configuration -> execution plan.
#include "bench/engine_bench/cudnn_graph.h"

#include <algorithm>
#include <set>

#include "engine/core/errors.h"

namespace engine::bench::cudnn {
namespace {

cudnnDataType_t type_of(DType dtype) {
  ENGINE_CHECK(is_floating_point(dtype), "cuDNN peer: no ", dtype);
  return dtype == DType::bf16  ? CUDNN_DATA_BFLOAT16
         : dtype == DType::f16 ? CUDNN_DATA_HALF
                               : CUDNN_DATA_FLOAT;
}

// Extents in cuDNN's order n, c, h, w over memory in the order n, h, w, c.
Descriptor tensor_of(TensorId id, const Shape& nhwc, DType dtype) {
  const std::int64_t n = nhwc[0], h = nhwc[1], w = nhwc[2], c = nhwc[3];
  const cudnnDataType_t type = type_of(dtype);
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  tensor.set_integers(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w});
  tensor.set_integers(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, 1, w * c, c});
  tensor.set_integers(CUDNN_ATTR_TENSOR_UNIQUE_ID, {id});
  tensor.set_integers(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {256});
  tensor.finalize();
  return tensor;
}

Descriptor convolution_of(const Conv2dGeometry& g) {
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  convolution.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  convolution.set_integers(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
  convolution.set_integers(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {g.padding.h, g.padding.w});
  convolution.set_integers(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {g.padding.h, g.padding.w});
  convolution.set_integers(CUDNN_ATTR_CONVOLUTION_DILATIONS, {g.dilation.h, g.dilation.w});
  convolution.set_integers(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {g.stride.h, g.stride.w});
  convolution.finalize();
  return convolution;
}

struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};

OperationNames names_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case Pass::backward_data:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case Pass::backward_weights:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

Descriptor operation_of(const ConvGraph& graph) {
  const Conv2dProblem& p = graph.problem;
  const auto type = [&](Pass result) {
    return graph.pass == result ? graph.result : storage_of(graph.math);
  };
  const Descriptor convolution = convolution_of(p.geometry);
  const Descriptor x = tensor_of(kX, p.x_shape(), type(Pass::backward_data));
  const Descriptor w = tensor_of(kW, p.w_shape(), type(Pass::backward_weights));
  const Descriptor y = tensor_of(kY, p.y_shape(), type(Pass::forward));
  const OperationNames names = names_of(graph.pass);
  const float alpha = 1, beta = 0;
  Descriptor operation(names.type);
  operation.set_descriptor(names.convolution, convolution);
  operation.set_descriptor(names.x, x);
  operation.set_descriptor(names.w, w);
  operation.set_descriptor(names.y, y);
  operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
  operation.set(names.beta, CUDNN_TYPE_FLOAT, 1, &beta);
  operation.finalize();
  return operation;
}

void set_handle(Descriptor& descriptor, cudnnBackendAttributeName_t name, const Target& target) {
  cudnnHandle_t handle = target.handle();
  if (handle != nullptr) descriptor.set(name, CUDNN_TYPE_HANDLE, 1, &handle);
}

void set_properties(Descriptor& descriptor, int name, const Target& target) {
  if (target.properties() == nullptr) return;
  descriptor.set_descriptor(static_cast<cudnnBackendAttributeName_t>(name), *target.properties());
}

// Names of cuDNN 9.8, which the headers of older ones lack.
constexpr int kHeuristicProperties = 204, kEngineProperties = 1307, kPlanProperties = 407;
constexpr int kPropertiesDescriptor = 38, kPropertiesJson = 2702;

Descriptor operation_graph_of(const ConvGraph& graph, const Target& target) {
  const Descriptor operation = operation_of(graph);
  Descriptor result(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  result.set_descriptor(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  set_handle(result, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target);
  result.finalize();
  return result;
}

// The configurations that a heuristic proposes, best first; none where it has no answer.
std::vector<Descriptor> proposed(const Descriptor& graph, cudnnBackendHeurMode_t mode,
                                 const Target& target) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set_descriptor(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  set_properties(heuristic, kHeuristicProperties, target);
  if (!heuristic.try_finalize()) return {};
  std::int64_t count = 0;
  if (cudnnBackendGetAttribute(heuristic.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                               CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count,
                               nullptr) != CUDNN_STATUS_SUCCESS) {
    return {};
  }
  std::vector<Descriptor> results;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < count; ++i) {
    raw.push_back(results.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).raw());
  }
  std::int64_t returned = 0;
  check(cudnnBackendGetAttribute(heuristic.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &returned, raw.data()),
        "cudnnBackendGetAttribute(ENGINEHEUR_RESULTS)");
  while (static_cast<std::int64_t>(results.size()) > returned) results.pop_back();
  return results;
}

// Every engine with the settings that it has by itself.
std::vector<Descriptor> by_number(const Descriptor& graph, const Target& target) {
  std::vector<Descriptor> results;
  const std::int64_t count = graph.integer(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT);
  for (std::int64_t i = 0; i < count; ++i) {
    Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    engine.set_descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
    engine.set_integers(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, {i});
    set_properties(engine, kEngineProperties, target);
    if (!engine.try_finalize()) continue;
    Descriptor configuration(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    configuration.set_descriptor(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
    if (configuration.try_finalize()) results.push_back(std::move(configuration));
  }
  return results;
}

struct Engine {
  std::int64_t number = -1;
  std::set<cudnnBackendNumericalNote_t> notes;
};

Engine engine_of(const Descriptor& configuration) {
  Descriptor descriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = descriptor.raw();
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(configuration.raw(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw),
        "cudnnBackendGetAttribute(ENGINECFG_ENGINE)");
  Engine engine{.number = descriptor.integer(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), .notes = {}};
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  check(cudnnBackendGetAttribute(descriptor.raw(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                 CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count,
                                 notes),
        "cudnnBackendGetAttribute(ENGINE_NUMERICAL_NOTE)");
  engine.notes.insert(notes, notes + count);
  return engine;
}

// The math mode that both sides keep: sums in f32, and f32 operands as they are or, in tf32, as
// tensor cores take them.
bool keeps_math_mode(const Engine& engine, MathMode math) {
  const auto has = [&](cudnnBackendNumericalNote_t note) { return engine.notes.contains(note); };
  if (has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)) return false;
  if (storage_of(math) != DType::f32) return true;
  const bool allows_tensor_cores = math == MathMode::tf32;
  return (allows_tensor_cores || !has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) &&
         !has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
}

std::string description_of(const Engine& engine) {
  constexpr const char* kWords[] = {
      "tensor_core",  "down_convert", "reduced_sums",   "fft",       "nondeterministic", "winograd",
      "winograd_4x4", "winograd_6x6", "winograd_13x13", "strict_nan"};
  static_assert(std::size(kWords) == CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  std::string text = join("engine ", engine.number);
  for (const auto note : engine.notes) text += join(' ', kWords[note]);
  return text;
}

}  // namespace

void check(cudnnStatus_t status, const std::string& call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char details[512] = {};
  cudnnGetLastErrorString(details, sizeof(details));
  throw CudaError(join(call, ": ", cudnnGetErrorString(status), ' ', details));
}

Target::Target() {
  check(cudnnCreate(&handle_), "cudnnCreate");
}

Target::Target(const std::string& properties)
    : properties_(std::make_unique<Descriptor>(
          static_cast<cudnnBackendDescriptorType_t>(kPropertiesDescriptor))) {
  properties_->set(static_cast<cudnnBackendAttributeName_t>(kPropertiesJson), CUDNN_TYPE_CHAR,
                   static_cast<std::int64_t>(properties.size()), properties.data());
  properties_->finalize();
}

Target::~Target() {
  if (handle_ != nullptr) cudnnDestroy(handle_);
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  check(cudnnBackendCreateDescriptor(type, &raw_),
        join("cudnnBackendCreateDescriptor(", type, ')'));
}

Descriptor::~Descriptor() {
  if (raw_ != nullptr) cudnnBackendDestroyDescriptor(raw_);
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     std::int64_t count, const void* values) {
  check(cudnnBackendSetAttribute(raw_, name, type, count, values),
        join("cudnnBackendSetAttribute(", name, ')'));
}

void Descriptor::set_integers(cudnnBackendAttributeName_t name,
                              const std::vector<std::int64_t>& values) {
  set(name, CUDNN_TYPE_INT64, static_cast<std::int64_t>(values.size()), values.data());
}

void Descriptor::set_descriptor(cudnnBackendAttributeName_t name, const Descriptor& value) {
  cudnnBackendDescriptor_t raw = value.raw();
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
}

void Descriptor::finalize() {
  check(cudnnBackendFinalize(raw_), "cudnnBackendFinalize");
}

bool Descriptor::try_finalize() {
  return cudnnBackendFinalize(raw_) == CUDNN_STATUS_SUCCESS;
}

std::int64_t Descriptor::integer(cudnnBackendAttributeName_t name) const {
  std::int64_t value = 0, count = 0;
  check(cudnnBackendGetAttribute(raw_, name, CUDNN_TYPE_INT64, 1, &count, &value),
        join("cudnnBackendGetAttribute(", name, ')'));
  return value;
}

std::vector<Plan> ConvGraph::plans(const Target& target, std::int64_t workspace_limit,
                                   int limit) const {
  const Descriptor graph = operation_graph_of(*this, target);
  std::vector<Descriptor> configurations;
  const auto add = [&](std::vector<Descriptor> more) {
    for (Descriptor& one : more) configurations.push_back(std::move(one));
  };
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    add(proposed(graph, mode, target));
  }
  add(by_number(graph, target));
  std::vector<Plan> plans;
  for (const Descriptor& configuration : configurations) {
    if (limit > 0 && static_cast<int>(plans.size()) >= limit) break;
    const Engine engine = engine_of(configuration);
    if (!keeps_math_mode(engine, math)) continue;
    auto plan = std::make_shared<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set_handle(*plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target);
    set_properties(*plan, kPlanProperties, target);
    plan->set_descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    if (!plan->try_finalize()) continue;
    const std::int64_t bytes = plan->integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
    if (bytes > workspace_limit) continue;
    plans.push_back({std::move(plan), bytes, description_of(engine)});
  }
  return plans;
}

Descriptor variant_pack(const void* x, const void* w, const void* y, void* workspace) {
  const void* pointers[] = {x, w, y};
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set_integers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {kX, kW, kY});
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  pack.finalize();
  return pack;
}

}  // namespace engine::bench::cudnn
