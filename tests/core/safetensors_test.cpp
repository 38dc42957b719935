#include "engine/core/safetensors.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <locale>
#include <sstream>

#include <gtest/gtest.h>

#include "engine/core/errors.h"
#include "tests/core/safetensors_bytes.h"
#include "tests/core/temporary_folder.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"

namespace engine {
namespace {

// The text of the IoError that parsing throws; empty when it does not.
std::string refusal(const std::vector<std::uint8_t>& bytes) {
  try {
    parse_safetensors(bytes, "memory");
  } catch (const IoError& error) {
    return error.what();
  }
  return "";
}

bool python_runs() {
  return std::system("python3 -c pass >/dev/null 2>&1") == 0;
}

int run_peer(const std::string& action, const std::filesystem::path& path) {
  const std::string script = ENGINE_TEST_DATA "/../core/safetensors_peer.py";
  return std::system(("python3 '" + script + "' " + action + " '" + path.string() + "'").c_str());
}

TEST(Safetensors, RoundTripKeepsEveryDtype) {
  const TemporaryFolder folder;
  const SafetensorsFile file = sample_safetensors();
  write_safetensors(folder / "a.safetensors", file);
  const SafetensorsFile back = read_safetensors(folder / "a.safetensors");
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    const Tensor* found = back.find(name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_TRUE(same_bits(*found, tensor)) << name;
  }
  EXPECT_EQ(back.find("other"), nullptr);
  EXPECT_EQ(read_safetensors_metadata(folder / "a.safetensors"), file.metadata);
  EXPECT_EQ(folder.names(), std::set<std::string>{"a.safetensors"});
}

// The user's locale may group digits: 1.234.567.
TEST(Safetensors, FilesAreTheSameUnderEveryLocale) {
  struct Grouping final : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
  };
  const TemporaryFolder folder;
  SafetensorsFile file;
  for (const char* name : {"a", "b"}) {
    file.tensors.push_back({name, Tensor::zeros({1000}, DType::f32, Device::cpu())});
  }
  write_safetensors(folder / "classic", file);
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  std::ostringstream control;
  control << 1234;
  const std::string joined = join(1234, ' ', 0.5, ' ', 0.5f);
  write_safetensors(folder / "grouped", file);
  const std::size_t tensors = read_safetensors(folder / "grouped").tensors.size();
  std::locale::global(before);
  EXPECT_EQ(control.str(), "1.234");
  EXPECT_EQ(joined, "1234 0.5 0.5");
  EXPECT_EQ(tensors, 2u);
  EXPECT_EQ(file_content(folder / "grouped"), file_content(folder / "classic"));
}

TEST(Safetensors, WriterKeepsOrderAmongEqualWidths) {
  const TemporaryFolder folder;
  SafetensorsFile file;
  for (const char* name : {"z", "a", "m"}) file.tensors.push_back({name, Tensor::scalar(1)});
  write_safetensors(folder / "a", file);
  const SafetensorsFile back = read_safetensors(folder / "a");
  ASSERT_EQ(back.tensors.size(), 3u);
  EXPECT_EQ(back.tensors[0].name + back.tensors[1].name + back.tensors[2].name, "zam");
}

TEST(Safetensors, FileWithoutTensorsIsReadBack) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {});
  EXPECT_TRUE(read_safetensors(folder / "a").tensors.empty());
  EXPECT_TRUE(parse_safetensors(safetensors_bytes("{}", 0), "memory").tensors.empty());
}

TEST(Safetensors, CutAtEveryByteIsRefused) {
  const TemporaryFolder folder;
  write_safetensors(folder / "whole", sample_safetensors());
  const std::vector<std::uint8_t> whole = file_content(folder / "whole");
  ASSERT_GT(whole.size(), 500u);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + size);
    ASSERT_NE(refusal(cut), "") << "cut to " << size << " of " << whole.size();
    put_file(folder / "cut", cut);
    ASSERT_THROW(read_safetensors(folder / "cut"), IoError) << size;
    ASSERT_THROW(read_safetensors_metadata(folder / "cut"), IoError) << size;
  }
  std::vector<std::uint8_t> longer = whole;
  longer.push_back(0);
  EXPECT_NE(refusal(longer), "");
}

TEST(Safetensors, ErrorNamesTheFile) {
  const TemporaryFolder folder;
  put_file(folder / "short.safetensors", std::vector<std::uint8_t>{1, 2, 3});
  for (const auto& path : {folder / "short.safetensors", folder / "missing", folder / "."}) {
    try {
      read_safetensors(path);
      ADD_FAILURE() << path << " was read";
    } catch (const IoError& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    }
  }
}

