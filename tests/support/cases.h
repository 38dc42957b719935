#pragma once

#include <string>

#include <gtest/gtest.h>

namespace engine {

// For tables of named cases: a struct with a member `name`, an array of it, and
//   INSTANTIATE_TEST_SUITE_P(Table, MaxPool2d, testing::ValuesIn(kCases), case_name);
inline constexpr auto case_name = [](const auto& info) { return std::string(info.param.name); };

}  // namespace engine

// Goes into each case struct, so that failures print the name and not bytes.
#define ENGINE_TEST_CASE_PRINTS_NAME(Type)                    \
  inline void PrintTo(const Type& value, std::ostream* out) { \
    *out << value.name;                                       \
  }
