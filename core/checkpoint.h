#pragma once

#include <filesystem>
#include <string>

#include "engine/core/store.h"

namespace engine {

// A checkpoint is a safetensors file with every entry of a Store: parameters, statistics, slots and
// counters (so seed, step and rings too). Metadata "engine" holds the caller's JSON, "roles" the
// role of each entry. Training that resumes from it equals training that never stopped.

// Writes `path` and keeps what was there, as write_safetensors_keeping_previous() does. Throws
// IoError; both files are as before then.
void save_checkpoint(const Store& store, const std::filesystem::path& path,
                     const std::string& json = "{}");

// Copies every entry into the store, creating what is missing; returns the JSON. Throws
// InvalidArgument when an entry has another shape or dtype or when the store has an entry that the
// file lacks, and IoError when the file is damaged; the store is unchanged then.
std::string load_checkpoint(Store& store, const std::filesystem::path& path);

// The same, but falls back to `path` + ".previous" when `path` is missing or damaged; `warning`, if
// given, then receives why, and is emptied otherwise.
std::string load_newest_checkpoint(Store& store, const std::filesystem::path& path,
                                   std::string* warning = nullptr);

// Parameters and statistics only: what prediction needs. The same metadata. No previous file is
// kept.
void save_model(const Store& store, const std::filesystem::path& path, const std::string& json);
// From a model or a checkpoint, of which it takes parameters and statistics. Throws like
// load_checkpoint when the store has a parameter or statistic that the file lacks.
std::string load_model(Store& store, const std::filesystem::path& path);
// The JSON of a model or checkpoint without reading its tensors.
std::string read_model_json(const std::filesystem::path& path);

}  // namespace engine
