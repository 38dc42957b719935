#pragma once

#include <vector>

#include "engine/core/graph.h"

namespace engine {

// One fused update of many parameters: a single pass over parameters, gradients and slots in one
// launch. All lists have the same length; entry i of each belongs to parameter i and has its shape.
// Everything is f32 (f32 class); every parameter and slot may be updated in place.
// `learning_rate` is a scalar, `clock` the graph's clock (its step is counted from 0), and
// `gradient_scale` a scalar that multiplies every gradient first (1: as it is; clipping gives
// less).
struct UpdateInputs {
  Value learning_rate;
  Value gradient_scale;
  Value clock;
  std::vector<Value> parameters;
  std::vector<Value> gradients;
};

struct SgdUpdate {
  float momentum = 0;
  float weight_decay = 0;  // added to the gradient: weight_decay * parameter
  bool nesterov = false;
};

struct SgdUpdateResult {
  std::vector<Value> parameters;
  std::vector<Value> velocities;
};

// v' = momentum * v + g;  p' = p - learning_rate * (nesterov ? g + momentum * v' : v').
// Source: PyTorch's SGD convention (Sutskever et al. 2013 with the rate outside the velocity).
// Without momentum `velocities` is empty, in and out.
SgdUpdateResult sgd_update(const UpdateInputs& inputs, const std::vector<Value>& velocities,
                           const SgdUpdate& options);

struct AdamUpdate {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0;
  bool decoupled = false;  // true: AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101)
};

struct AdamUpdateResult {
  std::vector<Value> parameters;
  std::vector<Value> first_moments;
  std::vector<Value> second_moments;
};

// Kingma and Ba 2015, arXiv:1412.6980, algorithm 1, with t = step + 1.
AdamUpdateResult adam_update(const UpdateInputs& inputs, const std::vector<Value>& first_moments,
                             const std::vector<Value>& second_moments, const AdamUpdate& options);

// sum of squares of all elements of all values, a scalar f32, in a fixed order.
Value squared_norm(const std::vector<Value>& values);

}  // namespace engine
