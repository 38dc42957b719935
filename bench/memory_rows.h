#pragma once

#include "bench/engine_bench/subject.h"

// What elementwise_bench and training_bench share: ops that move memory as rows of Google
// Benchmark, beside a plain copy in the same run.
namespace engine::bench {

// How to fill inputs of these types: f32 and bf16 in [-1, 1), u8 as `bytes` says, i32 with rows.
std::vector<Fill> fills_of(const std::vector<TensorType>& inputs, Fill bytes);

// The op on tensors that take turns, so that no cache holds what the next call reads. Counters:
// GB/s, every tensor counted once, read or written; GFLOP/s where the op counts any; elements a
// second where `elements` says how many one call makes.
void add_memory_row(Subject subject, std::int64_t elements = 0);
void add_copy_row(const std::string& name, const TensorType& type);

// Runs the rows. Options: --threads=N first (0, the default: one a core), then Google Benchmark's.
// On a busy machine --threads=1, and the column of CPU time.
int run_memory_rows(int count, char** words);

}  // namespace engine::bench
