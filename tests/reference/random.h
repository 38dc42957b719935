#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <Random123/philox.h>

namespace engine::reference {

// The random words of a name in a step, as the headers define them: key = seed ^ FNV-1a(name),
// counter = (element / 4, step, draw), four words a block.
struct RandomWords {
  std::uint64_t seed = 0;
  std::string name;
  std::uint32_t step = 0;
  std::uint32_t draw = 0;

  std::uint32_t operator()(std::int64_t element) const {
    std::uint64_t key = 14695981039346656037ull;
    for (const unsigned char letter : name) key = (key ^ letter) * 1099511628211ull;
    key ^= seed;
    const std::uint64_t block = static_cast<std::uint64_t>(element) / 4;
    const r123::Philox4x32::ctr_type counter = {
        {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), step, draw}};
    const r123::Philox4x32::key_type words = {
        {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}};
    return r123::Philox4x32()(counter, words)[static_cast<std::size_t>(element % 4)];
  }
};

// 24 bits, in [0, 1).
inline double uniform(std::uint32_t word) {
  return (word >> 8) / 16777216.0;
}

}  // namespace engine::reference
