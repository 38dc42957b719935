#pragma once

#include <string>
#include <string_view>

#include "engine/core/graph.h"

namespace engine {

// Random tensors of the current step: a function of the clock (seed, step), `name` and the element
// alone, the same bits on every device (normals: 2 ulp). The clock stands still, and every run
// repeats the numbers, unless the graph has minimize() or Graph::advance_clock(). A second call
// with a name that is taken goes by "name#2", and so on, and so gets other numbers. Gradients:
// none.
Value random_uniform(Graph& graph, std::string_view name, const Shape& shape);  // [0, 1)
Value random_normal(Graph& graph, std::string_view name, const Shape& shape);   // N(0, 1), 2 ulp

// Zeroes each element with probability `rate` and divides the others by 1 - rate. The mask is
// recomputed in the backward pass, not stored. Dtypes: f32, bf16. 0 <= rate < 1. Gradients: x.
// NaN and infinity give NaN where they are dropped.
Value dropout(const Value& x, std::string_view name, float rate);

// i32 [batch]: the rows that this step takes from a data set of `rows` rows, shuffled anew in each
// epoch by a keyed permutation. An epoch has rows / batch steps; the rest of its rows is left out.
// Throws when batch exceeds rows.
Value shuffled_rows(Graph& graph, std::string_view name, std::int64_t rows, std::int64_t batch);

// An op that draws from the stream of its own name.
class RandomOp : public Op {
 public:
  explicit RandomOp(std::string key_name);
  const std::string& key_name() const { return key_name_; }
  Effect effect() const final { return Effect::random; }

 protected:
  std::uint64_t hash() const { return hash_; }  // with the seed, the stream's key

 private:
  std::string key_name_;
  std::uint64_t hash_;
};

// `name`, with a suffix where a RandomOp of the graph has it: what all of the above go by.
std::string unused_random_name(const Graph& graph, std::string_view name);

}  // namespace engine
