#include "bench/engine_bench/shapes.h"

#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engine::bench {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_conv_shapes(text);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

Conv2dProblem one(const std::string& text) {
  const auto shapes = parse_conv_shapes(text);
  EXPECT_EQ(shapes.size(), 1u);
  return shapes.at(0);
}

TEST(Shapes, DefaultsAreSquareAndPaddedByHalf) {
  const Conv2dProblem p = one("n=32,h=56,c=64,k=128,r=3");
  EXPECT_EQ(p.x_shape(), Shape({32, 56, 56, 64}));
  EXPECT_EQ(p.w_shape(), Shape({128, 3, 3, 64}));
  EXPECT_EQ(p.y_shape(), Shape({32, 56, 56, 128}));
}

TEST(Shapes, EveryKeyIsRead) {
  const Conv2dProblem p =
      one("n=2,h=20,w=31,c=8,k=6,r=3,s=5,pad=2,pad_w=1,stride=2,stride_w=3,dilation=1,dilation_w=2,"
          "groups=2");
  EXPECT_EQ(p.x_shape(), Shape({2, 20, 31, 8}));
  EXPECT_EQ(p.w_shape(), Shape({6, 3, 5, 4}));
  EXPECT_EQ(p.geometry,
            (Conv2dGeometry{.stride = {2, 3}, .padding = {2, 1}, .dilation = {1, 2}, .groups = 2}));
  EXPECT_EQ(p.oh, 11);
  EXPECT_EQ(p.ow, 9);
}

TEST(Shapes, AnAxisWithoutAValueFollowsTheOther) {
  const Conv2dProblem p = one("n=1,h=9,c=1,k=1,r=3,pad=2,stride=2");
  EXPECT_EQ(p.geometry.padding, Extent2d(2));
  EXPECT_EQ(p.geometry.stride, Extent2d(2));
}

TEST(Shapes, ListsOfImages) {
  const auto shapes = parse_conv_shapes("n=1/32/128,h=8,c=4,k=4,r=1");
  ASSERT_EQ(shapes.size(), 3u);
  EXPECT_EQ(shapes[2].n, 128);
}

TEST(Shapes, ErrorsQuoteTheText) {
  EXPECT_THAT(error_of("n=1,h=8,c=4,k=4"), HasSubstr("r is missing"));
  EXPECT_THAT(error_of("n=1,h=8,c=4,k=4,r=1,q=2"), HasSubstr("there is no \"q\""));
  EXPECT_THAT(error_of("n=1,h=8,c=4,k=4,r=1,h=9"), HasSubstr("h is given twice"));
  EXPECT_THAT(error_of("n=1,h=eight,c=4,k=4,r=1"), HasSubstr("\"eight\" is not a number"));
  EXPECT_THAT(error_of("n=1,h=-8,c=4,k=4,r=1"), HasSubstr("\"-8\" is not a number"));
  EXPECT_THAT(error_of("n=0,h=8,c=4,k=4,r=1"), HasSubstr("there must be an image"));
  EXPECT_THAT(error_of("n=1,h=8,c=4,k=4,r=1,groups=3"), HasSubstr("3 groups do not divide 4"));
  EXPECT_THAT(error_of("n=1,h=8,c=4,k=4,r=1,groups=0"), HasSubstr("0 groups"));
  EXPECT_THAT(error_of("n=1,h=2000000,c=4,k=4,r=1"), HasSubstr("above a million"));
  EXPECT_THAT(error_of("n=1,h=8,c=4,k=4,r"), HasSubstr("r has no value"));
  EXPECT_THAT(error_of(""), HasSubstr("there is no \"\""));
  EXPECT_THAT(error_of("n=1,h=2,c=4,k=4,r=9,pad=0"), HasSubstr("exceeds"));
}

TEST(Shapes, Classes) {
  EXPECT_EQ(class_of(one("n=256,h=224,c=3,k=64,r=7")), ShapeClass::narrow);
  EXPECT_EQ(class_of(one("n=8,h=25,c=64,k=64,r=3,groups=64")), ShapeClass::narrow);
  EXPECT_EQ(class_of(one("n=32,h=28,c=192,k=32,r=5")), ShapeClass::small_batch);
  EXPECT_EQ(class_of(one("n=33,h=28,c=192,k=32,r=3")), ShapeClass::large);
  EXPECT_EQ(class_of(one("n=64,h=28,c=192,k=32,r=1")), ShapeClass::large);
  EXPECT_EQ(class_of(one("n=64,h=28,c=192,k=32,r=5")), ShapeClass::other);
  EXPECT_EQ(class_of(one("n=64,h=28,c=192,k=32,r=1,s=3")), ShapeClass::other);
  EXPECT_EQ(class_of(one("n=64,h=28,c=192,k=32,r=3,groups=2")), ShapeClass::large);
}

TEST(Shapes, TheFilesOfTheTreeAreReadAndTheirTextsReadBack) {
  const auto sets = read_shape_sets(ENGINE_BENCH_SHAPES);
  std::set<std::string> names;
  for (const ShapeSet& set : sets) {
    names.insert(set.name);
    EXPECT_FALSE(set.shapes.empty()) << set.name;
    for (const Conv2dProblem& shape : set.shapes) {
      const std::string text = text_of(shape);
      const Conv2dProblem again = one(text);
      EXPECT_EQ(again.x_shape(), shape.x_shape()) << text;
      EXPECT_EQ(again.w_shape(), shape.w_shape()) << text;
      EXPECT_EQ(again.geometry, shape.geometry) << text;
    }
  }
  EXPECT_EQ(names, (std::set<std::string>{"convnet_benchmarks", "deepbench_speech",
                                          "deepbench_vision", "ours", "quick"}));
  // The quick set is what a short run judges by: it has to hold all three classes.
  std::set<ShapeClass> classes;
  for (const Conv2dProblem& shape : read_shape_sets(ENGINE_BENCH_SHAPES "/quick.txt")[0].shapes) {
    classes.insert(class_of(shape));
  }
  EXPECT_EQ(classes, (std::set{ShapeClass::narrow, ShapeClass::small_batch, ShapeClass::large}));
}

TEST(Shapes, ABadLineIsNamed) {
  const std::string path = testing::TempDir() + "/bad_shapes.txt";
  std::ofstream(path) << "# fine\nn=1,h=8,c=4,k=4,r=1\n\nn=1,h=8\n";
  try {
    read_shape_sets(path);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("bad_shapes.txt:4:"));
  }
  EXPECT_THROW(read_shape_sets(path + ".absent"), IoError);
}

}  // namespace
}  // namespace engine::bench
