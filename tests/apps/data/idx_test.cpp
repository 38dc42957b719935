#include <cstdlib>

#include <gtest/gtest.h>
#include <zlib.h>

#include "engine/apps/data/dataset.h"
#include "engine/apps/data/split.h"
#include "engine/core/errors.h"
#include "temporary_folder.h"
#include "throws.h"

namespace engine::apps {
namespace {

using testing_support::TemporaryFolder;
using Bytes = std::vector<std::uint8_t>;

// An IDX file of bytes: `extents` in the header, `values` after it, whether they fit or not.
Bytes idx(const std::vector<std::uint32_t>& extents, const Bytes& values) {
  Bytes bytes = {0, 0, 8, static_cast<std::uint8_t>(extents.size())};
  for (const std::uint32_t extent : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(extent >> shift & 255);
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

Bytes gzip(const Bytes& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  Bytes out(deflateBound(&stream, bytes.size()) + 32);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

const Bytes kPictures = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

void write_train(const TemporaryFolder& folder) {
  folder.write("train-images-idx3-ubyte", idx({3, 2, 3}, kPictures));
  folder.write("train-labels-idx1-ubyte", idx({3}, {0, 2, 1}));
}

TEST(Idx, BothPartsAreKeptApart) {
  const TemporaryFolder folder;
  write_train(folder);
  folder.write("t10k-images.idx3-ubyte.gz", gzip(idx({1, 2, 3}, {21, 22, 23, 24, 25, 26})));
  folder.write("t10k-labels-idx1-ubyte.gz", gzip(idx({1}, {2})));
  const ImageDataset data = load_dataset(folder.path());
  EXPECT_EQ(data.images.shape(), (Shape{4, 2, 3, 1}));
  EXPECT_EQ(data.classes, (std::vector<std::string>{"0", "1", "2"}));
  ASSERT_TRUE(data.test_begin);
  EXPECT_EQ(*data.test_begin, 3);
  EXPECT_EQ(data.image(1).pixels, (Bytes{7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(data.image(3).pixels, (Bytes{21, 22, 23, 24, 25, 26}));
  const auto labels = data.label_span();
  EXPECT_EQ(std::vector<int>(labels.begin(), labels.end()), (std::vector<int>{0, 2, 1, 2}));
  EXPECT_EQ(data.names[3], "t10k 0");

  const Split split = default_split(data, {}, 1);
  EXPECT_EQ(split.test, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(split.train.size() + split.validation.size(), 3u);
}

TEST(Idx, ResizesOnRequest) {
  const TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte.gz", gzip(idx({2, 1, 1}, {40, 90})));
  folder.write("train-labels-idx1-ubyte", idx({2}, {0, 1}));
  const ImageDataset data = load_dataset(folder.path(), {.height = 4, .width = 5, .channels = 3});
  EXPECT_EQ(data.images.shape(), (Shape{2, 4, 5, 3}));
  EXPECT_EQ(data.image(1).pixels, Bytes(60, 90));
  EXPECT_FALSE(data.test_begin);
}

TEST(Idx, LyingHeadersAreRefused) {
  const TemporaryFolder folder;
  const auto expect = [&](const Bytes& images, const std::string& text) {
    write_train(folder);
    folder.write("train-images-idx3-ubyte", images);
    EXPECT_THROWS_WITH(load_dataset(folder.path()), IoError, "train-images-idx3-ubyte", text);
  };
  expect(idx({4, 2, 3}, kPictures), "truncated");
  expect(idx({2, 2, 3}, kPictures), "longer than its header");
  expect(idx({3, 6}, kPictures), "not an IDX file");
  expect(idx({0, 2, 3}, {}), "cannot hold");
  expect(idx({0xffffffffu, 0xffffffffu, 0xffffffffu}, kPictures), "cannot hold");
  expect(idx({100000, 1, 3}, kPictures), "cannot hold");
  expect({0, 0, 8}, "truncated");
  expect({}, "truncated");
}

TEST(Idx, LabelsMustMatch) {
  const TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte", idx({3, 2, 3}, kPictures));
  EXPECT_THROWS_WITH(load_dataset(folder.path()), IoError, "train-images-idx3-ubyte", "labels");
  folder.write("train-labels-idx1-ubyte", idx({2}, {0, 1}));
  EXPECT_THROWS_WITH(load_dataset(folder.path()), IoError, "2 labels for the 3 pictures");
  folder.write("train-labels-idx1-ubyte", idx({3}, {0, 0, 0}));
  EXPECT_THROWS_WITH(load_dataset(folder.path()), InvalidArgument, "only one class");
  folder.write("train-labels-idx1-ubyte", idx({3}, {0, 1, 7}));
  EXPECT_THROWS_WITH(load_dataset(folder.path(), {.classes = {"a", "b"}}), InvalidArgument, "7");
}

TEST(Idx, EveryCutOfAGzipFileIsRefused) {
  const TemporaryFolder folder;
  const Bytes whole = gzip(idx({3, 2, 3}, kPictures));
  folder.write("train-labels-idx1-ubyte", idx({3}, {0, 2, 1}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    folder.write("train-images-idx3-ubyte.gz", Bytes(whole.begin(), whole.begin() + size));
    EXPECT_THROW(load_dataset(folder.path()), IoError) << size << " of " << whole.size();
  }
  Bytes changed = whole;
  changed[changed.size() - 6] ^= 1;  // in the check sum
  folder.write("train-images-idx3-ubyte.gz", changed);
  EXPECT_THROW(load_dataset(folder.path()), IoError);
}

TEST(Idx, RealMnist) {
  const char* root = std::getenv("ENGINE_SHARED_DATA");
  const char* fallback = std::getenv("ENGINE_DEFAULT_SHARED_DATA");
  const std::filesystem::path path = std::filesystem::path(root       ? root
                                                           : fallback ? fallback
                                                                      : "") /
                                     "mnist";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no MNIST; set ENGINE_SHARED_DATA";
  const ImageDataset data = load_dataset(path);
  EXPECT_EQ(data.images.shape(), (Shape{70000, 28, 28, 1}));
  EXPECT_EQ(data.test_begin, 60000);
  EXPECT_EQ(data.label_span()[0], 5);      // the first training digit
  EXPECT_EQ(data.label_span()[60000], 7);  // the first test digit
}

}  // namespace
}  // namespace engine::apps
