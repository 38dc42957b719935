#include "engine/core/backend.h"

#include <chrono>
#include <cstring>
#include <new>

#include "engine/core/cpu_info.h"
#include "engine/core/errors.h"
#include "engine/core/memory_plan.h"

namespace engine {

namespace {

// Work is done when a call returns.
class CpuMarker final : public Marker {
 public:
  void set(void*) override {}
  void hold(void*) override {}
};

class CpuTimer final : public Timer {
 public:
  void mark(void*) override { marks_.push_back(Clock::now()); }
  std::vector<double> take() override {
    std::vector<double> seconds;
    for (std::size_t i = 1; i < marks_.size(); ++i) {
      seconds.push_back(std::chrono::duration<double>(marks_[i] - marks_[i - 1]).count());
    }
    marks_.clear();
    return seconds;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::time_point> marks_;
};

class CpuBackend final : public Backend {
 public:
  void* allocate(std::int64_t bytes, int) override {
    void* data = ::operator new (static_cast<std::size_t>(bytes == 0 ? 1 : bytes),
                                 std::align_val_t{kAlignment}, std::nothrow);
    if (data == nullptr) throw OutOfMemory(join("cpu: ", bytes, " bytes asked for, none given"));
    return data;
  }
  void release(void* data, int) noexcept override {
    ::operator delete (data, std::align_val_t{kAlignment});
  }
  void copy(void* to, const void* from, std::int64_t bytes, int, void*) override {
    if (bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
  void fill_zero(void* data, std::int64_t bytes, int, void*) override {
    if (bytes > 0) std::memset(data, 0, static_cast<std::size_t>(bytes));
  }
  void synchronize(int, void*) override {}
  std::unique_ptr<Marker> make_marker(int) override { return std::make_unique<CpuMarker>(); }
  void order_default_stream(int) override {}
  std::unique_ptr<Timer> make_timer(int) override { return std::make_unique<CpuTimer>(); }
  void push_device(int) override {}
  void pop_device() noexcept override {}
  std::unique_ptr<Recording> record(int, const std::function<void(void*)>&) override {
    return nullptr;
  }
  bool is_capturing(int, void*) override { return false; }
  std::string why_unsupported(int) override { return ""; }
  void open(int) override {}
  std::string describe(int) override { return cpu_model(); }
};

}  // namespace

Backend& cpu_backend() {
  static CpuBackend backend;
  return backend;
}

Backend& backend_of(const Device& device) {
  if (device.is_cpu()) return cpu_backend();
  Backend* cuda = cuda_backend();
  ENGINE_CHECK(cuda != nullptr, "device ", device, ": this library was built without CUDA");
  return *cuda;
}

}  // namespace engine
