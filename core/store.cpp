#include "engine/core/store.h"

#include <algorithm>
#include <map>
#include <optional>

#include "engine/core/errors.h"
#include "engine/core/graph_data.h"
#include "engine/core/memory_plan.h"
#include "engine/core/no_such.h"

namespace engine {

namespace {

Tensor initial_clock(std::uint64_t seed) {
  return Tensor::from(std::vector<std::int32_t>{static_cast<std::int32_t>(seed),
                                                static_cast<std::int32_t>(seed >> 32), 0, 0},
                      {4});
}

std::int64_t bytes_of(const StateSpec& spec) {
  return TensorType{spec.shape, spec.dtype}.bytes();
}

// Memory for entries, one after the other in one block, or each in its own.
std::vector<Tensor> allocate(const std::vector<const StateSpec*>& states, bool is_separate,
                             const Device& device) {
  std::int64_t bytes = 0;
  for (const StateSpec* spec : states) bytes += aligned(bytes_of(*spec));
  std::vector<Tensor> tensors;
  try {
    Tensor block;
    if (!is_separate) block = Tensor::empty({bytes}, DType::u8, device);
    std::int64_t offset = 0;
    for (const StateSpec* spec : states) {
      if (is_separate) {
        tensors.push_back(Tensor::empty(spec->shape, spec->dtype, device));
        continue;
      }
      tensors.push_back(Tensor::borrow(static_cast<std::byte*>(block.data()) + offset, spec->shape,
                                       spec->dtype, device, [block] {}));
      offset += aligned(bytes_of(*spec));
    }
  } catch (const OutOfMemory& error) {
    std::vector<MemoryPlan::Consumer> consumers;
    for (const StateSpec* spec : states) consumers.push_back({spec->name, bytes_of(*spec)});
    throw OutOfMemory(join("store: out of memory for ", megabytes(bytes), " of state (",
                           error.what(), "); its largest parts are", list_largest(consumers)));
  }
  return tensors;
}

}  // namespace

struct Store::Impl {
  Device device;
  bool separate_allocations = false;
  std::vector<Entry> entries;
  std::map<std::string, std::size_t, std::less<>> index;
  std::uint64_t version = 0;

  const Entry& entry(std::string_view name) const {
    const auto found = index.find(name);
    ENGINE_CHECK(found != index.end(), "store: ", no_such("entry", name, index));
    return entries[found->second];
  }
  void add(std::string name, StateRole role, Tensor tensor) {
    index.emplace(name, entries.size());
    entries.push_back({std::move(name), role, std::move(tensor)});
  }
};

Store::Store(Device device, StoreOptions options)
    : impl_(std::make_shared<Impl>(Impl{device, options.separate_allocations, {}, {}, 0})) {
  put(kClockName, initial_clock(options.seed), StateRole::counter);
}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;
Store::Store(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store Store::share() const {
  return Store(impl_);
}

const Device& Store::device() const {
  return impl_->device;
}
const std::vector<Store::Entry>& Store::entries() const {
  return impl_->entries;
}

std::uint64_t Store::seed() const {
  const Tensor clock = get(kClockName).to(Device::cpu());
  const auto words = clock.span<std::int32_t>();
  return static_cast<std::uint32_t>(words[0]) |
         static_cast<std::uint64_t>(static_cast<std::uint32_t>(words[1])) << 32;
}

std::int64_t Store::step() const {
  return static_cast<std::uint32_t>(get(kClockName).to(Device::cpu()).span<std::int32_t>()[2]);
}

void Store::declare(const Graph& graph) {
  std::vector<const StateSpec*> missing;
  for (const StateSpec& spec : graph.states()) {
    const Entry* entry = find(spec.name);
    if (entry == nullptr) {
      missing.push_back(&spec);
      continue;
    }
    const TensorType type{spec.shape, spec.dtype};
    ENGINE_CHECK(entry->tensor.type() == type, "store: \"", spec.name, "\" is ",
                 entry->tensor.type(), ", the graph declares ", type);
  }
  std::stable_sort(missing.begin(), missing.end(),
                   [](const StateSpec* a, const StateSpec* b) { return a->role < b->role; });
  if (missing.empty()) return;
  const std::vector<Tensor> tensors = allocate(missing, impl_->separate_allocations, impl_->device);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const StateSpec& spec = *missing[i];
    tensors[i].copy_from(initialize(spec.init, spec.shape, spec.dtype, seed(), spec.name));
    impl_->add(spec.name, spec.role, tensors[i]);
  }
}

const Store::Entry* Store::find(std::string_view name) const {
  const auto found = impl_->index.find(name);
  return found == impl_->index.end() ? nullptr : &impl_->entries[found->second];
}

Tensor Store::get(std::string_view name) const {
  return impl_->entry(name).tensor;
}

void Store::set(std::string_view name, const Tensor& value) {
  const Entry& entry = impl_->entry(name);
  ENGINE_CHECK(entry.tensor.type() == value.type(), "store: \"", name, "\" is ",
               entry.tensor.type(), ", given was ", value.type());
  mark_changed();
  entry.tensor.copy_from(value);
}

void Store::put(std::string_view name, const Tensor& value, StateRole role) {
  if (find(name) != nullptr) return set(name, value);
  mark_changed();
  Tensor tensor = Tensor::empty(value.shape(), value.dtype(), impl_->device);
  tensor.copy_from(value);
  impl_->add(std::string(name), role, std::move(tensor));
}

std::int64_t Store::parameter_count() const {
  std::int64_t count = 0;
  for (const Entry& entry : impl_->entries) {
    if (entry.role == StateRole::parameter) count += entry.tensor.elements();
  }
  return count;
}

std::uint64_t Store::version() const {
  return impl_->version;
}
void Store::mark_changed() {
  ++impl_->version;
}

}  // namespace engine
