#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

#include "engine/core/safetensors.h"

namespace engine {

// tests/data/torch/<name>.safetensors, made by scripts/make_torch_vectors.py.
class TorchVectors {
 public:
  explicit TorchVectors(const std::string& name)
      : path_(std::filesystem::path(ENGINE_TEST_DATA) / "torch" / (name + ".safetensors")),
        file_(read_safetensors(path_)) {}

  // Throws when the file has no such tensor.
  const Tensor& operator[](std::string_view name) const {
    const Tensor* tensor = file_.find(name);
    if (tensor == nullptr) {
      throw std::runtime_error(path_.string() + " has no tensor " + std::string(name));
    }
    return *tensor;
  }

 private:
  std::filesystem::path path_;
  SafetensorsFile file_;
};

}  // namespace engine
