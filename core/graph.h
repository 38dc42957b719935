#pragma once

#include <deque>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/init.h"
#include "engine/core/op.h"
#include "engine/core/tensor.h"

namespace engine {

struct GraphData;
struct Node;

// One output of one node: a handle, valid while its Graph lives. Cheap to copy.
class Value {
 public:
  Value() = default;  // empty

  explicit operator bool() const { return graph_ != nullptr; }
  const TensorType& type() const;
  const Shape& shape() const { return type().shape; }
  DType dtype() const { return type().dtype; }

  const Node& node() const;
  int node_id() const { return node_; }
  int output_index() const { return output_; }

  bool operator==(const Value&) const = default;

 private:
  friend class Graph;
  friend struct Node;
  Value(GraphData* graph, int node, int output) : graph_(graph), node_(node), output_(output) {}

  GraphData* graph_ = nullptr;
  int node_ = -1;
  int output_ = 0;
};

struct Node {
  int id = 0;
  std::string name;  // scope and op, unique in the graph: "conv1/conv2d"
  std::shared_ptr<const Op> op;
  std::vector<Value> inputs;
  std::vector<TensorType> outputs;
  GraphData* graph = nullptr;

  Value output(int index = 0) const;
};

// What a state entry is for. All entries are saved in a checkpoint; a model file holds parameters
// and statistics.
enum class StateRole : std::uint8_t {
  parameter,  // trained
  statistic,  // running mean and variance
  slot,       // optimizer moments, averages
  counter,    // clock, loss ring, carried activations: whatever else persists between steps
};

std::string_view name_of(StateRole role);

struct StateSpec {
  std::string name = {};
  Shape shape = {};
  DType dtype = DType::f32;
  Init init = init::zeros();
  StateRole role = StateRole::counter;

  bool operator==(const StateSpec&) const = default;
};

// A pure computation: nodes in the order they were added (inputs before users), named outputs, and
// the named state that it reads and updates. Build it with ops and layers, then compile() it.
// Moving a Graph keeps its Values valid.
class Graph {
 public:
  Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  ~Graph();

  // A tensor that the caller gives before each run.
  Value input(std::string_view name, const Shape& shape, DType dtype = DType::f32);
  // A tensor that never changes.
  Value constant(const Tensor& tensor);
  Value constant(float value);  // a scalar

  // Names a result. A name may be given once.
  void output(std::string_view name, const Value& value);

  // The value of a state entry as the step begins. The first call declares it; later calls with the
  // same name return the same Value and throw when shape, dtype or role differ.
  Value read_state(const StateSpec& spec);
  // What the entry becomes when the step ends; at most once per name. `value` must have the entry's
  // shape; it is cast to its dtype.
  void update_state(std::string_view name, const Value& value);
  // What the entry becomes as things stand: the value of its update, or the one that was read.
  Value next_state(std::string_view name) const;
  // Like update_state(), but in place of an earlier update. For what a step changes repeatedly,
  // such as the statistics of a layer that is applied twice: make the value from next_state().
  void replace_update(std::string_view name, const Value& value);

  // The clock: i32[4] = {seed low, seed high, step, 0}. What is random or scheduled depends on it
  // and on nothing else, so a restored Store continues with the very same numbers.
  Value clock();
  // Makes every run end with step + 1 (compile() adds nothing on its own; minimize() calls this).
  void advance_clock();

  // Parameters in order of declaration.
  std::vector<Value> parameters() const;

  // Adds a node and returns its outputs. `name` is made unique by a suffix "#2", "#3", ...
  std::vector<Value> add(std::shared_ptr<const Op> op, std::vector<Value> inputs,
                         std::string_view name = "");
  // The same for an op with one output.
  Value add1(std::shared_ptr<const Op> op, std::vector<Value> inputs, std::string_view name = "");

  // Names of nodes added from now on begin with this and a slash. NameScope sets it for a while.
  void set_name_prefix(std::string prefix);
  const std::string& name_prefix() const;

  const std::deque<Node>& nodes() const;
  const std::vector<std::pair<std::string, Value>>& outputs() const;
  const std::vector<StateSpec>& states() const;
  const StateSpec* find_state(std::string_view name) const;  // null when there is none
  // The entry that a Value made by read_state() stands for; throws for any other Value.
  const StateSpec& state_of(const Value& value) const;
  // State name -> new value, in order of update_state().
  const std::vector<std::pair<std::string, Value>>& updates() const;

  // A second handle on the same graph.
  Graph share() const;
  // The graph of a Value: what ops use to add nodes next to their inputs.
  static Graph of(const Value& value);

 private:
  explicit Graph(std::shared_ptr<GraphData> data);
  void check_update(std::string_view name, const Value& value) const;
  std::shared_ptr<GraphData> data_;
};

// Puts nodes that are added while it lives under a name, so that errors, plans and profiles say
// which layer a node belongs to: "conv1/conv2d". Layers hold one.
class NameScope {
 public:
  NameScope(Graph graph, std::string prefix);
  ~NameScope();
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;

 private:
  Graph graph_;
  std::string previous_;
};

// One node a line: "%3 f32[64, 32] = relu(%2)  # hidden/relu".
std::ostream& operator<<(std::ostream& out, const Graph& graph);

}  // namespace engine
