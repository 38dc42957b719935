// Our side of bench/compare.py. For every line on standard input it runs a block of steps and
// prints the milliseconds of one step, so that the peer and we can take turns in one sitting.
//   block_timer training-step|prediction --network daynight --precision f32|bf16 --batch 64
//               --size 64 --channels 3 --threads 2 --steps 5 --device cpu|cuda
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <string>

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

}  // namespace

int main(int count, char** words) try {
  const std::string task = count > 1 ? words[1] : "";
  ENGINE_CHECK(task == "training-step" || task == "prediction",
               "block_timer: the task is training-step or prediction, not \"", task, '"');
  const bool is_training = task == "training-step";
  auto options = parse(count, words);
  const auto number = [&](const char* name) { return std::stoll(options.at(name)); };
  const std::int64_t batch = number("--batch");
  const std::int64_t steps = number("--steps");
  const bool has_classes = options["--network"] != "daynight";

  Graph graph;
  const Scope net(graph, is_training ? Mode::training : Mode::inference);
  const Value images =
      graph.input("images", {batch, number("--size"), number("--size"), number("--channels")});
  const Value logits = models::find_classifier(options["--network"])
                           .build(net, images, {.outputs = has_classes ? 10 : 1});
  graph.output("logits", logits);
  if (is_training) {
    if (has_classes) {
      const Value labels = graph.input("labels", {batch}, DType::i32);
      minimize(net, mean(softmax_cross_entropy(logits, labels)), Adam{.learning_rate = 1e-3});
    } else {
      const Value labels = graph.input("labels", {batch, 1});
      minimize(net, mean(binary_cross_entropy_with_logits(logits, labels)),
               Adam{.learning_rate = 1e-3});
    }
  }
  const Device device =
      Device::parse(options["--device"], {.threads = static_cast<int>(number("--threads"))});
  Store store(device);
  Executable step =
      compile(graph, store,
              {.precision = parse_precision(options["--precision"]),
               .parameters = is_training ? Parameters::trainable : Parameters::frozen});
  step.set_input("images", random_images(batch, number("--size"), number("--channels")));
  if (is_training) {
    std::vector<float> alternating(static_cast<std::size_t>(batch));
    for (std::size_t i = 0; i < alternating.size(); ++i) alternating[i] = i % 2 == 0 ? 0 : 1;
    const Tensor labels = Tensor::from(alternating, {batch});
    step.set_input("labels", has_classes ? labels.to(DType::i32) : labels.reshape({batch, 1}));
  }
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
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
