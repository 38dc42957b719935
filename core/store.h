#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

struct StoreOptions {
  std::uint64_t seed = 1;
  // One allocation per entry instead of one per declare(): guard pages see every overrun. For
  // tests.
  bool separate_allocations = false;
};

// Named tensors that persist between steps: parameters, optimizer slots, running statistics, the
// clock, loss rings. Several executables (train, eval) share one Store. A buffer never moves while
// the Store lives; loading copies into it.
class Store {
 public:
  explicit Store(Device device, StoreOptions options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  const Device& device() const;
  std::uint64_t seed() const;
  std::int64_t step() const;  // of the clock; 0 before the first step

  // Creates the entries that the graph declares and the Store lacks, initialised from the seed and
  // their names; throws when an entry exists with another shape or dtype. All new entries of one
  // call lie in one block, by role and in order of declaration, each padded to 256 bytes.
  // compile() calls this.
  void declare(const Graph& graph);

  struct Entry {
    std::string name;
    StateRole role;
    Tensor tensor;
  };
  const std::vector<Entry>& entries() const;  // in order of creation
  const Entry* find(std::string_view name) const;
  Tensor get(std::string_view name) const;  // shares the buffer; throws when there is none
  // Copies `value` into an entry (created when missing). Throws on another shape or dtype.
  void set(std::string_view name, const Tensor& value, StateRole role = StateRole::parameter);
  std::int64_t parameter_count() const;  // elements of all parameters

  // Counts writes to parameters: by set(), by loading, by each run of an executable that updates
  // them. Executables compiled with frozen parameters compare it, so that a stale packed copy is
  // never used.
  std::uint64_t version() const;
  void mark_changed();  // after writing into a parameter through Tensor::data()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace engine
