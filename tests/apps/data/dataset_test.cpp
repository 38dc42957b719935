#include "engine/apps/data/dataset.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

#include "engine/core/errors.h"
#include "items_per_class.h"
#include "temporary_folder.h"
#include "throws.h"

namespace engine::apps {
namespace {

using testing_support::items_per_class;
using testing_support::TemporaryFolder;
using Bytes = std::vector<std::uint8_t>;

Bytes flat_png(std::uint8_t value, int width = 10, int height = 6) {
  return encode_png(make_image(width, height, 3, value));
}

TEST(ImageFolder, LoadsSortedClassesAndNames) {
  const TemporaryFolder folder;
  folder.write("night/b 2.PNG", flat_png(20));
  folder.write("night/a.jpeg", encode_jpeg(make_image(30, 30, 3, 40)));
  folder.write("day/deep/er/x.ppm", std::string("P6 1 1 255 \xc8\xc8\xc8"));
  folder.write("day/a.pgm", std::string("P5 1 1 255 \x64"));
  folder.write("day/notes.txt", std::string("not a picture, not looked at"));
  folder.write(".hidden/x.png", flat_png(1));
  folder.write("day/.thumbnail.png", std::string("damaged, hidden"));
  const ImageDataset data = load_dataset(folder.path(), {.height = 5, .width = 4});
  EXPECT_EQ(data.classes, (std::vector<std::string>{"day", "night"}));
  EXPECT_EQ(data.names, (std::vector<std::string>{"day/a.pgm", "day/deep/er/x.ppm", "night/a.jpeg",
                                                  "night/b 2.PNG"}));
  EXPECT_EQ(data.images.shape(), (Shape{4, 5, 4, 3}));
  const auto labels = data.label_span();
  EXPECT_EQ(std::vector<int>(labels.begin(), labels.end()), (std::vector<int>{0, 0, 1, 1}));
  for (const auto& [item, value] : {std::pair{0, 100}, {1, 200}, {2, 40}, {3, 20}}) {
    for (const std::uint8_t p : data.image(item).pixels) ASSERT_NEAR(p, value, 1) << item;
  }
  EXPECT_TRUE(data.skipped.empty());
  EXPECT_EQ(items_per_class(data), (std::vector<std::int64_t>{2, 2}));
  EXPECT_FALSE(data.test_begin);
}

TEST(ImageFolder, DefaultsTo64x64RgbAndGreyOnRequest) {
  const TemporaryFolder folder;
  folder.write("a/1.png", flat_png(1));
  folder.write("b/1.png", flat_png(2));
  EXPECT_EQ(load_dataset(folder.path()).images.shape(), (Shape{2, 64, 64, 3}));
  EXPECT_EQ(load_dataset(folder.path(), {.channels = 1}).images.shape(), (Shape{2, 64, 64, 1}));
}

TEST(ImageFolder, OneFolderAroundTheClassesIsPassedThrough) {
  const TemporaryFolder folder;
  folder.write("training/day/1.png", flat_png(200));
  folder.write("training/night/1.png", flat_png(10));
  const ImageDataset data = load_dataset(folder.path());
  EXPECT_EQ(data.classes, (std::vector<std::string>{"day", "night"}));
  EXPECT_EQ(data.names[1], "night/1.png");
}

TEST(ImageFolder, DamagedPicturesAreSkippedByName) {
  const TemporaryFolder folder;
  Bytes cut = flat_png(50, 64, 64);
  cut.resize(cut.size() / 2);
  folder.write("a/0 cut.png", cut);
  folder.write("a/1.png", flat_png(1));
  folder.write("b/1.jpg", flat_png(2));  // a PNG under another name
  folder.write("b/2.jpg", std::string("<html>404</html>"));
  const ImageDataset data = load_dataset(folder.path(), {.height = 8, .width = 8, .threads = 2});
  EXPECT_EQ(data.names, (std::vector<std::string>{"a/1.png", "b/1.jpg"}));
  EXPECT_EQ(data.image(0).pixels[0], 1);
  EXPECT_EQ(data.image(1).pixels[0], 2);
  EXPECT_EQ(data.label_span()[1], 1);
  ASSERT_EQ(data.skipped.size(), 2u);
  EXPECT_NE(data.skipped[0].find("0 cut.png: "), std::string::npos);
  EXPECT_NE(data.skipped[1].find("2.jpg: not a picture"), std::string::npos);
}

TEST(ImageFolder, BadFoldersAreRefused) {
  const TemporaryFolder folder;
  const auto make = [&](const char* name) {
    std::filesystem::create_directories(folder.path() / name);
    return folder.path() / name;
  };
  EXPECT_THROWS_WITH(load_dataset(folder.path() / "none"), IoError, "none", "no such folder");
  EXPECT_THROWS_WITH(load_dataset(make("empty")), InvalidArgument, "empty folder");
  const auto file = folder.write("file.png", flat_png(1));
  EXPECT_THROWS_WITH(load_dataset(file), InvalidArgument, "file.png", "not a folder");
  folder.write("flat/1.png", flat_png(1));
  EXPECT_THROWS_WITH(load_dataset(folder.path() / "flat"), InvalidArgument, "no folders");
  folder.write("single/day/1.png", flat_png(1));
  EXPECT_THROWS_WITH(load_dataset(folder.path() / "single"), InvalidArgument, "only one class",
                     "'day'");
  folder.write("hollow/day/1.png", flat_png(1));
  make("hollow/night");
  EXPECT_THROWS_WITH(load_dataset(folder.path() / "hollow"), IoError, "night", "no pictures");
  folder.write("broken/day/1.png", flat_png(1));
  folder.write("broken/night/x y.png", std::string("zzz"));
  EXPECT_THROWS_WITH(load_dataset(folder.path() / "broken"), IoError, "night", "x y.png");
}

TEST(ImageFolder, ClassesOfAModelDecideTheLabels) {
  const TemporaryFolder folder;
  folder.write("wrap/night/1.png", flat_png(1));
  const DatasetOptions options{.classes = {"day", "night"}};
  const ImageDataset data = load_dataset(folder.path() / "wrap", options);
  EXPECT_EQ(data.label_span()[0], 1);
  EXPECT_EQ(data.classes.size(), 2u);
  folder.write("other/dusk/1.png", flat_png(1));
  EXPECT_THROWS_WITH(load_dataset(folder.path() / "other", options), InvalidArgument, "dusk",
                     "day, night");
}

TEST(ImageFolder, ThreadsDoNotMatter) {
  const TemporaryFolder folder;
  for (int i = 0; i < 12; ++i) {
    folder.write(join(i % 2 ? "b/" : "a/", i, ".png"), flat_png(static_cast<std::uint8_t>(20 * i)));
  }
  const ImageDataset one = load_dataset(folder.path(), {.threads = 1});
  const ImageDataset three = load_dataset(folder.path(), {.threads = 3});
  EXPECT_EQ(one.names, three.names);
  EXPECT_TRUE(
      std::ranges::equal(one.images.span<std::uint8_t>(), three.images.span<std::uint8_t>()));
}

TEST(Subset, KeepsItemsTogether) {
  const TemporaryFolder folder;
  for (const char* name : {"a/1.png", "a/2.png", "b/3.png"}) {
    folder.write(name, flat_png(static_cast<std::uint8_t>(name[2])));
  }
  const ImageDataset data = load_dataset(folder.path());
  const std::vector<std::int64_t> items = {2, 0};
  const ImageDataset part = subset(data, items);
  EXPECT_EQ(part.names, (std::vector<std::string>{"b/3.png", "a/1.png"}));
  EXPECT_EQ(part.image(0).pixels[0], '3');
  EXPECT_EQ(part.label_span()[0], 1);
  const std::vector<std::int64_t> outside = {3};
  EXPECT_THROWS_WITH(subset(data, outside), InvalidArgument, "item 3 of 3");
}

TEST(RealPhotographs, LoadAllOfThem) {
  const char* root = std::getenv("ENGINE_SHARED_DATA");
  const char* fallback = std::getenv("ENGINE_DEFAULT_SHARED_DATA");
  const std::filesystem::path path = std::filesystem::path(root       ? root
                                                           : fallback ? fallback
                                                                      : "") /
                                     "day_night";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no photographs; set ENGINE_SHARED_DATA";
  const ImageDataset data = load_dataset(path);
  EXPECT_EQ(data.classes, (std::vector<std::string>{"day", "night"}));
  EXPECT_EQ(items_per_class(data), (std::vector<std::int64_t>{120, 120}));
  EXPECT_TRUE(data.skipped.empty());
  // Days are brighter than nights.
  double sums[2] = {};
  for (std::int64_t i = 0; i < data.count(); ++i) {
    for (const std::uint8_t p : data.image(i).pixels) sums[data.label_span()[i]] += p;
  }
  EXPECT_GT(sums[0], 1.5 * sums[1]);
}

}  // namespace
}  // namespace engine::apps
