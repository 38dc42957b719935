#pragma once

#include <initializer_list>
#include <string>

#include <gtest/gtest.h>

// Expects `statement` to throw `Type` with every listed piece of text in its message.
#define EXPECT_THROWS_WITH(statement, Type, ...)                                              \
  do {                                                                                        \
    std::string message_;                                                                     \
    try {                                                                                     \
      statement;                                                                              \
      ADD_FAILURE() << #statement " did not throw";                                           \
      break;                                                                                  \
    } catch (const Type& error_) {                                                            \
      message_ = error_.what();                                                               \
    }                                                                                         \
    for (const std::string& piece_ : std::initializer_list<std::string>{__VA_ARGS__}) {       \
      EXPECT_NE(message_.find(piece_), std::string::npos) << piece_ << "\n in: " << message_; \
    }                                                                                         \
  } while (false)
