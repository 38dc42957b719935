#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace engine {

enum class DeviceType : std::uint8_t { cpu, cuda };

struct CpuOptions {
  int threads = 0;  // 0: one per physical core that the process had when it first asked
};

// Where tensors live and kernels run. A small value; copying it is free.
class Device {
 public:
  static Device cpu(CpuOptions options = {});
  // Throws InvalidArgument when there is no such GPU, or none that this build has code for;
  // CudaError when it is busy. The text says what is missing.
  static Device cuda(int index = 0);
  // The first GPU that this build has code for, else the CPU. Throws CudaError when it is busy.
  static Device best(CpuOptions cpu_options = {});
  // "auto", "cpu", "cuda" or "cuda:1".
  static Device parse(std::string_view text, CpuOptions cpu_options = {});

  DeviceType type() const { return type_; }
  bool is_cpu() const { return type_ == DeviceType::cpu; }
  bool is_cuda() const { return type_ == DeviceType::cuda; }
  int index() const { return index_; }
  int threads() const { return threads_; }  // CPU threads that a kernel uses; 1 on a GPU

  // True where convolutions and products run on bf16 matrix units (tensor cores, AMX or
  // AVX-512 bf16): Precision::automatic then means bf16.
  bool has_bf16_matrix_units() const;
  // True where they multiply f32 that is rounded to tf32 (tensor cores).
  bool has_tf32_matrix_units() const { return is_cuda(); }

  bool operator==(const Device&) const = default;

 private:
  Device(DeviceType type, int index, int threads) : type_(type), index_(index), threads_(threads) {}

  DeviceType type_;
  int index_;
  int threads_;
};

std::ostream& operator<<(std::ostream& out, const Device& device);  // cpu(2 threads), cuda:0

// One line for people: "cpu, 2 threads, AMD EPYC, avx512 avx512_bf16".
std::string describe(const Device& device);

// Why Device::best() is the CPU here: "built for 8.0, 9.0a; this GPU (Tesla T4) is 7.5", "the
// driver is older than the toolkit ...". "" where it is a GPU.
std::string why_no_cuda();

}  // namespace engine
