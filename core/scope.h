#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

enum class Mode : std::uint8_t { training, inference };

// Where a layer puts its parameters: a graph, a name prefix and a mode. Layers called twice with
// the same Scope share their parameters (twin towers).
class Scope {
 public:
  explicit Scope(Graph& graph, Mode mode = Mode::training, std::string prefix = "")
      : graph_(std::make_shared<Graph>(graph.share())), mode_(mode), prefix_(std::move(prefix)) {}

  Scope operator/(std::string_view name) const;  // "encoder" / "conv1" -> "encoder.conv1"
  Scope operator/(std::int64_t number) const;

  Graph& graph() const { return *graph_; }
  const std::string& prefix() const { return prefix_; }
  bool training() const { return mode_ == Mode::training; }
  Scope with(Mode mode) const { return Scope(*graph_, mode, prefix_); }

  // Get-or-create: the same name and shape is the same parameter; another shape throws.
  Value parameter(std::string_view name, const Shape& shape, const Init& init) const;
  // Those made under this scope so far, in order of declaration: to train a part of a graph.
  std::vector<Value> parameters() const;
  // Other persistent state, read as the step begins and replaced by update() as it ends.
  Value state(std::string_view name, const Shape& shape, const Init& init = init::zeros(),
              StateRole role = StateRole::counter, DType dtype = DType::f32) const;
  void update(std::string_view name, const Value& value) const;

  // Names the nodes that a layer adds after its scope, as long as the result lives.
  NameScope name_nodes() const;

  // The full name of an entry: prefix and name joined by a dot.
  std::string full_name(std::string_view name) const;

 private:
  std::shared_ptr<Graph> graph_;  // a handle of its own: the caller's may be moved
  Mode mode_;
  std::string prefix_;
};

}  // namespace engine
