#include "engine/core/backend.h"

#include <cstring>
#include <new>

#include "engine/core/cpu_info.h"
#include "engine/core/errors.h"
#include "engine/core/memory_plan.h"

namespace engine {

namespace {

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
