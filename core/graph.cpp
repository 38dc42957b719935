#include "engine/core/graph.h"

#include <ostream>

#include "engine/core/graph_data.h"
#include "engine/core/source_ops.h"
#include "engine/core/structural_kernels.h"
#include "engine/core/structural_ops.h"

namespace engine {

namespace {

// The product of the step: i32[4] with the third element one larger.
class AdvanceClockOp final : public Op {
 public:
  std::string_view name() const override { return "advance_clock"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[0]};
  }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return prepare_advance_clock(context);
  }
};

std::string types_of(const std::vector<Value>& values) {
  std::string text;
  for (const Value& value : values) text += (text.empty() ? "" : ", ") + join(value.type());
  return text;
}

}  // namespace

Value Node::output(int index) const {
  return Value(graph, id, index);
}

const TensorType& Value::type() const {
  ENGINE_CHECK(graph_ != nullptr, "value: the type of an empty Value");
  return graph_->nodes[static_cast<std::size_t>(node_)].outputs[static_cast<std::size_t>(output_)];
}

const Node& Value::node() const {
  ENGINE_CHECK(graph_ != nullptr, "value: the node of an empty Value");
  return graph_->nodes[static_cast<std::size_t>(node_)];
}

std::string_view name_of(StateRole role) {
  constexpr std::string_view kNames[] = {"parameter", "statistic", "slot", "counter"};
  return kNames[static_cast<int>(role)];
}

Graph::Graph() : data_(std::make_shared<GraphData>()) {}
Graph::Graph(std::shared_ptr<GraphData> data) : data_(std::move(data)) {}
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
Graph::~Graph() = default;

Graph Graph::share() const {
  return Graph(data_);
}

Graph Graph::of(const Value& value) {
  ENGINE_CHECK(value, "graph: of an empty Value");
  return Graph(value.graph_->shared_from_this());
}

Value Graph::input(std::string_view name, const Shape& shape, DType dtype) {
  for (const Node& node : data_->nodes) {
    const auto* input = dynamic_cast<const InputOp*>(node.op.get());
    ENGINE_CHECK(input == nullptr || input->input_name != name, "graph: input \"", name,
                 "\" is there already");
  }
  return add1(std::make_shared<InputOp>(std::string(name), TensorType{shape, dtype}), {}, name);
}

Value Graph::constant(const Tensor& tensor) {
  return add1(std::make_shared<ConstantOp>(tensor.to(Device::cpu()).clone()), {}, "constant");
}

Value Graph::constant(float value) {
  return constant(Tensor::scalar(value));
}

void Graph::output(std::string_view name, const Value& value) {
  ENGINE_CHECK(value && value.graph_ == data_.get(), "graph: output \"", name,
               "\" is not a value of this graph");
  for (const auto& [existing, unused] : data_->outputs) {
    ENGINE_CHECK(existing != name, "graph: output \"", name, "\" is there already");
  }
  data_->outputs.emplace_back(name, value);
}

Value Graph::read_state(const StateSpec& spec) {
  if (const StateSpec* existing = find_state(spec.name)) {
    ENGINE_CHECK(existing->shape == spec.shape && existing->dtype == spec.dtype, "state \"",
                 spec.name, "\": declared as ", TensorType{existing->shape, existing->dtype},
                 " before, now as ", TensorType{spec.shape, spec.dtype});
    ENGINE_CHECK(existing->role == spec.role, "state \"", spec.name, "\": declared as a ",
                 name_of(existing->role), " before, now as a ", name_of(spec.role));
    return data_->state_values.find(spec.name)->second;
  }
  data_->states.push_back(spec);
  const Value value = add1(
      std::make_shared<ReadStateOp>(spec.name, TensorType{spec.shape, spec.dtype}), {}, spec.name);
  data_->state_values.emplace(spec.name, value);
  return value;
}

void Graph::check_update(std::string_view name, const Value& value) const {
  const StateSpec* spec = find_state(name);
  ENGINE_CHECK(spec != nullptr, "state \"", name, "\": updated but never read or declared");
  ENGINE_CHECK(value && value.graph_ == data_.get(), "state \"", name,
               "\": updated with a value that is not of this graph");
  ENGINE_CHECK(value.shape() == spec->shape, "state \"", name, "\": ", spec->shape,
               " cannot become ", value.shape());
}

void Graph::update_state(std::string_view name, const Value& value) {
  check_update(name, value);
  for (const auto& [existing, unused] : data_->updates) {
    ENGINE_CHECK(existing != name, "state \"", name, "\": updated twice in one step");
  }
  data_->updates.emplace_back(name, cast(value, find_state(name)->dtype));
}

Value Graph::next_state(std::string_view name) const {
  for (const auto& [existing, value] : data_->updates) {
    if (existing == name) return value;
  }
  const auto read = data_->state_values.find(name);
  ENGINE_CHECK(read != data_->state_values.end(), "state \"", name, "\": never declared");
  return read->second;
}

