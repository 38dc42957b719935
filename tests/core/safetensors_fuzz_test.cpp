#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "engine/core/errors.h"
#include "engine/core/safetensors.h"
#include "tests/core/safetensors_bytes.h"
#include "tests/core/temporary_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace engine {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> seeds() {
  const TemporaryFolder folder;
  write_safetensors(folder / "sample", sample_safetensors());
  return {
      file_content(folder / "sample"),
      safetensors_bytes(R"({"a":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]},)"
                        R"("b":{"dtype":"I64","shape":[],"data_offsets":[16,24]}})",
                        24),
      safetensors_bytes(R"({"__metadata__":{"k":"v"}})", 0),
  };
}

// One damage: what a broken disk, a broken writer or an enemy might do.
class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  Bytes damage(Bytes bytes) {
    const std::uint32_t times = 1 + below(3);
    for (std::uint32_t i = 0; i < times && !bytes.empty(); ++i) damage_once(bytes);
    return bytes;
  }

 private:
  std::uint32_t below(std::size_t limit) { return random_() % static_cast<std::uint32_t>(limit); }

  void damage_once(Bytes& bytes) {
    const std::uint32_t at = below(bytes.size());
    const auto from = bytes.begin() + at;
    switch (below(7)) {
      case 0:
        *from ^= 1u << below(8);
        break;
      case 1:
        *from = static_cast<std::uint8_t>(random_());
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(from, from + std::min<std::ptrdiff_t>(bytes.end() - from, 1 + below(8)));
        break;
      case 4: {
        const Bytes copy(from, from + std::min<std::ptrdiff_t>(bytes.end() - from, 1 + below(40)));
        bytes.insert(bytes.begin() + below(bytes.size()), copy.begin(), copy.end());
        break;
      }
      case 5:
        change_digit(bytes);
        break;
      default:
        // The header's length, in its low bytes most of the time.
        bytes[std::min<std::size_t>(below(8) * below(2), bytes.size() - 1)] =
            static_cast<std::uint8_t>(random_());
    }
  }

  // Keeps the JSON whole, so that the checks behind it are reached.
  void change_digit(Bytes& bytes) {
    std::vector<std::size_t> digits;
    for (std::size_t i = 8; i < bytes.size(); ++i) {
      if (bytes[i] >= '0' && bytes[i] <= '9') digits.push_back(i);
    }
    if (!digits.empty()) bytes[digits[below(digits.size())]] = '0' + below(10);
  }

  std::mt19937 random_;
};

TEST(SafetensorsFuzz, DamagedFilesAreRefusedOrRead) {
  const std::vector<Bytes> files = seeds();
  for (const Bytes& file : files) LLVMFuzzerTestOneInput(file.data(), file.size());
  int refused = 0, count = 0;
  for (std::uint32_t seed = 0; seed < 6000; ++seed) {
    const Bytes bytes = Mutator(seed).damage(files[seed % files.size()]);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    ++count;
    try {
      parse_safetensors(bytes, "memory");
    } catch (const IoError&) {
      ++refused;
    }
  }
  // Both happen, or the damage is none or too much.
  EXPECT_GT(refused, count / 2);
  EXPECT_LT(refused, count * 99 / 100);
}

}  // namespace
}  // namespace engine
