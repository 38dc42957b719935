#pragma once

#include "engine/core/graph.h"

namespace engine {

// A learning rate: a number of any type, or a scalar Value such as a schedule.
struct Rate {
  float number = 0;
  Value value;  // used when not empty

  Rate(double constant) : number(static_cast<float>(constant)) {}  // NOLINT: implicit
  Rate(Value scheduled) : value(std::move(scheduled)) {}           // NOLINT: implicit
};

}  // namespace engine
