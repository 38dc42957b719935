#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/kernels/conv2d.h"

// The peer: oneDNN called directly, as its best user would. Every tensor is already in the layout
// that oneDNN likes most (format `any`), so no reorder is timed; of all formulations (data in NHWC
// or any layout; a product as matmul or as inner product) the fastest is taken.
namespace engine::bench {

enum class Pass { forward, backward_data, backward_weights };
const char* name_of(Pass pass);

struct DirectCall {
  std::string name;            // "3->32 3x3 64x64 forward"
  std::string implementation;  // oneDNN's name for it
  std::int64_t flops = 0;
  std::function<void()> run;
};

DirectCall direct_conv2d(const Conv2dProblem& problem, Pass pass, DType dtype);
// y [rows, out] = x [rows, in] w^T, and its two gradients. Weight gradients are f32.
DirectCall direct_linear(std::int64_t rows, std::int64_t in, std::int64_t out, Pass pass,
                         DType dtype);

double median(std::vector<double> seconds);
enum class Clock { wall, processor };  // processor: of all threads together
double seconds_of(const std::function<void()>& call, Clock clock = Clock::wall);

}  // namespace engine::bench
