#include <cstdlib>
#include <cstring>
#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "engine/apps/data/dataset.h"
#include "engine/apps/data/file_bytes.h"
#include "engine/core/errors.h"
#include "items_per_class.h"
#include "temporary_folder.h"
#include "throws.h"

namespace engine::apps {
namespace {

using testing_support::items_per_class;
using testing_support::TemporaryFolder;
using Bytes = std::vector<std::uint8_t>;

struct Member {
  std::string name;
  Bytes bytes;
};

Bytes picture(std::uint8_t value, int side = 8) {
  return encode_png(make_image(side, side, 3, value));
}

// An archive of these members; the ending decides the format.
std::filesystem::path write_archive(const std::filesystem::path& path,
                                    const std::vector<Member>& members) {
  const std::unique_ptr<archive, int (*)(archive*)> out(archive_write_new(), archive_write_free);
  const std::string name = path.filename().string();
  if (name.ends_with(".zip")) {
    archive_write_set_format_zip(out.get());
  } else {
    archive_write_set_format_ustar(out.get());
    if (name.ends_with("gz")) archive_write_add_filter_gzip(out.get());
  }
  EXPECT_EQ(archive_write_open_filename(out.get(), path.c_str()), ARCHIVE_OK);
  for (const Member& member : members) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                         archive_entry_free);
    archive_entry_set_pathname(entry.get(), member.name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.bytes.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_write_header(out.get(), entry.get());
    archive_write_data(out.get(), member.bytes.data(), member.bytes.size());
  }
  archive_write_close(out.get());
  return path;
}

const std::vector<Member> kParted = {
    {"set/test/cat/1.png", picture(50)},  {"set/train/dog/2.png", picture(30)},
    {"set/train/cat/9.png", picture(20)}, {"set/train/cat/1.png", picture(10)},
    {"set/test/dog/1.png", picture(60)},  {"set/README", Bytes{'h', 'i'}},
    {"set/train/cat/.x.png", Bytes{1}},   {"set/train/dog/1.png", picture(25)}};

TEST(Archive, ReadsPartsAndClassesInOrder) {
  const TemporaryFolder folder;
  for (const char* name : {"a.tar.gz", "b.tgz", "c.tar", "d.zip"}) {
    const ImageDataset data = load_dataset(write_archive(folder.path() / name, kParted));
    EXPECT_EQ(data.classes, (std::vector<std::string>{"cat", "dog"})) << name;
    EXPECT_EQ(data.images.shape(), (Shape{6, 8, 8, 3}));
    EXPECT_EQ(data.test_begin, 4);
    EXPECT_EQ(data.names.front(), "set/train/cat/1.png");
    std::vector<int> values, labels(data.label_span().begin(), data.label_span().end());
    for (int i = 0; i < 6; ++i) values.push_back(data.image(i).at(3, 3, 1));
    EXPECT_EQ(values, (std::vector<int>{10, 20, 25, 30, 50, 60}));
    EXPECT_EQ(labels, (std::vector<int>{0, 0, 1, 1, 0, 1}));
  }
}

TEST(Archive, AFolderWithOneArchiveStandsForIt) {
  const TemporaryFolder folder;
  folder.write("notes.txt", std::string("passed over"));
  write_archive(folder.path() / "data.tar.gz", kParted);
  EXPECT_EQ(load_dataset(folder.path(), {.height = 4, .width = 5}).images.shape(),
            (Shape{6, 4, 5, 3}));
  write_archive(folder.path() / "more.tar", kParted);
  EXPECT_TRUE(find_archive(folder.path()).empty());
}

TEST(Archive, WithoutPartsThereIsNoTestPart) {
  const TemporaryFolder folder;
  const ImageDataset data = load_dataset(write_archive(
      folder.path() / "a.tar", {{"./x/1.png", picture(1)}, {"./y/deep/2.png", picture(2)}}));
  EXPECT_EQ(data.classes, (std::vector<std::string>{"x", "y"}));
  EXPECT_FALSE(data.test_begin);
}

TEST(Archive, SkipsDamagedPicturesOfEitherPart) {
  const TemporaryFolder folder;
  std::vector<Member> members = kParted;
  members[0].bytes.resize(40);  // test/cat/1.png: cut short
  members[3].bytes.resize(40);  // train/cat/1.png
  const ImageDataset data =
      load_dataset(write_archive(folder.path() / "a.tar.gz", members), {.height = 8, .width = 8});
  EXPECT_EQ(data.count(), 4);
  EXPECT_EQ(data.test_begin, 3);
  ASSERT_EQ(data.skipped.size(), 2u);
  EXPECT_NE(data.skipped[1].find("set/test/cat/1.png"), std::string::npos) << data.skipped[1];
}

TEST(Archive, NamesWhatIsWrong) {
  const TemporaryFolder folder;
  const auto whole = write_archive(folder.path() / "whole.tar.gz", kParted);
  Bytes bytes = read_file_bytes(whole);
  bytes.resize(bytes.size() / 2);
  EXPECT_THROWS_WITH(load_dataset(folder.write("cut.tar.gz", bytes)), IoError, "cut.tar.gz",
                     "damaged");
  EXPECT_THROWS_WITH(load_dataset(folder.write("text.zip", std::string("not an archive"))), IoError,
                     "text.zip");
  EXPECT_THROWS_WITH(load_dataset(write_archive(folder.path() / "empty.tar", {{"a.txt", {1}}})),
                     IoError, "no folders with pictures");
  EXPECT_THROWS_WITH(
      load_dataset(write_archive(folder.path() / "one.tar", {{"cat/1.png", picture(1)}})),
      InvalidArgument, "only one class, 'cat'");
  EXPECT_THROWS_WITH(load_dataset(whole, {.classes = {"cat", "bird"}}), InvalidArgument, "'dog'");
  EXPECT_THROWS_WITH(load_dataset(folder.write("x.bin", std::string("x"))), InvalidArgument,
                     "or an archive");
}

TEST(Archive, ReadsCifar10) {
  const char* root = std::getenv("ENGINE_SHARED_DATA");
  const char* fallback = std::getenv("ENGINE_DEFAULT_SHARED_DATA");
  const char* shared = root != nullptr ? root : fallback;
  const auto path = std::filesystem::path(shared == nullptr ? "" : shared) / "cifar10";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no CIFAR-10; set ENGINE_SHARED_DATA";
  const ImageDataset data = load_dataset(path);
  EXPECT_EQ(data.images.shape(), (Shape{60'000, 32, 32, 3}));
  EXPECT_EQ(data.test_begin, 50'000);
  EXPECT_EQ(items_per_class(data), std::vector<std::int64_t>(10, 6'000));
  EXPECT_EQ(data.classes[0], "airplane");
  EXPECT_TRUE(data.skipped.empty());
}

}  // namespace
}  // namespace engine::apps
