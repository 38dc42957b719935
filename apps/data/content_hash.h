#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/apps/data/dataset.h"

namespace engine::apps {

// 64 bits that tell whether inputs are still what they were; no protection against someone who
// wants two of them to be equal. FNV-1a (Fowler, Noll and Vo, RFC 9923) with two deviations for
// speed: it takes eight bytes at a time, and the high half of the state is folded into the low one
// after each, so that all bits count.
class ContentHash {
 public:
  // The number of bytes counts too, so that {"ab", "c"} and {"a", "bc"} differ.
  void add(std::span<const std::uint8_t> bytes);
  void add(std::string_view text);
  void add(const Image& image);
  void add(const Tensor& tensor);  // on the CPU: type, shape and bytes

  std::string text() const;  // 16 hexadecimal digits

 private:
  void add_word(std::uint64_t word);

  std::uint64_t state_ = 0xcbf29ce484222325u;
};

// Of classes, names, labels, pixels, and where the test part begins.
std::string hash_of(const ImageDataset& dataset);

}  // namespace engine::apps
