#include "engine/apps/data/content_hash.h"

#include <cstdio>
#include <cstring>

#include "engine/core/errors.h"

namespace engine::apps {

void ContentHash::add_word(std::uint64_t word) {
  state_ = (state_ ^ word) * 0x100000001b3u;
  state_ ^= state_ >> 32;
}

void ContentHash::add(std::span<const std::uint8_t> bytes) {
  add_word(bytes.size());
  std::size_t done = 0;
  for (; done + 8 <= bytes.size(); done += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + done, 8);
    add_word(word);
  }
  std::uint64_t rest = 0;
  if (done < bytes.size()) std::memcpy(&rest, bytes.data() + done, bytes.size() - done);
  add_word(rest);
}

void ContentHash::add(std::string_view text) {
  add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void ContentHash::add(const Image& image) {
  add(join(image.height, 'x', image.width, 'x', image.channels));
  add(std::span<const std::uint8_t>(image.pixels));
}

void ContentHash::add(const Tensor& tensor) {
  add(join(tensor.type()));
  add(std::span(static_cast<const std::uint8_t*>(tensor.data()),
                static_cast<std::size_t>(tensor.bytes())));
}

std::string ContentHash::text() const {
  char digits[20];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(state_));
  return digits;
}

std::string hash_of(const ImageDataset& dataset) {
  ContentHash hash;
  hash.add(join(dataset.classes.size(), ' ', dataset.test_begin.value_or(-1)));
  for (const std::string& name : dataset.classes) hash.add(name);
  for (const std::string& name : dataset.names) hash.add(name);
  hash.add(dataset.labels);
  hash.add(dataset.images);
  return hash.text();
}

}  // namespace engine::apps
