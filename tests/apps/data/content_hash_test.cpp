#include "engine/apps/data/content_hash.h"

#include <set>

#include <gtest/gtest.h>

namespace engine::apps {
namespace {

ImageDataset two_pictures() {
  ImageDataset data;
  data.classes = {"a", "b"};
  data.names = {"a/1.png", "b/1.png"};
  data.images = Tensor::zeros({2, 3, 3, 3}, DType::u8, Device::cpu());
  data.labels = Tensor::from(std::vector<std::int32_t>{0, 1}, {2});
  return data;
}

TEST(ContentHash, EveryPartOfTheDataCounts) {
  EXPECT_EQ(hash_of(two_pictures()), hash_of(two_pictures()));
  EXPECT_EQ(hash_of(two_pictures()).size(), 16u);
  std::set<std::string> hashes = {hash_of(two_pictures())};
  const auto expect_new = [&](auto change) {
    ImageDataset data = two_pictures();
    change(data);
    EXPECT_TRUE(hashes.insert(hash_of(data)).second);
  };
  for (int i = 0; i < 54; ++i) {
    expect_new([i](auto& data) { data.images.template span<std::uint8_t>()[i] = 1; });
    expect_new([i](auto& data) { data.images.template span<std::uint8_t>()[i] = 128; });
  }
  expect_new([](auto& data) { data.labels.template span<std::int32_t>()[1] = 0; });
  expect_new([](auto& data) { data.names[1] = "b/2.png"; });
  expect_new([](auto& data) { data.names = {"a/1.pngb", "/1.png"}; });
  expect_new([](auto& data) { data.classes[0] = "c"; });
  expect_new([](auto& data) { data.test_begin = 1; });
  expect_new([](auto& data) {
    data.images = Tensor::zeros({2, 1, 9, 3}, DType::u8, Device::cpu());
  });
}

TEST(ContentHash, IsWhatItWas) {
  // The definition by hand for nothing: the length, then an empty word.
  ContentHash hash;
  hash.add(std::span<const std::uint8_t>());
  std::uint64_t want = 14695981039346656037u;
  for (int word = 0; word < 2; ++word) {
    want *= 1099511628211u;
    want ^= want >> 32;
  }
  char text[20];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(want));
  EXPECT_EQ(hash.text(), text);
}

}  // namespace
}  // namespace engine::apps
