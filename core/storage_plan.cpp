#include "engine/core/storage_plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/source_ops.h"

namespace engine {

namespace {

using Kind = StoragePlan::Kind;

class Planner {
 public:
  Planner(const Graph& graph, const std::function<bool(const StateSpec&)>& is_frozen)
      : graph_(graph), is_frozen_(is_frozen) {}

  StoragePlan plan() {
    plan_.storage_of.resize(graph_.nodes().size());
    for (const Node& node : graph_.nodes()) {
      plan_.storage_of[static_cast<std::size_t>(node.id)].assign(node.outputs.size(), -1);
    }
    for (const auto& [name, value] : graph_.updates()) updated_.emplace(name, value);
    split_nodes();
    find_last_uses();
    for (const Node& node : graph_.nodes()) {
      if (is_source(*node.op)) place_source(node);
    }
    for (int id : plan_.once) place_once(node_at(id));
    // Views of sources and of what runs once need no position; the others follow their origin.
    int position = 0;
    for (const Node& node : graph_.nodes()) {
      if (is_source(*node.op) || is_once_[static_cast<std::size_t>(node.id)] != 0) continue;
      if (node.op->is_view()) {
        storage(node.output()) = storage(node.inputs[0]);
      } else {
        place_scheduled(node, position++);
      }
    }
    finish_outputs();
    finish_updates();
    return std::move(plan_);
  }

 private:
  const Node& node_at(int id) const { return graph_.nodes()[static_cast<std::size_t>(id)]; }
  int& storage(const Value& value) {
    return plan_.storage_of[static_cast<std::size_t>(value.node_id())]
                           [static_cast<std::size_t>(value.output_index())];
  }
  int& last_use(const Value& value) {
    return last_use_[static_cast<std::size_t>(value.node_id())]
                    [static_cast<std::size_t>(value.output_index())];
  }
  StoragePlan::Storage& at(int id) { return plan_.storages[static_cast<std::size_t>(id)]; }
  int add(Kind kind, std::string name, std::int64_t bytes, int first, int last) {
    plan_.storages.push_back({kind, std::move(name), bytes, first, last});
    return static_cast<int>(plan_.storages.size()) - 1;
  }
  int end() const { return static_cast<int>(plan_.schedule.size()); }

  // A node over constants and frozen parameters alone runs once.
  void split_nodes() {
    is_once_.assign(graph_.nodes().size(), 0);
    for (const Node& node : graph_.nodes()) {
      bool is_once = node.op->effect() == Effect::pure && !node.inputs.empty();
      if (const auto* read = dynamic_cast<const ReadStateOp*>(node.op.get())) {
        is_once = is_frozen_(*graph_.find_state(read->state_name));
      } else if (node.op->name() == "constant") {
        is_once = true;
      }
      for (const Value& input : node.inputs) {
        is_once = is_once && is_once_[static_cast<std::size_t>(input.node_id())] != 0;
      }
      is_once_[static_cast<std::size_t>(node.id)] = is_once ? 1 : 0;
      if (is_source(*node.op)) continue;
      if (is_once) {
        plan_.once.push_back(node.id);
      } else if (!node.op->is_view()) {
        plan_.schedule.push_back(node.id);
      }
    }
  }

  // The last position that reads a value, itself or through views.
  void find_last_uses() {
    std::vector<int> position(graph_.nodes().size(), -1);
    for (std::size_t i = 0; i < plan_.schedule.size(); ++i) {
      position[static_cast<std::size_t>(plan_.schedule[i])] = static_cast<int>(i);
    }
    last_use_.resize(graph_.nodes().size());
    for (const Node& node : graph_.nodes()) {
      last_use_[static_cast<std::size_t>(node.id)].assign(node.outputs.size(), -1);
    }
    for (const auto& [name, value] : graph_.outputs()) last_use(value) = end();
    for (const auto& [name, value] : graph_.updates()) last_use(value) = end();
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node) {
      int use = position[static_cast<std::size_t>(node->id)];
      if (node->op->is_view()) use = last_use(node->output());
      for (const Value& input : node->inputs) last_use(input) = std::max(last_use(input), use);
    }
  }

  void place_source(const Node& node) {
    const std::int64_t bytes = node.outputs[0].bytes();
    if (const auto* input = dynamic_cast<const InputOp*>(node.op.get())) {
      storage(node.output()) = add(Kind::input, input->input_name, bytes, 0, end());
    } else if (const auto* read = dynamic_cast<const ReadStateOp*>(node.op.get())) {
      const int id = add(Kind::state, read->state_name, bytes, 0, last_use(node.output()));
      storage(node.output()) = id;
      state_storage_.emplace(read->state_name, id);
    } else {
      storage(node.output()) = add(Kind::constant, node.name, bytes, 0, end());
    }
  }

