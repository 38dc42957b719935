#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/graph.h"
#include "engine/core/memory_plan.h"
#include "engine/core/passes.h"
#include "engine/core/store.h"

namespace engine {

enum class Parameters : std::uint8_t {
  trainable,  // read afresh each run
  // Those that the graph does not update, and statistics likewise, are packed once when compiling;
  // run() throws after anything but this executable changed the Store's parameters or statistics.
  frozen,
};

struct CompileOptions {
  Precision precision = Precision::automatic;
  Parameters parameters = Parameters::trainable;
  bool fuse = true;
  // One allocation per intermediate tensor instead of one arena: guard pages and poison see every
  // overrun. For tests.
  bool separate_allocations = false;
  // 1: plan summary; 2: time per node; 3: the graph after each pass; 4: every kernel call.
  // -1: the environment variable ENGINE_DEBUG, else 0.
  int debug = -1;
  // Where debug text goes; default: standard error when `debug` is above 0.
  std::function<void(std::string_view)> log = {};
};

// A compiled graph over a Store: every node prepared, all memory laid out. run() allocates nothing
// of its own (oneDNN takes small blocks in its calls) and checks nothing. One executable is used by
// one thread at a time; different ones may run at once, over Stores of their own or over one that
// none of them updates.
//
// Order on CUDA. Calls that enqueue return before the GPU is done. What one executable enqueues
// runs in the order of its calls, whatever their streams. Every call of the engine that names no
// stream (set_input(), run(), reading, copying, filling, saving or releasing tensors, stores,
// executables) waits for all that executables have enqueued on the device, on anybody's stream;
// reading, copying and filling are done when they return. So after run(stream) nothing has to be
// synchronised before output(), Store::step(), save_checkpoint() or the destructor. The caller
// orders what the engine does not see: his own accesses to tensors through Tensor::data() and
// DLPack, two executables over one Store on two streams of his, and graphs that he captured and
// launches.
class Executable {
 public:
  Executable(Executable&&) noexcept;
  Executable& operator=(Executable&&) noexcept;
  ~Executable();

  // Copies `value` into the executable's own buffer for this input. Throws on an unknown name,
  // shape or dtype.
  void set_input(std::string_view name, const Tensor& value);
  // The same on `stream`, without waiting: `value` stays as it is until the copy is done. The first
  // call for an input allocates.
  void set_input(std::string_view name, const Tensor& value, const Stream& stream);
  // Reads this tensor's memory in every run from now on, without a copy.
  void bind_input(std::string_view name, const Tensor& tensor);

  // Enqueues steps on the device's default stream.
  void run(std::int64_t steps = 1);
  // Enqueues them on `stream`, and does not synchronise it unless CompileOptions::debug asks for
  // times. In a capture of the caller's they become part of his graph, node by node.
  void run(const Stream& stream, std::int64_t steps = 1);

  // A named output; it shares the executable's memory and holds the latest run's value.
  Tensor output(std::string_view name) const;

  // Runs one step node by node, calling `visit` with each node and its outputs as they are made.
  void inspect(const std::function<void(const Node& node, std::span<const Tensor> outputs)>& visit);
  // Runs one step, puts the state back (also when it throws) and names the first node whose output
  // held a NaN or infinity; "" when all were finite.
  std::string find_non_finite();

  struct NodeTime {
    std::string name;
    std::string op;
    std::string kernel;
    double seconds = 0;  // per step
    Cost cost;
  };
  // Runs `steps` steps, node by node, with a timer around every one.
  std::vector<NodeTime> profile(std::int64_t steps = 1);

  const Graph& graph() const;  // after all passes
  const MemoryPlan& memory_plan() const;
  // Arena, state, inputs and the largest tensors in a table.
  std::string plan_summary() const;
  Precision precision() const;
  const Device& device() const;

 private:
  Tensor own_input(std::string_view name, const TensorType& type);

  friend Executable build_executable(const Graph&, Store&, std::span<const FusionRule>,
                                     const CompileOptions&);
  struct Impl;
  explicit Executable(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The result of profile() as a table, in execution order.
std::string time_table(std::span<const Executable::NodeTime> times);

// simplify -> precision -> fusion -> order -> memory -> prepare. Most callers want compile()
// (kernels/compile.h), which passes the library's fusion rules. The result shares the
// entries of `store`, whose handle may be moved or destroyed.
Executable build_executable(const Graph& graph, Store& store, std::span<const FusionRule> rules,
                            const CompileOptions& options = {});

}  // namespace engine
