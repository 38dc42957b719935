#include "engine/kernels/gather_rows.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct GatherCase {
  const char* name;
  Shape table;
  DType dtype;
  std::vector<std::int32_t> rows;
};
ENGINE_TEST_CASE_PRINTS_NAME(GatherCase)

std::vector<std::int32_t> many_rows() {
  std::vector<std::int32_t> rows(301);
  for (int i = 0; i < 301; ++i) rows[i] = i * 37 % 50;
  return rows;
}

const GatherCase kGatherCases[] = {
    {"u8_images", {5, 3, 4, 1}, DType::u8, {4, 0, 2, 2}},
    {"labels", {6}, DType::i32, {5, 1, 0}},
    {"bf16", {4, 7}, DType::bf16, {3, 3, 3, 1, 0}},
    {"clamps", {3, 2}, DType::f32, {-1, 3, 1000000000, -2147483647, 2}},
    {"no_rows", {3, 2}, DType::f32, {}},
    {"empty_row", {3, 0}, DType::f32, {1, 2}},
    {"one_row_table", {1, 5}, DType::f32, {0, 7, -7}},
    {"parallel", {50, 31, 17}, DType::u8, many_rows()},
};

class GatherRows : public DeviceTest<GatherCase> {};

TEST_P(GatherRows, CopiesTheRows) {
  const GatherCase& test = GetParam();
  const auto count = static_cast<std::int64_t>(test.rows.size());
  Graph graph;
  graph.output("y", gather_rows(graph.input("table", test.table, test.dtype),
                                graph.input("rows", {count}, DType::i32)));
  const Tensor table = random_tensor(test.table, test.dtype, 1, {0, 200});
  const Tensor y = interpret(graph, {{"table", table}, {"rows", Tensor::from(test.rows, {count})}},
                             nullptr, device())[0];
  ASSERT_EQ(y.type(), (TensorType{test.table.with(0, count), test.dtype}));
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = std::min<std::int64_t>(
        std::max(test.rows[static_cast<std::size_t>(i)], 0), test.table[0] - 1);
    EXPECT_TRUE(same_bits(y.rows(i, i + 1), table.rows(row, row + 1))) << "row " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, GatherRows, on_devices(kGatherCases), device_case_name);

TEST(GatherRowsErrors, TypesAndEmptyTable) {
  Graph graph;
  const Value table = graph.input("table", {3, 2});
  EXPECT_THROW(gather_rows(table, graph.input("f", {2})), InvalidArgument);
  const Value rows = graph.input("rows", {2}, DType::i32);
  EXPECT_THROW(gather_rows(graph.input("empty", {0, 2}), rows), InvalidArgument);
}

}  // namespace
}  // namespace engine
