#include "engine/core/checkpoint.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/core/errors.h"
#include "engine/core/safetensors.h"
#include "tests/core/temporary_folder.h"
#include "tests/support/compare.h"

namespace engine {
namespace {

Tensor numbers(std::vector<float> values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

Store sample_store(float first = 1) {
  Store store(Device::cpu(), {.seed = 0x123456789abcdef0});
  store.put("net/w", numbers({first, 2, 3}), StateRole::parameter);
  store.put("net/mean", numbers({0.5f}), StateRole::statistic);
  store.put("net/w/m", numbers({-1, -2, -3}).to(DType::bf16), StateRole::slot);
  store.put("ring", Tensor::from(std::vector<std::int32_t>{4, 5}, {2}), StateRole::counter);
  return store;
}

testing::AssertionResult same_content(const Store& a, const Store& b) {
  if (a.entries().size() != b.entries().size()) {
    return testing::AssertionFailure() << a.entries().size() << " and " << b.entries().size();
  }
  for (const Store::Entry& entry : a.entries()) {
    const Store::Entry* other = b.find(entry.name);
    if (other == nullptr) return testing::AssertionFailure() << "no " << entry.name;
    if (other->role != entry.role) return testing::AssertionFailure() << "role of " << entry.name;
    if (auto same = same_bits(entry.tensor, other->tensor); !same) return same << entry.name;
  }
  return testing::AssertionSuccess();
}

float first_weight(const Store& store) {
  return store.get("net/w").span<float>()[0];
}

TEST(Checkpoint, RestoresAnEmptyStore) {
  const TemporaryFolder folder;
  const Store store = sample_store();
  save_checkpoint(store, folder / "c", "{\"epoch\":3}");
  Store other(Device::cpu(), {.seed = 5});
  EXPECT_EQ(load_checkpoint(other, folder / "c"), "{\"epoch\":3}");
  EXPECT_TRUE(same_content(store, other));
  EXPECT_EQ(other.seed(), 0x123456789abcdef0u);
  EXPECT_EQ(read_model_json(folder / "c"), "{\"epoch\":3}");
}

TEST(Checkpoint, CopiesInPlaceAndCountsAsAWrite) {
  const TemporaryFolder folder;
  save_checkpoint(sample_store(7), folder / "c");
  Store store = sample_store(1);
  const void* before = store.get("net/w").data();
  const std::uint64_t version = store.version();
  EXPECT_EQ(load_checkpoint(store, folder / "c"), "{}");
  EXPECT_EQ(store.get("net/w").data(), before);
  EXPECT_EQ(first_weight(store), 7);
  EXPECT_NE(store.version(), version);
}

TEST(Checkpoint, MismatchLeavesTheStoreUnchanged) {
  const TemporaryFolder folder;
  save_checkpoint(sample_store(7), folder / "c");
  const auto refuses = [&](const char* name, const Tensor& tensor, const std::string& text) {
    Store store(Device::cpu());
    // Before and after the entry that does not fit there is one that would.
    store.put("net/mean", numbers({9}), StateRole::statistic);
    store.put(name, tensor, StateRole::parameter);
    store.put("ring", Tensor::from(std::vector<std::int32_t>{9, 9}, {2}), StateRole::counter);
    const std::size_t count = store.entries().size();
    try {
      load_checkpoint(store, folder / "c");
      ADD_FAILURE() << name << " was taken";
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
    EXPECT_EQ(store.entries().size(), count);
    EXPECT_EQ(store.get("net/mean").item(), 9);
    EXPECT_EQ(store.get("ring").span<std::int32_t>()[0], 9);
    EXPECT_EQ(store.step(), 0);
  };
  refuses("net/w", numbers({1, 2}), "\"net/w\" is f32[3], here it is f32[2]");
  refuses("net/w", numbers({1, 2, 3}).to(DType::bf16), "\"net/w\" is f32[3], here it is bf16[3]");
  refuses("net/more", numbers({1}), "has no \"net/more\", which is a parameter here");
}

TEST(Checkpoint, KeepsThePreviousAndFallsBackToIt) {
  const TemporaryFolder folder;
  save_checkpoint(sample_store(1), folder / "c", "{\"n\":1}");
  save_checkpoint(sample_store(2), folder / "c", "{\"n\":2}");
  EXPECT_EQ(folder.names(), (std::set<std::string>{"c", "c.previous"}));

  Store store = sample_store(0);
  std::string warning = "old";
  EXPECT_EQ(load_newest_checkpoint(store, folder / "c", &warning), "{\"n\":2}");
  EXPECT_EQ(first_weight(store), 2);
  EXPECT_EQ(warning, "");

  std::vector<std::uint8_t> bytes = file_content(folder / "c");
  bytes.resize(bytes.size() - 1);
  put_file(folder / "c", bytes);
  EXPECT_THROW(load_checkpoint(store, folder / "c"), IoError);
  EXPECT_EQ(load_newest_checkpoint(store, folder / "c", &warning), "{\"n\":1}");
  EXPECT_EQ(first_weight(store), 1);
  EXPECT_NE(warning.find((folder / "c").string()), std::string::npos) << warning;

  std::filesystem::remove(folder / "c");
  EXPECT_EQ(load_newest_checkpoint(store, folder / "c"), "{\"n\":1}");
  std::filesystem::remove(folder / "c.previous");
  EXPECT_THROW(load_newest_checkpoint(store, folder / "c"), IoError);
}

TEST(Checkpoint, DamagedFileDoesNotReplaceAWholePrevious) {
  const TemporaryFolder folder;
  save_checkpoint(sample_store(1), folder / "c");
  save_checkpoint(sample_store(2), folder / "c");
  put_file(folder / "c", std::vector<std::uint8_t>{1, 2, 3});
  save_checkpoint(sample_store(3), folder / "c");
  Store store = sample_store(0);
  load_checkpoint(store, folder / "c");
  EXPECT_EQ(first_weight(store), 3);
  load_checkpoint(store, folder / "c.previous");
  EXPECT_EQ(first_weight(store), 1);
}

TEST(Checkpoint, EveryCutFallsBack) {
  const TemporaryFolder folder;
  save_checkpoint(sample_store(1), folder / "c");
  save_checkpoint(sample_store(2), folder / "c");
  const std::vector<std::uint8_t> whole = file_content(folder / "c");
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    put_file(folder / "c", std::span(whole).first(size));
    Store store = sample_store(0);
    load_newest_checkpoint(store, folder / "c");
    ASSERT_EQ(first_weight(store), 1) << "cut to " << size;
  }
}

TEST(Checkpoint, ModelHoldsParametersAndStatistics) {
  const TemporaryFolder folder;
  const Store store = sample_store(4);
  save_model(store, folder / "m", "{\"network\":\"n\"}");
  const SafetensorsFile file = read_safetensors(folder / "m");
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_NE(file.find("net/w"), nullptr);
  EXPECT_NE(file.find("net/mean"), nullptr);
  Store other(Device::cpu(), {.seed = 5});
  other.put("image", numbers({1}), StateRole::counter);
  EXPECT_EQ(load_model(other, folder / "m"), "{\"network\":\"n\"}");
  EXPECT_EQ(first_weight(other), 4);
  EXPECT_EQ(other.seed(), 5u);
  Store larger = sample_store();
  larger.put("net/bias", numbers({1}), StateRole::parameter);
  EXPECT_THROW(load_model(larger, folder / "m"), InvalidArgument);
}

TEST(Checkpoint, CheckpointServesAsAModel) {
  const TemporaryFolder folder;
  save_checkpoint(sample_store(4), folder / "c");
  Store store(Device::cpu(), {.seed = 5});
  load_model(store, folder / "c");
  EXPECT_EQ(first_weight(store), 4);
  EXPECT_EQ(store.find("net/w/m"), nullptr);
  EXPECT_EQ(store.seed(), 5u);
}

TEST(Checkpoint, ForeignFilesAreRefused) {
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.tensors = {{"a", Tensor::scalar(1)}};
  const auto refuses = [&](std::map<std::string, std::string> metadata, const std::string& text) {
    file.metadata = std::move(metadata);
    write_safetensors(folder / "f", file);
    Store store(Device::cpu());
    try {
      load_model(store, folder / "f");
      ADD_FAILURE() << text;
    } catch (const IoError& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
    EXPECT_EQ(store.find("a"), nullptr);
  };
  refuses({}, "not a model of this engine");
  refuses({{"engine", "{}"}}, "no metadata \"roles\"");
  refuses({{"engine", "{}"}, {"roles", "{"}}, "does not list the tensors");
  refuses({{"engine", "{}"}, {"roles", "[\"slot\"]"}}, "does not list the tensors");
  refuses({{"engine", "{}"}, {"roles", "{}"}}, "does not list the tensors");
  refuses({{"engine", "{}"}, {"roles", "{\"b\":\"slot\"}"}}, "has no known role");
  refuses({{"engine", "{}"}, {"roles", "{\"a\":\"king\"}"}}, "has no known role");
  refuses({{"engine", "{}"}, {"roles", "{\"a\":1}"}}, "has no known role");
  EXPECT_THROW(read_model_json(folder / "missing"), IoError);
}

}  // namespace
}  // namespace engine
