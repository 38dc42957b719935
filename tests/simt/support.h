#pragma once

#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "engine/core/cuda/check.h"
#include "simt/control.h"

// What the emulator's own tests share.
namespace engine::simt {

// Device memory of one test, with exactly the size of its data so that guard pages are near.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    ENGINE_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)));
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    ENGINE_CUDA_CHECK(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return count_; }
  std::vector<T> values() const {
    std::vector<T> copy(count_);
    ENGINE_CUDA_CHECK(cudaMemcpy(copy.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return copy;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

// Uniform in [-1, 1), rounded to T; the same for one seed.
template <class T>
std::vector<T> random_values(std::size_t count, std::uint64_t seed, float scale = 1.0f) {
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ull + 12345;
  std::vector<T> values(count);
  for (T& value : values) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    value = T(scale * (static_cast<float>(static_cast<std::int32_t>(state >> 32)) / 2147483648.0f));
  }
  return values;
}

// Counts elements with an error above their bound; NaN is one.
class Comparison {
 public:
  void add(double got, double want, double bound) {
    count_++;
    if (std::fabs(got - want) <= bound) return;
    if (mismatches_++ == 0) {
      first_ = " first at " + std::to_string(count_ - 1) + ": got " + std::to_string(got) +
               ", want " + std::to_string(want) + ", bound " + std::to_string(bound);
    }
  }
  std::size_t mismatches() const { return mismatches_; }
  testing::AssertionResult result() const {
    if (count_ == 0) return testing::AssertionFailure() << "nothing was compared";
    if (mismatches_ == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure() << mismatches_ << " of " << count_ << " differ," << first_;
  }

 private:
  std::size_t count_ = 0, mismatches_ = 0;
  std::string first_;
};

struct NamedSchedule {
  const char* name;
  Schedule schedule;
  std::uint64_t seed;
};
inline const NamedSchedule kSchedules[] = {{"ordered", Schedule::kOrdered, 1},
                                           {"reverse", Schedule::kReverse, 1},
                                           {"random", Schedule::kRandom, 1},
                                           {"random_seed_2", Schedule::kRandom, 2}};
inline void PrintTo(const NamedSchedule& schedule, std::ostream* out) {
  *out << schedule.name;
}

inline std::string all_reports() {
  std::string text;
  for (const Report& report : reports()) text += report.kind + ": " + report.text + "\n";
  return text;
}

// "conv.cu:83": the line of a sample kernel whose comment `// mistake: one, other` has the name.
inline std::string place_of_mistake(const std::string& file, const std::string& name) {
  std::ifstream source(std::string(ENGINE_SIMT_KERNELS) + "/" + file);
  std::string line;
  for (int number = 1; std::getline(source, line); number++) {
    const std::size_t comment = line.find("// mistake: ");
    if (comment == std::string::npos) continue;
    const std::string names = line.substr(comment + 11) + ",";
    if (names.find(" " + name + ",") != std::string::npos)
      return file + ":" + std::to_string(number);
  }
  return file + " has no line with mistake: " + name;
}

// Starts every test without reports, and prints none that the test expects.
class EmulatorTest : public testing::Test {
 protected:
  EmulatorTest() {
    config().quiet = true;
    config().schedule = Schedule::kOrdered;
    config().seed = 1;
    reset();
  }
  ~EmulatorTest() override { reset(); }
};

}  // namespace engine::simt
