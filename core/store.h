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

  // A second handle on the same entries, which live as long as one of their handles.
  Store share() const;

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
  // Copies `value` into an entry. Throws when there is none of that name (declare() and compile()
  // make them), and on another shape or dtype.
  void set(std::string_view name, const Tensor& value);
  // The same, but makes the entry, in this role, where there is none. For what loads a model before
  // its graph is declared.
  void put(std::string_view name, const Tensor& value, StateRole role);
  std::int64_t parameter_count() const;  // elements of all parameters

  // Counts writes to parameters and statistics: by set() and put(), by loading, by each run of an
  // executable that updates them. Executables compiled with frozen parameters compare it, so that a
  // stale packed copy is never used.
  std::uint64_t version() const;
  void mark_changed();  // after writing into one of them through Tensor::data()

 private:
  struct Impl;
  explicit Store(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace engine
