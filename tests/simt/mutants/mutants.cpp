// In the program of mutate.py beside the tests. ENGINE_MUTANT=n: mistake n is made. Without it
// prints, after each test that passed, "met: TEST MILLISECONDS MISTAKE...".
#include "mutants.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

namespace engine::simt {
namespace {

// ENGINE_SIMT_MUTANTS: how many there are.
std::array<std::atomic<bool>, ENGINE_SIMT_MUTANTS> is_met;

int chosen() {
  const char* text = std::getenv("ENGINE_MUTANT");
  return text ? std::atoi(text) : -1;
}
const int chosen_mutant = chosen();

class Listener : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    for (auto& met : is_met) met = false;
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    if (!test.result()->Passed()) return;
    std::printf("met: %s.%s %lld", test.test_suite_name(), test.name(),
                static_cast<long long>(test.result()->elapsed_time()));
    for (std::size_t id = 0; id < is_met.size(); ++id) {
      if (is_met[id]) std::printf(" %zu", id);
    }
    std::printf("\n");
  }
};

const bool is_listening = [] {
  if (chosen_mutant == -1) {  // gtest owns it
    testing::UnitTest::GetInstance()->listeners().Append(new Listener);
  }
  return true;
}();

}  // namespace

bool is_mutant(int id) noexcept {
  is_met[static_cast<std::size_t>(id)].store(true, std::memory_order_relaxed);
  return id == chosen_mutant;
}

}  // namespace engine::simt