void Graph::replace_update(std::string_view name, const Value& value) {
  check_update(name, value);
  std::erase_if(data_->updates, [&](const auto& update) { return update.first == name; });
  update_state(name, value);
}

Value Graph::clock() {
  return read_state({.name = std::string(kClockName),
                     .shape = {4},
                     .dtype = DType::i32,
                     .role = StateRole::counter});
}

void Graph::advance_clock() {
  update_state(kClockName, add1(std::make_shared<AdvanceClockOp>(), {clock()}));
}

std::vector<Value> Graph::parameters() const {
  std::vector<Value> values;
  for (const StateSpec& spec : data_->states) {
    if (spec.role == StateRole::parameter) {
      values.push_back(data_->state_values.find(spec.name)->second);
    }
  }
  return values;
}

std::vector<Value> Graph::add(std::shared_ptr<const Op> op, std::vector<Value> inputs,
                              std::string_view name) {
  std::vector<TensorType> types;
  for (const Value& input : inputs) {
    ENGINE_CHECK(input, op->name(), ": input ", types.size(), " is an empty Value");
    ENGINE_CHECK(input.graph_ == data_.get(), op->name(), ": input ", types.size(),
                 " belongs to another graph; inputs: ", types_of(inputs));
    types.push_back(input.type());
  }
  Node node;
  node.graph = data_.get();
  node.id = static_cast<int>(data_->nodes.size());
  node.outputs = op->infer(types);
  node.inputs = std::move(inputs);

  std::string base(name.empty() ? op->name() : name);
  if (name.empty() && !data_->name_prefix.empty()) base = join(data_->name_prefix, '/', base);
  auto count = data_->name_counts.find(base);
  if (count == data_->name_counts.end()) {
    data_->name_counts.emplace(base, 1);
    node.name = std::move(base);
  } else {
    node.name = join(base, "#", ++count->second);
  }
  node.op = std::move(op);

  std::vector<Value> values;
  for (int i = 0; i < static_cast<int>(node.outputs.size()); ++i) {
    values.push_back(Value(data_.get(), node.id, i));
  }
  data_->nodes.push_back(std::move(node));
  return values;
}

Value Graph::add1(std::shared_ptr<const Op> op, std::vector<Value> inputs, std::string_view name) {
  return add(std::move(op), std::move(inputs), name).front();
}

void Graph::set_name_prefix(std::string prefix) {
  data_->name_prefix = std::move(prefix);
}
const std::string& Graph::name_prefix() const {
  return data_->name_prefix;
}

NameScope::NameScope(Graph graph, std::string prefix)
    : graph_(std::move(graph)), previous_(graph_.name_prefix()) {
  if (!prefix.empty()) graph_.set_name_prefix(std::move(prefix));
}
NameScope::~NameScope() {
  graph_.set_name_prefix(std::move(previous_));
}

const std::deque<Node>& Graph::nodes() const {
  return data_->nodes;
}
const std::vector<std::pair<std::string, Value>>& Graph::outputs() const {
  return data_->outputs;
}
const std::vector<StateSpec>& Graph::states() const {
  return data_->states;
}
const std::vector<std::pair<std::string, Value>>& Graph::updates() const {
  return data_->updates;
}

const StateSpec* Graph::find_state(std::string_view name) const {
  for (const StateSpec& spec : data_->states) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

const StateSpec& Graph::state_of(const Value& value) const {
  const auto* read = dynamic_cast<const ReadStateOp*>(value.node().op.get());
  ENGINE_CHECK(read != nullptr, "state: ", value.node().name, " is not a state entry but a ",
               value.node().op->name());
  return *find_state(read->state_name);
}

std::ostream& operator<<(std::ostream& out, const Graph& graph) {
  const auto print_value = [&](const Value& value) {
    out << '%' << value.node_id();
    if (value.node().outputs.size() > 1) out << '.' << value.output_index();
  };
  for (const Node& node : graph.nodes()) {
    out << '%' << node.id << ' ';
    const char* separator = "";
    for (const TensorType& type : node.outputs) {
      out << separator << type;
      separator = ", ";
    }
    out << " = " << node.op->name();
    const std::string attributes = node.op->attributes();
    if (!attributes.empty()) out << '{' << attributes << '}';
    out << '(';
    separator = "";
    for (const Value& input : node.inputs) {
      out << separator;
      print_value(input);
      separator = ", ";
    }
    out << ")  # " << node.name << '\n';
  }
  for (const auto& [name, value] : graph.outputs()) {
    out << "output " << name << " = ";
    print_value(value);
    out << '\n';
  }
  for (const auto& [name, value] : graph.updates()) {
    out << "update " << name << " = ";
    print_value(value);
    out << '\n';
  }
  return out;
}

}  // namespace engine
