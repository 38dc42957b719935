// What a training step does besides its net: the fused update, dropout, augmentation and gather, in
// GB/s beside a plain copy in the same run (every tensor counted once, read or written; the update
// runs in place, as it does in an executable) and in elements.
#include <algorithm>
#include <vector>

#include "bench/memory_rows.h"
#include "engine/kernels/gather_rows.h"
#include "engine/kernels/image.h"
#include "engine/kernels/optimizer_update.h"
#include "engine/kernels/random.h"

namespace {

using namespace engine;
using namespace engine::bench;

// Parameters of the day/night net, and enough more of them to fill no cache.
const std::vector<Shape> kSmallNet = {{32, 3, 3, 3},   {32},  {64, 3, 3, 32}, {64},
                                      {128, 3, 3, 64}, {128}, {128, 8192},    {128},
                                      {1, 128},        {1}};
const std::vector<Shape> kManyParameters = {{4096, 4096}, {4096}};

std::vector<Value> values(Graph& graph, const char* name, const std::vector<Shape>& shapes) {
  std::vector<Value> result;
  for (const Shape& shape : shapes) {
    result.push_back(graph.input(join(name, result.size()), shape));
  }
  return result;
}

UpdateInputs update_inputs(Graph& graph, const std::vector<Shape>& shapes) {
  return {.learning_rate = graph.constant(1e-3f),
          .gradient_scale = graph.constant(1.0f),
          .clock = graph.clock(),
          .parameters = values(graph, "p", shapes),
          .gradients = values(graph, "g", shapes)};
}

Value adam(Graph& graph, const std::vector<Shape>& shapes) {
  const auto m = values(graph, "m", shapes), v = values(graph, "v", shapes);
  return adam_update(update_inputs(graph, shapes), m, v, {}).parameters[0];
}

Value images(Graph& graph) {
  return graph.input("images", {64, 64, 64, 3}, DType::u8);
}

std::int64_t elements_of(const std::vector<Shape>& shapes) {
  std::int64_t elements = 0;
  for (const Shape& shape : shapes) elements += shape.elements();
  return elements;
}

// The op of the node that `make` adds, in place wherever it allows.
Subject subject_of(const char* name, Value (*make)(Graph&)) {
  Graph graph;
  const Node& node = make(graph).node();
  Subject subject;
  subject.name = name;
  subject.op = node.op;
  for (const Value& input : node.inputs) subject.inputs.push_back(input.type());
  subject.fills = fills_of(subject.inputs, Fill::byte);
  subject.is_in_place = true;
  return subject;
}

void add(const char* name, Value (*make)(Graph&)) {
  Subject subject = subject_of(name, make);
  std::int64_t elements = 0;
  for (const TensorType& type : subject.op->infer(subject.inputs)) {
    elements = std::max(elements, type.shape.elements());
  }
  add_memory_row(std::move(subject), elements);
}

// What goes over all parameters at once. The last tensors may be ones that no step makes negative.
void add_update(const char* name, Value (*make)(Graph&), const std::vector<Shape>& shapes,
                std::int64_t bytes_an_element, bool ends_with_squares = false) {
  Subject subject = subject_of(name, make);
  subject.bytes = elements_of(shapes) * bytes_an_element;
  if (ends_with_squares) {
    const auto squares = subject.fills.end() - static_cast<std::ptrdiff_t>(shapes.size());
    std::fill(squares, subject.fills.end(), Fill::positive);
  }
  add_memory_row(std::move(subject), elements_of(shapes));
}

}  // namespace

int main(int count, char** words) {
  add_copy_row("copy/64_MiB", {{64 << 20}, DType::u8});
  add_update(
      "adam_update/day_night_net", [](Graph& g) { return adam(g, kSmallNet); }, kSmallNet, 28,
      true);
  add_update(
      "adam_update/17_million", [](Graph& g) { return adam(g, kManyParameters); }, kManyParameters,
      28, true);
  add_update(
      "sgd_update/momentum_17_million",
      [](Graph& g) {
        const auto v = values(g, "v", kManyParameters);
        return sgd_update(update_inputs(g, kManyParameters), v, {.momentum = 0.9}).parameters[0];
      },
      kManyParameters, 20);
  add_update(
      "squared_norm/17_million",
      [](Graph& g) { return squared_norm(values(g, "g", kManyParameters)); }, kManyParameters, 4);
  add("random_uniform", [](Graph& g) { return random_uniform(g, "u", {1 << 20}); });
  add("random_normal", [](Graph& g) { return random_normal(g, "n", {1 << 20}); });
  add("dropout/f32", [](Graph& g) { return dropout(g.input("x", {1 << 20}), "d", 0.5f); });
  add("dropout/bf16",
      [](Graph& g) { return dropout(g.input("x", {1 << 20}, DType::bf16), "d", 0.5f); });
  add("shuffled_rows", [](Graph& g) { return shuffled_rows(g, "s", 60000, 64); });
  add("gather_rows/images", [](Graph& g) {
    return gather_rows(g.input("table", {4096, 64, 64, 3}, DType::u8),
                       g.input("rows", {64}, DType::i32));
  });
  add("normalize_images/f32", [](Graph& g) {
    return normalize_images(images(g), {.mean = {0.5f}, .standard_deviation = {0.25f}});
  });
  add("normalize_images/bf16", [](Graph& g) {
    return normalize_images(images(g), {.mean = {0.5f}, .standard_deviation = {0.25f}},
                            DType::bf16);
  });
  add("random_geometry/shift_and_flip",
      [](Graph& g) { return random_geometry(images(g), "a", {.shift = 4, .flip = true}); });
  add("random_geometry/rotation_and_scale", [](Graph& g) {
    return random_geometry(images(g), "a", {.rotation_degrees = 15, .scale = 0.1f});
  });
  add("random_geometry/elastic", [](Graph& g) {
    return random_geometry(images(g), "a", {.rotation_degrees = 15, .elastic = 2});
  });
  return run_memory_rows(count, words);
}
