#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "engine/apps/run/options.h"
#include "engine/core/errors.h"

// A struct of settings as a run folder's config.json. `fields(settings, visit)` calls
// visit(name, field) for every field, so that each is listed once.
namespace engine::apps {

constexpr auto device_fields = [](auto& options, const auto& visit) {
  visit("device", options.device);
  visit("precision", options.precision);
  visit("threads", options.threads);
};

template <class Settings, class Fields>
nlohmann::json settings_to_json(const std::string& app, const Settings& settings,
                                const Fields& fields) {
  nlohmann::json json = {{"app", app}};
  fields(settings, [&](const char* name, const auto& field) { json[name] = field; });
  return json;
}

// Throws IoError naming `file` where a field is missing or of another kind.
template <class Settings, class Fields>
Settings settings_from_json(const nlohmann::json& json, const std::string& file,
                            const Fields& fields) {
  Settings settings;
  try {
    fields(settings, [&](const char* name, auto& field) { json.at(name).get_to(field); });
  } catch (const nlohmann::json::exception&) {
    throw IoError(file + ": is damaged: a setting is missing or of the wrong kind");
  }
  return settings;
}

}  // namespace engine::apps
