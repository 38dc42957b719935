#include "bench/engine_bench/shapes.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <map>

namespace engine::bench {
namespace {

using Fields = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kKeys[] = {"n",      "h",        "w",        "c",         "k",
                                      "r",      "s",        "pad",      "pad_w",     "stride",
                                      "groups", "stride_w", "dilation", "dilation_w"};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::int64_t number(std::string_view text, std::string_view digits) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  ENGINE_CHECK(error == std::errc() && end == digits.data() + digits.size() && value >= 0,
               "convolution \"", text, "\": \"", digits, "\" is not a number");
  // No extent of a convolution comes near; products of a few of them stay within 64 bits.
  ENGINE_CHECK(value <= 1'000'000, "convolution \"", text, "\": ", value, " is above a million");
  return value;
}

Fields fields_of(std::string_view text) {
  Fields fields;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    ENGINE_CHECK(std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys),
                 "convolution \"", text, "\": there is no \"", key,
                 "\"; it takes n h w c k r s pad pad_w stride stride_w dilation dilation_w groups");
    ENGINE_CHECK(equals != std::string::npos, "convolution \"", text, "\": ", key,
                 " has no value; write ", key, "=1");
    ENGINE_CHECK(fields.emplace(key, part.substr(equals + 1)).second, "convolution \"", text,
                 "\": ", key, " is given twice");
  }
  for (const char* key : {"n", "h", "c", "k", "r"}) {
    ENGINE_CHECK(fields.contains(key), "convolution \"", text, "\": ", key, " is missing");
  }
  return fields;
}

std::int64_t half(std::int64_t kernel, std::int64_t dilation) {
  return (kernel - 1) * dilation / 2;
}

void read_shapes(const std::filesystem::path& path, ShapeSet& set) {
  std::ifstream file(path);
  if (!file) throw IoError(join(path.string(), ": cannot be read"));
  std::string line;
  for (int line_number = 1; std::getline(file, line); ++line_number) {
    line.resize(std::min(line.find('#'), line.size()));
    std::erase_if(line, [](unsigned char c) { return std::isspace(c) != 0; });
    if (line.empty()) continue;
    try {
      for (const Conv2dProblem& shape : parse_conv_shapes(line)) set.shapes.push_back(shape);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(join(path.string(), ':', line_number, ": ", error.what()));
    }
  }
}

}  // namespace

std::string_view name_of(ShapeClass shape_class) {
  constexpr std::string_view kNames[] = {"narrow", "small_batch", "large", "other"};
  return kNames[static_cast<int>(shape_class)];
}

ShapeClass class_of(const Conv2dProblem& p) {
  const bool is_depthwise = p.geometry.groups > 1 && p.geometry.groups == p.ic;
  if (p.ic <= 4 || is_depthwise) return ShapeClass::narrow;
  if (p.n <= 32) return ShapeClass::small_batch;
  if (p.kh == p.kw && (p.kh == 3 || p.kh == 1)) return ShapeClass::large;
  return ShapeClass::other;
}

std::vector<Conv2dProblem> parse_conv_shapes(std::string_view text) {
  const Fields fields = fields_of(text);
  const auto get = [&](const char* key, std::int64_t otherwise) {
    const auto found = fields.find(key);
    return found == fields.end() ? otherwise : number(text, found->second);
  };
  const std::int64_t h = get("h", 0), w = get("w", h), c = get("c", 0), k = get("k", 0);
  const std::int64_t r = get("r", 0), s = get("s", r);
  Conv2dGeometry geometry;
  geometry.stride.h = get("stride", 1);
  geometry.stride.w = get("stride_w", geometry.stride.h);
  geometry.dilation.h = get("dilation", 1);
  geometry.dilation.w = get("dilation_w", geometry.dilation.h);
  geometry.groups = get("groups", 1);
  const bool has_pad = fields.contains("pad");
  geometry.padding.h = get("pad", half(r, geometry.dilation.h));
  geometry.padding.w = get("pad_w", has_pad ? geometry.padding.h : half(s, geometry.dilation.w));
  ENGINE_CHECK(geometry.groups > 0 && c % geometry.groups == 0, "convolution \"", text,
               "\": ", geometry.groups, " groups do not divide ", c, " channels");
  std::vector<Conv2dProblem> shapes;
  for (const std::string& images : split(fields.at("n"), '/')) {
    const std::int64_t n = number(text, images);
    ENGINE_CHECK(n > 0, "convolution \"", text, "\": there must be an image");
    shapes.push_back(conv2d_problem(join("convolution \"", text, '"'), {n, h, w, c},
                                    {k, r, s, c / geometry.groups}, geometry));
  }
  return shapes;
}

std::string text_of(const Conv2dProblem& p) {
  const Conv2dGeometry& g = p.geometry;
  std::string text = join("n=", p.n, ",h=", p.ih);
  const auto add = [&](const char* key, std::int64_t value, std::int64_t otherwise) {
    if (value != otherwise) text += join(',', key, '=', value);
  };
  add("w", p.iw, p.ih);
  text += join(",c=", p.ic, ",k=", p.oc, ",r=", p.kh);
  add("s", p.kw, p.kh);
  const bool is_half = g.padding == Extent2d(half(p.kh, g.dilation.h), half(p.kw, g.dilation.w));
  if (!is_half) {
    text += join(",pad=", g.padding.h);
    add("pad_w", g.padding.w, g.padding.h);
  }
  add("stride", g.stride.h, 1);
  add("stride_w", g.stride.w, g.stride.h);
  add("dilation", g.dilation.h, 1);
  add("dilation_w", g.dilation.w, g.dilation.h);
  add("groups", g.groups, 1);
  return text;
}

std::vector<ShapeSet> read_shape_sets(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) throw IoError(join(path.string(), ": holds no *.txt"));
  } else {
    files.push_back(path);
  }
  std::vector<ShapeSet> sets;
  for (const auto& file : files) read_shapes(file, sets.emplace_back(ShapeSet{file.stem(), {}}));
  return sets;
}

}  // namespace engine::bench