TEST(Safetensors, F64AndI64AreConverted) {
  const std::string header = R"({"d":{"dtype":"F64","shape":[5],"data_offsets":[0,40]},)"
                             R"("l":{"dtype":"I64","shape":[2],"data_offsets":[40,56]}})";
  std::vector<std::uint8_t> bytes = safetensors_bytes(header, 56);
  const double doubles[] = {0.1, 1e300, -1e300, std::nan(""), 3.4028235e38};
  const std::int64_t longs[] = {-2147483648ll, 2147483647};
  std::memcpy(bytes.data() + 8 + header.size(), doubles, sizeof(doubles));
  std::memcpy(bytes.data() + 8 + header.size() + 40, longs, sizeof(longs));
  const SafetensorsFile file = parse_safetensors(bytes, "memory");
  const auto d = file.find("d")->span<float>();
  EXPECT_EQ(d[0], 0.1f);
  EXPECT_EQ(d[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(d[2], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(d[3]));
  EXPECT_EQ(d[4], std::numeric_limits<float>::max());
  const auto l = file.find("l")->span<std::int32_t>();
  EXPECT_EQ(l[0], std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(l[1], std::numeric_limits<std::int32_t>::max());

  const std::int64_t too_large = 2147483648ll;
  std::memcpy(bytes.data() + 8 + header.size() + 40, &too_large, sizeof(too_large));
  EXPECT_NE(refusal(bytes).find("2147483648 does not fit an i32"), std::string::npos);
}

TEST(Safetensors, ReadsWhatPythonWrote) {
  if (!python_runs()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  ASSERT_EQ(run_peer("write", folder / "python"), 0);
  const SafetensorsFile file = read_safetensors(folder / "python");
  ASSERT_EQ(file.tensors.size(), 5u);
  EXPECT_EQ(file.metadata.at("note"), "zwei\nZeilen");
  EXPECT_TRUE(same_bits(*file.find("weights"),
                        Tensor::from(std::vector<float>{1, -2, 0.5f, 3, 4, -0.25f}, {2, 3})));
  EXPECT_TRUE(same_bits(*file.find("labels"),
                        Tensor::from(std::vector<std::int32_t>{7, -1, 2147483647}, {3})));
  EXPECT_EQ(file.find("losses")->to_floats()[0], 0.1f);
  EXPECT_EQ(file.find("mask")->dtype(), DType::boolean);
  ASSERT_NE(file.find("n\u00e4me"), nullptr);
  EXPECT_EQ(file.find("n\u00e4me")->shape().rank(), 0);
  EXPECT_EQ(file.find("n\u00e4me")->item(), 200);
}

TEST(Safetensors, PythonReadsWhatWeWrote) {
  if (!python_runs()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  SafetensorsFile file;
  file.metadata = {{"engine", "{\"a\":\"\u00e4\n\"}"}};
  const Tensor pair = Tensor::from(std::vector<float>{1, -2}, {2});
  file.tensors = {
      {"u", Tensor::from(std::vector<std::uint8_t>{1, 2, 255}, {3})},
      {"t", Tensor::from(std::vector<std::uint8_t>{1, 0}, {2}).to(DType::boolean)},
      {"h", pair.to(DType::f16)},
      {"f", Tensor::from(std::vector<float>{1.5f, -2}, {2, 1})},
      {"b", pair.to(DType::bf16)},
      {"i", Tensor::from(std::vector<std::int32_t>{-5}, {1})},
  };
  write_safetensors(folder / "ours", file);
  EXPECT_EQ(run_peer("check", folder / "ours"), 0);
}

TEST(Safetensors, WriterRefusesNamesThatCannotBeReadBack) {
  const TemporaryFolder folder;
  const Tensor one = Tensor::scalar(1);
  for (const char* name : {"", "a\nb", "\x7f", "__metadata__", "\xff\xfe"}) {
    SafetensorsFile file;
    file.tensors = {{name, one}};
    EXPECT_THROW(write_safetensors(folder / "a", file), InvalidArgument) << name;
  }
  SafetensorsFile twice, no_content, bad_metadata;
  twice.tensors = {{"a", one}, {"a", one}};
  no_content.tensors = {{"a", Tensor()}};
  bad_metadata.metadata = {{"a", "\xc3"}};
  EXPECT_THROW(write_safetensors(folder / "a", twice), InvalidArgument);
  EXPECT_THROW(write_safetensors(folder / "a", no_content), InvalidArgument);
  EXPECT_THROW(write_safetensors(folder / "a", bad_metadata), InvalidArgument);
  EXPECT_TRUE(folder.names().empty());
}

struct BadHeader {
  const char* name;
  const char* header;
  std::size_t data_bytes;
  const char* text;  // in the error
  std::int64_t length = -1;
};
ENGINE_TEST_CASE_PRINTS_NAME(BadHeader)

class SafetensorsRefuses : public testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsRefuses, WithItsReason) {
  const auto& [name, header, data_bytes, text, length] = GetParam();
  const std::string error = refusal(safetensors_bytes(header, data_bytes, length));
  EXPECT_NE(error.find(text), std::string::npos) << "error: " << error;
  EXPECT_TRUE(error.starts_with("safetensors: memory: ")) << error;
}

#define ENTRY(dtype, shape, offsets) \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

const BadHeader kBadHeaders[] = {
    {"huge_length", "{}", 0, "exceeds what the file has, 2", 0x7fffffffffffffff},
    {"length_one_too_many", "{}", 0, "exceeds what the file has", 3},
    {"empty_header", "", 0, "does not begin with {"},
    {"array", "[]", 0, "does not begin with {"},
    {"space_first", " {}", 0, "does not begin with {"},
    {"byte_order_mark", "\xef\xbb\xbf{}", 0, "does not begin with {"},
    {"not_json", "{\"a\":", 0, "not valid JSON"},
    {"text_after_json", "{}x", 0, "not valid JSON"},
    {"two_objects", "{}{}", 0, "not valid JSON"},
    {"not_utf8", "{\"\xff\":1}", 0, "not valid JSON"},
    {"lone_surrogate", "{\"\\ud800\":1}", 0, "not valid JSON"},
    {"number_out_of_range", "{\"a\":1e999}", 0, "not valid JSON"},
    {"entry_is_number", "{\"a\":1}", 0, "\"a\" is not an object"},
    {"entry_is_null", "{\"a\":null}", 0, "\"a\" is not an object"},
    {"empty_name", "{\"\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "is empty"},
    {"control_in_name", "{\"a\\u0007\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "control character"},
    {"zero_in_name", "{\"a\\u0000b\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "control character"},
    {"duplicate_name",
     "{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",\"a\":" ENTRY("U8", "[1]", "[1,2]") "}", 2,
     "\"a\" occurs twice"},
    {"duplicate_metadata", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "\"k\" occurs twice"},
    {"metadata_twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "occurs twice"},
    {"metadata_not_strings", "{\"__metadata__\":{\"k\":1}}", 0, "is not a string"},
    {"metadata_nested", "{\"__metadata__\":{\"k\":{}}}", 0, "is not a string"},
    {"metadata_is_array", "{\"__metadata__\":[]}", 0, "is not an object"},
    {"unknown_key", "{\"a\":{\"stride\":[1]}}", 0, "unknown key \"stride\""},
    {"key_twice", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0, "\"dtype\" twice"},
    {"no_dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "has no dtype"},
    {"no_shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "has no shape"},
    {"no_offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "has no data_offsets"},
    {"unknown_dtype", "{\"a\":" ENTRY("I16", "[1]", "[0,2]") "}", 2, "\"I16\" is none of"},
    {"lower_case_dtype", "{\"a\":" ENTRY("f32", "[1]", "[0,4]") "}", 4, "\"f32\" is none of"},
    {"dtype_is_number", "{\"a\":{\"dtype\":4}}", 0, "dtype holds the number 4"},
    {"shape_is_string", "{\"a\":{\"shape\":\"x\"}}", 0, "shape holds the string"},
    {"shape_nested", "{\"a\":{\"shape\":[[1]]}}", 0, "shape holds an array"},
    {"negative_extent", "{\"a\":" ENTRY("U8", "[-1]", "[0,1]") "}", 1, "negative number -1"},
    {"fraction_extent", "{\"a\":" ENTRY("U8", "[1.0]", "[0,1]") "}", 1, "shape holds the number"},
    {"extent_above_int64", "{\"a\":" ENTRY("U8", "[9223372036854775808]", "[0,1]") "}", 1,
     "too large"},
    {"extent_above_uint64", "{\"a\":" ENTRY("U8", "[99999999999999999999]", "[0,1]") "}", 1,
     "shape holds the number"},
    {"product_overflows", "{\"a\":" ENTRY("U8", "[4294967296,4294967296,1]", "[0,0]") "}", 0,
     "more bytes than 64 bits"},
    {"product_overflows_beside_zero",
     "{\"a\":" ENTRY("U8", "[0,4294967296,4294967296]", "[0,0]") "}", 0, "more bytes than 64 bits"},
    {"bytes_overflow", "{\"a\":" ENTRY("F32", "[4611686018427387904]", "[0,0]") "}", 0,
     "more bytes than 64 bits"},
    {"more_elements_than_a_shape_holds",
     "{\"a\":" ENTRY("U8", "[1152921504606846976]", "[0,0]") "}", 0,
     "more than 576460752303423487 elements"},
    {"more_elements_than_a_shape_holds_beside_zero",
     "{\"a\":" ENTRY("U8", "[1152921504606846976,0]", "[0,0]") "}", 0,
     "more than 576460752303423487 elements"},
    {"nine_axes", "{\"a\":" ENTRY("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "more than 8 axes"},
    {"one_offset", "{\"a\":" ENTRY("U8", "[1]", "[0]") "}", 1, "needs two numbers"},
    {"three_offsets", "{\"a\":" ENTRY("U8", "[1]", "[0,1,1]") "}", 1, "more than two"},
    {"negative_offset", "{\"a\":" ENTRY("U8", "[1]", "[-1,0]") "}", 1, "negative number -1"},
    {"offsets_reversed", "{\"a\":" ENTRY("U8", "[1]", "[1,0]") "}", 1, "lie outside"},
    {"offset_beyond_data", "{\"a\":" ENTRY("U8", "[2]", "[0,2]") "}", 1,
     "0 to 2 lie outside the 1 bytes"},
    {"offset_wraps", "{\"a\":" ENTRY("U8", "[1]", "[18446744073709551615,0]") "}", 1,
     "lie outside"},
    {"bytes_below_shape", "{\"a\":" ENTRY("F32", "[2]", "[0,7]") "}", 7,
     "F32[2] needs 8 bytes, data_offsets give 7"},
    {"bytes_above_shape", "{\"a\":" ENTRY("F32", "[2]", "[0,9]") "}", 9, "needs 8 bytes"},
    {"hole", "{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",\"b\":" ENTRY("U8", "[1]", "[2,3]") "}", 3,
     "\"b\": begins at byte 2 of the data, the one before ends at 1"},
    {"overlap", "{\"a\":" ENTRY("U8", "[2]", "[0,2]") ",\"b\":" ENTRY("U8", "[2]", "[1,3]") "}", 3,
     "begins at byte 1"},
    {"same_place", "{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",\"b\":" ENTRY("U8", "[1]", "[0,1]") "}",
     1, "begins at byte 0"},
    {"hole_at_start", "{\"a\":" ENTRY("U8", "[1]", "[1,2]") "}", 2, "begins at byte 1"},
    {"rest_at_end", "{\"a\":" ENTRY("U8", "[1]", "[0,1]") "}", 2, "cover 1 of 2 bytes"},
    {"empty_tensor_inside",
     "{\"a\":" ENTRY("U8", "[2]", "[0,2]") ",\"b\":" ENTRY("U8", "[0]", "[1,1]") "}", 2,
     "begins at byte 1"},
};

INSTANTIATE_TEST_SUITE_P(Table, SafetensorsRefuses, testing::ValuesIn(kBadHeaders), case_name);

TEST(Safetensors, HeaderAboveTheLimitIsRefused) {
  std::vector<std::uint8_t> bytes = safetensors_bytes("{}", 0, 100'000'001);
  bytes.resize(100'000'001 + 8, ' ');
  EXPECT_NE(refusal(bytes).find("exceeds the limit, 100000000"), std::string::npos);
}

TEST(Safetensors, BoolMustBeZeroOrOne) {
  const std::string header = R"({"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  std::vector<std::uint8_t> bytes = safetensors_bytes(header, 2);
  EXPECT_EQ(refusal(bytes), "");
  bytes.back() = 2;
  EXPECT_NE(refusal(bytes).find("neither 0 nor 1"), std::string::npos);
}

TEST(Safetensors, DeepNestingIsRefused) {
  EXPECT_NE(refusal(safetensors_bytes("{\"a\":" + std::string(1'000'000, '['), 0)), "");
  EXPECT_NE(refusal(safetensors_bytes(std::string(1'000'000, '{'), 0)), "");
}

}  // namespace
}  // namespace engine