  void place_once(const Node& node) {
    if (node.op->is_view()) {
      storage(node.output()) = storage(node.inputs[0]);
      return;
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      storage(node.output(static_cast<int>(i))) =
          add(Kind::persistent, node.name, node.outputs[i].bytes(), 0, end());
    }
  }

  void place_scheduled(const Node& node, int position) {
    std::set<int> taken;  // storages that an output of this node got already
    for (int i = 0; i < static_cast<int>(node.outputs.size()); ++i) {
      const Value value = node.output(i);
      int id = storage_in_state(node, i, position, taken);
      if (id < 0) id = storage_in_place(node, i, position, taken);
      if (id < 0) {
        id = add(Kind::arena, node.name, node.outputs[static_cast<std::size_t>(i)].bytes(),
                 position, position);
      }
      taken.insert(id);
      at(id).last = std::max({at(id).last, position, last_use(value)});
      storage(value) = id;
    }
  }

  bool may_overwrite(const Node& node, int output, int storage_id) {
    int reads = 0;
    bool is_paired = false;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (storage(node.inputs[i]) != storage_id) continue;
      ++reads;
      for (const InPlacePair& pair : node.op->in_place()) {
        is_paired = is_paired || (pair.input == static_cast<int>(i) && pair.output == output &&
                                  node.inputs[i].type().bytes() ==
                                      node.outputs[static_cast<std::size_t>(output)].bytes());
      }
    }
    return reads == 0 || (reads == 1 && is_paired);
  }

  // The state entry that this output becomes, when nothing reads the old value afterwards.
  int storage_in_state(const Node& node, int output, int position, const std::set<int>& taken) {
    for (const auto& [name, value] : updated_) {
      if (value != node.output(output)) continue;
      const int id = state_storage_.at(name);
      if (taken.contains(id) || at(id).last > position) continue;
      if (at(id).last < position || may_overwrite(node, output, id)) return id;
    }
    return -1;
  }

  int storage_in_place(const Node& node, int output, int position, const std::set<int>& taken) {
    for (const InPlacePair& pair : node.op->in_place()) {
      if (pair.output != output) continue;
      const int id = storage(node.inputs[static_cast<std::size_t>(pair.input)]);
      if (at(id).kind != Kind::arena || at(id).last != position || taken.contains(id)) continue;
      if (may_overwrite(node, output, id)) return id;
    }
    return -1;
  }

  // An output that shows state as the step began needs its own copy when the entry changes.
  void finish_outputs() {
    for (const auto& [name, value] : graph_.outputs()) {
      int id = storage(value);
      const bool is_old_value = at(id).kind == Kind::state && value.node().op->name() != "input" &&
                                updated_.contains(at(id).name) &&
                                storage(updated_.at(at(id).name)) != id;
      if (is_old_value) id = staged(id);
      plan_.output_storage.push_back(id);
    }
  }

  void finish_updates() {
    std::set<int> overwritten;
    for (const auto& [name, value] : updated_) {
      if (storage(value) != state_storage_.at(name)) overwritten.insert(state_storage_.at(name));
    }
    std::vector<StoragePlan::Copy> last;
    for (const auto& [name, value] : updated_) {
      const int to = state_storage_.at(name);
      const int from = storage(value);
      if (from == to) continue;
      last.push_back({overwritten.contains(from) ? staged(from) : from, to});
    }
    plan_.copies.insert(plan_.copies.end(), last.begin(), last.end());
  }

  // A copy in the arena of what a storage holds when the last node has run.
  int staged(int id) {
    const auto found = staged_.find(id);
    if (found != staged_.end()) return found->second;
    const int copy = add(Kind::arena, at(id).name, at(id).bytes, end(), end());
    plan_.copies.push_back({id, copy});
    staged_.emplace(id, copy);
    return copy;
  }

  const Graph& graph_;
  const std::function<bool(const StateSpec&)>& is_frozen_;
  StoragePlan plan_;
  std::map<std::string, Value, std::less<>> updated_;
  std::map<std::string, int, std::less<>> state_storage_;
  std::map<int, int> staged_;
  std::vector<char> is_once_;
  std::vector<std::vector<int>> last_use_;
};

}  // namespace

StoragePlan plan_storage(const Graph& graph,
                         const std::function<bool(const StateSpec&)>& is_frozen) {
  return Planner(graph, is_frozen).plan();
}

}  // namespace engine
