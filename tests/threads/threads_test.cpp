// Executables in several threads at once. Under ThreadSanitizer (the preset tsan) it also shows
// that they share nothing unguarded; devices of one thread, as OpenMP's runtime is not
// instrumented.
#include <thread>

#include <gtest/gtest.h>

#include "engine/kernels/compile.h"
#include "engine/layers/models/daynight.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"
#include "tests/support/training_model.h"

namespace engine {
namespace {

constexpr int kThreads = 4;

// body(0) ... body(kThreads - 1), at once.
template <class Body>
void in_threads(const Body& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

// Each thread builds, compiles and trains a model of its own: the same bits as alone.
TEST(Threads, TrainOverStoresOfTheirOwn) {
  const Device device = Device::cpu({.threads = 1});
  const auto train = [&](int i) {
    Store store(device, {.seed = static_cast<std::uint64_t>(1 + i)});
    TrainingModel().compile_step(store).run(3);
    return store.get("out.weight").clone();
  };
  std::vector<Tensor> weights(kThreads);
  in_threads([&](int i) { weights[static_cast<std::size_t>(i)] = train(i); });
  for (int i = 0; i < kThreads; ++i) {
    EXPECT_TRUE(same_bits(weights[static_cast<std::size_t>(i)], train(i))) << "thread " << i;
  }
}

// A server: one set of weights, one executable a thread.
TEST(Threads, PredictOverOneStore) {
  const Device device = Device::cpu({.threads = 1});
  Graph graph;
  Value images = graph.input("images", {2, 16, 16, 3}, DType::f32);
  graph.output("logits", models::daynight(Scope(graph, Mode::inference), images, {.outputs = 1}));
  Store store(device);
  std::vector<Executable> executables;
  for (int i = 0; i < kThreads; ++i) {
    executables.push_back(compile(graph, store, {.parameters = Parameters::frozen}));
  }
  std::vector<Tensor> inputs, logits(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    inputs.push_back(random_tensor({2, 16, 16, 3}, DType::f32, static_cast<std::uint32_t>(i)));
  }
  const auto predict = [&](int i, int executable) {
    Executable& predictor = executables[static_cast<std::size_t>(executable)];
    predictor.set_input("images", inputs[static_cast<std::size_t>(i)]);
    predictor.run(5);
    return predictor.output("logits").clone();
  };
  in_threads([&](int i) { logits[static_cast<std::size_t>(i)] = predict(i, i); });
  for (int i = 0; i < kThreads; ++i) {
    EXPECT_TRUE(same_bits(logits[static_cast<std::size_t>(i)], predict(i, 0))) << "thread " << i;
  }
}

}  // namespace
}  // namespace engine
