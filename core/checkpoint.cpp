#include "engine/core/checkpoint.h"

#include <array>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "engine/core/errors.h"
#include "engine/core/safetensors.h"

namespace engine {
namespace {

constexpr const char* kJsonKey = "engine";
constexpr const char* kRolesKey = "roles";
constexpr std::array kRoles = {StateRole::parameter, StateRole::statistic, StateRole::slot,
                               StateRole::counter};

bool is_for_prediction(StateRole role) {
  return role == StateRole::parameter || role == StateRole::statistic;
}
bool is_any(StateRole) {
  return true;
}
using RoleFilter = bool (*)(StateRole);

SafetensorsFile content_of(const Store& store, const std::string& json, RoleFilter wanted) {
  SafetensorsFile file;
  nlohmann::json roles = nlohmann::json::object();
  for (const Store::Entry& entry : store.entries()) {
    if (!wanted(entry.role)) continue;
    file.tensors.push_back({entry.name, entry.tensor});
    roles[entry.name] = name_of(entry.role);
  }
  try {
    file.metadata = {{kJsonKey, json}, {kRolesKey, roles.dump()}};
  } catch (const nlohmann::json::exception&) {
    throw InvalidArgument("save: the name of an entry is not UTF-8");
  }
  return file;
}

const std::string& metadata_of(const std::map<std::string, std::string>& metadata,
                               const std::filesystem::path& path, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) {
    throw IoError(join("load: ", path, " is not a model of this engine: no metadata \"", key, '"'));
  }
  return found->second;
}

std::optional<StateRole> role_named(const nlohmann::json& name) {
  for (const StateRole role : kRoles) {
    if (name.is_string() && name.get_ref<const std::string&>() == name_of(role)) return role;
  }
  return std::nullopt;
}

struct LoadedEntry {
  std::string name;
  StateRole role;
  Tensor tensor;
};

// The entries whose role is wanted. A role for every tensor and a tensor for every role.
std::vector<LoadedEntry> entries_of(const SafetensorsFile& file, const std::filesystem::path& path,
                                    RoleFilter wanted) {
  const nlohmann::json roles = nlohmann::json::parse(metadata_of(file.metadata, path, kRolesKey),
                                                     nullptr, /*allow_exceptions=*/false);
  if (!roles.is_object() || roles.size() != file.tensors.size()) {
    throw IoError(join("load: ", path, ": metadata \"roles\" does not list the tensors"));
  }
  std::vector<LoadedEntry> entries;
  for (const auto& [name, tensor] : file.tensors) {
    const auto found = roles.find(name);
    const std::optional<StateRole> role = found == roles.end() ? std::nullopt : role_named(*found);
    if (!role) throw IoError(join("load: ", path, ": \"", name, "\" has no known role"));
    if (wanted(*role)) entries.push_back({name, *role, tensor});
  }
  return entries;
}

std::string load(Store& store, const std::filesystem::path& path, RoleFilter wanted) {
  const SafetensorsFile file = read_safetensors(path);
  std::string json = metadata_of(file.metadata, path, kJsonKey);
  const std::vector<LoadedEntry> entries = entries_of(file, path, wanted);
  // Every check comes before the first write.
  for (const LoadedEntry& loaded : entries) {
    const Store::Entry* entry = store.find(loaded.name);
    ENGINE_CHECK(entry == nullptr || entry->tensor.type() == loaded.tensor.type(), "load: ", path,
                 ": \"", loaded.name, "\" is ", loaded.tensor.type(), ", here it is ",
                 entry->tensor.type());
  }
  for (const Store::Entry& entry : store.entries()) {
    ENGINE_CHECK(!wanted(entry.role) || file.find(entry.name) != nullptr, "load: ", path,
                 " has no \"", entry.name, "\", which is a ", name_of(entry.role), " here");
  }
  for (const LoadedEntry& entry : entries) store.put(entry.name, entry.tensor, entry.role);
  return json;
}

}  // namespace

void save_checkpoint(const Store& store, const std::filesystem::path& path,
                     const std::string& json) {
  write_safetensors_keeping_previous(path, content_of(store, json, is_any));
}

std::string load_checkpoint(Store& store, const std::filesystem::path& path) {
  return load(store, path, is_any);
}

std::string load_newest_checkpoint(Store& store, const std::filesystem::path& path,
                                   std::string* warning) {
  std::string reason;
  try {
    std::string json = load_checkpoint(store, path);
    if (warning != nullptr) warning->clear();
    return json;
  } catch (const IoError& error) {
    reason = error.what();
  }
  try {
    std::string json = load_checkpoint(store, previous_of(path));
    if (warning != nullptr) *warning = std::move(reason);
    return json;
  } catch (const IoError& error) {
    throw IoError(join(reason, "; and ", error.what()));
  }
}

void save_model(const Store& store, const std::filesystem::path& path, const std::string& json) {
  write_safetensors(path, content_of(store, json, is_for_prediction));
}

std::string load_model(Store& store, const std::filesystem::path& path) {
  return load(store, path, is_for_prediction);
}

std::string read_model_json(const std::filesystem::path& path) {
  return metadata_of(read_safetensors_metadata(path), path, kJsonKey);
}

}  // namespace engine
