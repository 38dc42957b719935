#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernels/conv2d.h"

// Convolutions as text: bench/shapes/README.md has the words.
namespace engine::bench {

enum class ShapeClass { narrow, small_batch, large, other };
std::string_view name_of(ShapeClass shape_class);
ShapeClass class_of(const Conv2dProblem& problem);

// "n=16/32,h=56,c=64,k=64,r=3": one problem for each n. Throws InvalidArgument that quotes the
// text.
std::vector<Conv2dProblem> parse_conv_shapes(std::string_view text);
// What parse_conv_shapes() reads back as the same problem; defaults are left out.
std::string text_of(const Conv2dProblem& problem);

struct ShapeSet {
  std::string name;  // the file's, without .txt
  std::vector<Conv2dProblem> shapes;
};

// A file, or every *.txt of a folder by name. Throws IoError, or InvalidArgument with file and
// line.
std::vector<ShapeSet> read_shape_sets(const std::filesystem::path& path);

}  // namespace engine::bench
