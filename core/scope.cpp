#include "engine/core/scope.h"

#include "engine/core/errors.h"

namespace engine {

Scope Scope::operator/(std::string_view name) const {
  ENGINE_CHECK(!name.empty(), "scope: an empty name under \"", prefix_, '"');
  return Scope(*graph_, mode_, full_name(name));
}

Scope Scope::operator/(std::int64_t number) const {
  return *this / std::to_string(number);
}

NameScope Scope::name_nodes() const {
  return NameScope(graph_->share(), prefix_);
}

std::string Scope::full_name(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : join(prefix_, '.', name);
}

Value Scope::parameter(std::string_view name, const Shape& shape, const Init& init) const {
  return state(name, shape, init, StateRole::parameter);
}

std::vector<Value> Scope::parameters() const {
  const std::string start = full_name("");
  std::vector<Value> found;
  for (const Value& value : graph_->parameters()) {
    if (graph_->state_of(value).name.starts_with(start)) found.push_back(value);
  }
  return found;
}

Value Scope::state(std::string_view name, const Shape& shape, const Init& init, StateRole role,
                   DType dtype) const {
  return graph_->read_state(
      {.name = full_name(name), .shape = shape, .dtype = dtype, .init = init, .role = role});
}

void Scope::update(std::string_view name, const Value& value) const {
  graph_->update_state(full_name(name), value);
}

}  // namespace engine
