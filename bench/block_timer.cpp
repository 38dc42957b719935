// Our side of bench/compare.py. For every line on standard input it runs a block of steps and
// prints the milliseconds of one step, so that the peer and we can take turns in one sitting.
//   block_timer training-step|prediction --network daynight --precision f32|bf16 --batch 64
//               --size 64 --channels 3 --threads 2 --steps 5 --device cpu|cuda
//   block_timer version
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <string>

#include "engine/core/version.h"
#include "engine/engine.h"
#include "engine/layers/models/registry.h"

using namespace engine;

namespace {

std::map<std::string, std::string> parse(int count, char** words) {
  std::map<std::string, std::string> options{
      {"--network", "daynight"}, {"--precision", "f32"}, {"--batch", "64"}, {"--size", "64"},
      {"--channels", "3"},       {"--threads", "0"},     {"--steps", "5"},  {"--device", "cpu"}};
  for (int i = 2; i + 1 < count; i += 2) {
    ENGINE_CHECK(options.contains(words[i]), "block_timer: unknown option ", words[i]);
    options[words[i]] = words[i + 1];
  }
  return options;
}

Tensor random_images(std::int64_t batch, std::int64_t size, std::int64_t channels) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> pixels(static_cast<std::size_t>(batch * size * size * channels));
  for (float& pixel : pixels) pixel = uniform(random);
  return Tensor::from(pixels, {batch, size, size, channels});
}

struct Task {
  bool is_training = false;
  bool has_classes = false;  // labels are classes; else one logit decides
  std::string network;
  Precision precision = Precision::f32;
  std::int64_t batch = 0, size = 0, channels = 0;
};

Graph graph_of(const Task& task) {
  Graph graph;
  const Scope net(graph, task.is_training ? Mode::training : Mode::inference);
  const Value images = graph.input("images", {task.batch, task.size, task.size, task.channels});
  const Value logits = models::find_classifier(task.network)
                           .build(net, images, {.outputs = task.has_classes ? 10 : 1});
  graph.output("logits", logits);
  if (!task.is_training) return graph;
  const Value labels = task.has_classes ? graph.input("labels", {task.batch}, DType::i32)
                                        : graph.input("labels", {task.batch, 1});
  minimize(net,
           mean(task.has_classes ? softmax_cross_entropy(logits, labels)
                                 : binary_cross_entropy_with_logits(logits, labels)),
           Adam{.learning_rate = 1e-3});
  return graph;
}

void set_inputs(Executable& step, const Task& task) {
  step.set_input("images", random_images(task.batch, task.size, task.channels));
  if (!task.is_training) return;
  std::vector<float> alternating(static_cast<std::size_t>(task.batch));
  for (std::size_t i = 0; i < alternating.size(); ++i) alternating[i] = i % 2 == 0 ? 0 : 1;
  const Tensor labels = Tensor::from(alternating, {task.batch});
  step.set_input("labels",
                 task.has_classes ? labels.to(DType::i32) : labels.reshape({task.batch, 1}));
}

void time_blocks(Executable& step, std::int64_t steps, const Device& device) {
  step.run(2);  // first touch of all memory
  Stream(device).synchronize();
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto start = std::chrono::steady_clock::now();
    step.run(steps);
    Stream(device).synchronize();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    std::printf("%.6f\n", took.count() / static_cast<double>(steps));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int count, char** words) try {
  const std::string name = count > 1 ? words[1] : "";
  if (name == "version") {
    std::printf("%s, %s\n", version_string().c_str(), build_string().c_str());
    return 0;
  }
  ENGINE_CHECK(name == "training-step" || name == "prediction",
               "block_timer: the task is training-step, prediction or version, not \"", name, '"');
  const auto options = parse(count, words);
  const auto number = [&](const char* key) { return std::stoll(options.at(key)); };
  const Task task{.is_training = name == "training-step",
                  .has_classes = options.at("--network") != "daynight",
                  .network = options.at("--network"),
                  .precision = parse_precision(options.at("--precision")),
                  .batch = number("--batch"),
                  .size = number("--size"),
                  .channels = number("--channels")};
  const Device device =
      Device::parse(options.at("--device"), {.threads = static_cast<int>(number("--threads"))});
  Store store(device);
  Executable step =
      compile(graph_of(task), store,
              {.precision = task.precision,
               .parameters = task.is_training ? Parameters::trainable : Parameters::frozen});
  set_inputs(step, task);
  time_blocks(step, number("--steps"), device);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
