// Any bytes at all: parse_safetensors() either throws IoError or gives a file whose tensors can be
// read to their last byte. A libFuzzer target (ENGINE_FUZZ=ON, clang); engine_tests runs the same
// entry on a fixed list of damaged files.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "engine/core/errors.h"
#include "engine/core/safetensors.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace engine;
  SafetensorsFile file;
  try {
    file = parse_safetensors({data, size}, "fuzz");
  } catch (const IoError& error) {
    require(std::string(error.what()).starts_with("safetensors: fuzz: "));
    return 0;
  }
  std::set<std::string> names;
  for (const auto& [name, tensor] : file.tensors) {
    require(!name.empty() && names.insert(name).second);
    require(static_cast<std::size_t>(tensor.bytes()) <= size);
    const auto* bytes = static_cast<const volatile std::uint8_t*>(tensor.data());
    unsigned sum = 0;
    for (std::int64_t i = 0; i < tensor.bytes(); ++i) sum += bytes[i];
    require(sum <= 255u * size);
  }
  return 0;
}
