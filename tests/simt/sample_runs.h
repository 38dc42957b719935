#pragma once

#include "support.h"

// The sample kernels on data of their own, compared with references in double.
namespace engine::simt {

Comparison run_sum(int count);
Comparison run_count_positive(int count);
template <class T>
Comparison run_max_pool();

struct Conv2dCase {
  int n, h, w, c, k, kernel, stride, padding;
};
Comparison run_conv2d(const Conv2dCase& conv);

Comparison run_adam();
Comparison run_to_bytes(int count);

struct MatmulCase {
  int m, n, k, blocks, cluster;
};
Comparison run_matmul(const MatmulCase& matmul);

}  // namespace engine::simt
