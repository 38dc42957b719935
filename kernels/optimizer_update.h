#pragma once

#include <vector>

#include "engine/core/graph.h"

namespace engine {

// One fused update of many parameters: a single pass over parameters, gradients and slots (on CUDA
// one launch for each 48 parameters). All lists have the same length; entry i of each belongs to
// parameter i and has its shape. Everything is f32 (f32 class); every parameter and slot may be
// updated in place. `learning_rate` is a scalar, `clock` the graph's clock (its step is counted
// from 0), and `gradient_scale` a scalar that multiplies every gradient first (1: as it is;
// clipping gives less).
struct UpdateInputs {
  Value learning_rate;
  Value gradient_scale;
  Value clock;
  std::vector<Value> parameters;
  std::vector<Value> gradients;
};

// Coefficients are doubles, so that 1 - beta is rounded once.
struct SgdUpdate {
  double momentum = 0;
  double weight_decay = 0;  // added to the gradient: weight_decay * parameter
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
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // true: AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101)
};

struct AdamUpdateResult {
  std::vector<Value> parameters;
  std::vector<Value> first_moments;
  std::vector<Value> second_moments;
};

// With t = step + 1:
//   m' = beta1 m + (1 - beta1) g;  v' = beta2 v + (1 - beta2) g^2
//   p' = p - learning_rate (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + epsilon)
// weight_decay p is added to g, or, decoupled, p is first multiplied by
// 1 - learning_rate weight_decay.
// Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
AdamUpdateResult adam_update(const UpdateInputs& inputs, const std::vector<Value>& first_moments,
                             const std::vector<Value>& second_moments, const AdamUpdate& options);

// The sum of squares of all elements of all values, a scalar f32: blocks of 4096 elements in f32,
// their sums in double, in a fixed order that does not depend on the thread count. Scratch: 8 bytes
// a block.
Value squared_norm(const std::vector<Value>& values);

}  // namespace engine
