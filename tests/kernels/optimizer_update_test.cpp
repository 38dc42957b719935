#include "engine/kernels/optimizer_update.h"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "tests/reference/optimizer_update.h"
#include "tests/support/cases.h"
#include "tests/support/clock.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"
#include "tests/support/torch_vectors.h"

namespace engine {
namespace {

// A graph with one update over parameters of the given shapes, and the inputs that it was fed.
struct UpdateRun {
  std::vector<Shape> shapes;
  std::map<std::string, Tensor> inputs;
  Graph graph;
  UpdateInputs update;

  explicit UpdateRun(std::vector<Shape> parameter_shapes) : shapes(std::move(parameter_shapes)) {
    update.learning_rate = graph.input("rate", {});
    update.gradient_scale = graph.input("scale", {});
    update.clock = graph.clock();
    update.parameters = list("p", 1);
    update.gradients = list("g", 2);
  }
  // One input a parameter, "<prefix><index>", with random content.
  std::vector<Value> list(const std::string& prefix, std::uint32_t seed, float low = -1) {
    std::vector<Value> values;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const std::string name = prefix + std::to_string(i);
      values.push_back(graph.input(name, shapes[i]));
      inputs[name] = random_tensor(shapes[i], DType::f32, seed * 100 + i, {low, 1});
    }
    return values;
  }
  void outputs(const std::string& prefix, const std::vector<Value>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      graph.output(prefix + std::to_string(i), values[i]);
    }
  }
  std::vector<Tensor> run(float rate, float scale, std::int32_t step, const Device& device) {
    inputs["rate"] = Tensor::scalar(rate);
    inputs["scale"] = Tensor::scalar(scale);
    const Store store = store_at(1, step);
    return interpret(graph, inputs, &store, device);
  }
  double at(const std::string& name, std::size_t i, std::int64_t element) {
    return inputs[join(name, i)].span<float>()[static_cast<std::size_t>(element)];
  }
};

// Scalars, empty ones, one more than a vector, one more than a segment, and much in one tensor.
// An emulated GPU is slow: less there.
std::vector<Shape> shapes_on(const Device& device) {
  if (device.is_cuda()) return {{}, {3, 5}, {0, 4}, {17}, {4097}, {3, 3000}};
  return {{}, {3, 5}, {0, 4}, {17}, {8193}, {3, 40000}};
}

struct SgdCase {
  const char* name;
  SgdUpdate options;
  float scale;
};
ENGINE_TEST_CASE_PRINTS_NAME(SgdCase)

const SgdCase kSgdCases[] = {
    {"plain", {}, 1},
    {"weight_decay", {.weight_decay = 0.1}, 1},
    {"momentum", {.momentum = 0.9}, 1},
    {"momentum_decay_scaled", {.momentum = 0.9, .weight_decay = 0.01}, 0.25f},
    {"nesterov", {.momentum = 0.9, .weight_decay = 0.01, .nesterov = true}, 1},
};

class SgdUpdateTest : public DeviceTest<SgdCase> {};

TEST_P(SgdUpdateTest, MatchesReference) {
  const SgdUpdate& options = GetParam().options;
  const float rate = 0.3f, scale = GetParam().scale;
  const std::vector<Shape> shapes = shapes_on(device());
  UpdateRun run(shapes);
  const bool has_velocity = options.momentum != 0;
  const auto velocities = has_velocity ? run.list("v", 3) : std::vector<Value>();
  const SgdUpdateResult result = sgd_update(run.update, velocities, options);
  run.outputs("p'", result.parameters);
  run.outputs("v'", result.velocities);
  const std::vector<Tensor> got = run.run(rate, scale, 7, device());
  ASSERT_EQ(got.size(), shapes.size() * (has_velocity ? 2 : 1));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    std::vector<double> p, v, p_bound, v_bound;
    for (std::int64_t k = 0; k < shapes[i].elements(); ++k) {
      const double old_p = run.at("p", i, k), g = run.at("g", i, k) * scale;
      const double old_v = has_velocity ? run.at("v", i, k) : 0;
      const auto want = reference::sgd(
          {old_p, old_v}, g, {rate, options.momentum, options.weight_decay, options.nesterov});
      const double magnitude = std::fabs(g) + options.weight_decay * std::fabs(old_p) +
                               options.momentum * std::fabs(old_v);
      p.push_back(want.p);
      v.push_back(want.v);
      v_bound.push_back(error_bound(4, magnitude, want.v));
      p_bound.push_back(error_bound(8, rate * 2 * magnitude, want.p));
    }
    if (p.empty()) continue;
    EXPECT_TRUE(close_to(got[i], p, p_bound)) << "parameter " << i;
    if (has_velocity) {
      EXPECT_TRUE(close_to(got[shapes.size() + i], v, v_bound)) << "velocity " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, SgdUpdateTest, on_devices(kSgdCases), device_case_name);

struct AdamCase {
  const char* name;
  AdamUpdate options;
  std::int32_t step;
  float scale;
};
ENGINE_TEST_CASE_PRINTS_NAME(AdamCase)

const AdamCase kAdamCases[] = {
    {"first_step", {}, 0, 1},
    {"late", {}, 100000, 1},
    {"weight_decay_scaled", {.weight_decay = 0.1}, 3, 0.125f},
    {"decoupled", {.weight_decay = 0.1, .decoupled = true}, 3, 1},
    {"other_betas", {.beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-3}, 1, 1},
};

class AdamUpdateTest : public DeviceTest<AdamCase> {};

TEST_P(AdamUpdateTest, MatchesReference) {
  const AdamUpdate& options = GetParam().options;
  const float rate = 0.01f, scale = GetParam().scale;
  const std::vector<Shape> shapes = shapes_on(device());
  UpdateRun run(shapes);
  const auto first = run.list("m", 3), second = run.list("v", 4, 0);
  const AdamUpdateResult result = adam_update(run.update, first, second, options);
  run.outputs("p'", result.parameters);
  run.outputs("m'", result.first_moments);
  run.outputs("v'", result.second_moments);
  const std::vector<Tensor> got = run.run(rate, scale, GetParam().step, device());
  ASSERT_EQ(got.size(), shapes.size() * 3);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    std::vector<double> p, m, v, p_bound, m_bound, v_bound;
    for (std::int64_t k = 0; k < shapes[i].elements(); ++k) {
      const double old_p = run.at("p", i, k), g = run.at("g", i, k) * scale;
      const double old_m = run.at("m", i, k), old_v = run.at("v", i, k);
      const auto want = reference::adam({old_p, old_m, old_v}, g, GetParam().step + 1.0,
                                        {rate, options.beta1, options.beta2, options.epsilon,
                                         options.weight_decay, options.decoupled});
      p.push_back(want.p);
      m.push_back(want.m);
      v.push_back(want.v);
      const double slope = std::fabs(g) + options.weight_decay * std::fabs(old_p);
      const double m_size = options.beta1 * std::fabs(old_m) + (1 - options.beta1) * slope;
      m_bound.push_back(error_bound(4, m_size, want.m));
      v_bound.push_back(
          error_bound(6, options.beta2 * old_v + (1 - options.beta2) * slope * slope, want.v));
      // The step is m times a factor with a handful of roundings.
      const double factor = std::fabs((want.p - old_p) / (want.m == 0 ? 1 : want.m));
      p_bound.push_back(error_bound(16, factor * m_size + std::fabs(old_p), want.p));
    }
    if (p.empty()) continue;
    EXPECT_TRUE(close_to(got[i], p, p_bound)) << "parameter " << i;
    EXPECT_TRUE(close_to(got[shapes.size() + i], m, m_bound)) << "first moment " << i;
    EXPECT_TRUE(close_to(got[2 * shapes.size() + i], v, v_bound)) << "second moment " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, AdamUpdateTest, on_devices(kAdamCases), device_case_name);

// Five steps of PyTorch's optimizers, the slots carried along.
struct TorchCase {
  const char* name;
  float rate;
  bool is_adam;
  SgdUpdate sgd;
  AdamUpdate adam;
};
ENGINE_TEST_CASE_PRINTS_NAME(TorchCase)

const TorchCase kTorchCases[] = {
    {"sgd", 0.1f, false, {}, {}},
    {"sgd_momentum", 0.1f, false, {.momentum = 0.9, .weight_decay = 0.01}, {}},
    {"sgd_nesterov", 0.1f, false, {.momentum = 0.8, .weight_decay = 0.05, .nesterov = true}, {}},
    {"adam", 0.01f, true, {}, {}},
    {"adam_weight_decay",
     0.01f,
     true,
     {},
     {.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-4, .weight_decay = 0.1}},
    {"adamw", 0.01f, true, {}, {.weight_decay = 0.1, .decoupled = true}},
};

class TorchOptimizer : public DeviceTest<TorchCase> {};

TEST_P(TorchOptimizer, FiveStepsAgree) {
  const TorchCase& test = GetParam();
  const TorchVectors torch(test.name);
  UpdateRun run({torch["p0"].shape(), torch["p1"].shape()});
  std::vector<std::string> state = {"p"};
  if (test.is_adam) {
    const AdamUpdateResult result =
        adam_update(run.update, run.list("m", 3), run.list("v", 4), test.adam);
    run.outputs("p'", result.parameters);
    run.outputs("m'", result.first_moments);
    run.outputs("v'", result.second_moments);
    state = {"p", "m", "v"};
  } else {
    const bool has_velocity = test.sgd.momentum != 0;
    const SgdUpdateResult result =
        sgd_update(run.update, has_velocity ? run.list("v", 3) : std::vector<Value>(), test.sgd);
    run.outputs("p'", result.parameters);
    run.outputs("v'", result.velocities);
    if (has_velocity) state.push_back("v");
  }
  for (const std::string& prefix : state) {
    for (const int i : {0, 1}) {
      Tensor& tensor = run.inputs[prefix + std::to_string(i)];
      tensor = prefix == "p" ? torch["p" + std::to_string(i)]
                             : Tensor::zeros(run.shapes[i], DType::f32, Device::cpu());
    }
  }
  for (int step = 0; step < 5; ++step) {
    for (const int i : {0, 1}) {
      run.inputs["g" + std::to_string(i)] =
          torch["g" + std::to_string(step) + "." + std::to_string(i)];
    }
    const std::vector<Tensor> got = run.run(test.rate, 1, step, device());
    for (const int i : {0, 1}) {
      const std::string name = "p" + std::to_string(step) + "." + std::to_string(i);
      const std::vector<double> want = to_doubles(torch[name]);
      std::vector<double> bound;
      // Some ten roundings a step on each side, of numbers up to 1 and the rate's steps.
      for (const double value : want)
        bound.push_back((step + 1) * 0x1p-22 * (1 + std::fabs(value)));
      EXPECT_TRUE(close_to(got[static_cast<std::size_t>(i)], want, bound)) << name;
    }
    for (std::size_t kind = 0; kind < state.size(); ++kind) {
      for (const std::size_t i : {0, 1})
        run.inputs[state[kind] + std::to_string(i)] = got[2 * kind + i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, TorchOptimizer, on_devices(kTorchCases), device_case_name);

// More tensors than one launch takes on CUDA.
TEST(ManyTensors, UpdatesAndNorm) {
  for (const Device& device : test_devices()) {
    SCOPED_TRACE(testing::Message() << device);
    UpdateRun run(std::vector<Shape>(50, Shape{5}));
    run.outputs("p'", sgd_update(run.update, {}, {}).parameters);
    run.graph.output("norm", squared_norm(run.update.gradients));
    const std::vector<Tensor> got = run.run(0.5f, 1, 0, device);
    double squares = 0;
    for (std::size_t i = 0; i < 50; ++i) {
      std::vector<double> want, bound;
      for (std::int64_t k = 0; k < 5; ++k) {
        const double p = run.at("p", i, k), g = run.at("g", i, k);
        squares += g * g;
        want.push_back(p - 0.5 * g);
        bound.push_back(error_bound(1, std::fabs(p) + std::fabs(g), want.back()));
      }
      EXPECT_TRUE(close_to(got[i], want, bound)) << "parameter " << i;
    }
    EXPECT_TRUE(close_to(got[50], std::vector<double>{squares}, error_bound(5, squares, squares)));
  }
}

TEST(SquaredNorm, MatchesReference) {
  const std::vector<Shape> shapes = {{}, {0}, {15}, {16}, {17}, {4097}, {100003}};
  Graph graph;
  std::map<std::string, Tensor> inputs;
  std::vector<Value> values;
  double want = 0;
  for (const Shape& shape : shapes) {
    const std::string name = join("x", values.size());
    values.push_back(graph.input(name, shape));
    inputs[name] = random_tensor(shape, DType::f32, static_cast<std::uint32_t>(values.size()));
    for (const double x : to_doubles(inputs[name])) want += x * x;
  }
  graph.output("y", squared_norm(values));
  for (const Device& device : test_devices()) {
    const Tensor got = interpret(graph, inputs, nullptr, device)[0];
    // 256 terms in each of 16 sums, then 4 levels.
    EXPECT_TRUE(close_to(got, std::vector<double>{want}, error_bound(260, want, want))) << device;
  }
}

TEST(SquaredNorm, NanAndInfinityShow) {
  for (const float bad : {NAN, INFINITY}) {
    Graph graph;
    std::vector<float> values(5000, 1.0f);
    values[4999] = bad;
    graph.output("y", squared_norm({graph.input("x", {5000})}));
    const std::map<std::string, Tensor> inputs = {{"x", Tensor::from(values, {5000})}};
    for (const Device& device : test_devices()) {
      const float got = interpret(graph, inputs, nullptr, device)[0].item();
      EXPECT_FALSE(std::isfinite(got)) << bad << " on " << device;
    }
  }
}

TEST(OptimizerUpdateErrors, ShapesAndCounts) {
  UpdateRun run({{3}, {4}});
  UpdateInputs wrong = run.update;
  std::swap(wrong.gradients[0], wrong.gradients[1]);
  try {
    sgd_update(wrong, {}, {});
    FAIL() << "did not throw";
  } catch (const InvalidArgument& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("f32[3]"), std::string::npos) << text;
    EXPECT_NE(text.find("f32[4]"), std::string::npos) << text;
  }
  wrong = run.update;
  wrong.gradients.pop_back();
  EXPECT_THROW(sgd_update(wrong, {}, {}), InvalidArgument);
  EXPECT_THROW(sgd_update(run.update, {}, {.momentum = 0.9}), InvalidArgument);
  EXPECT_THROW(sgd_update(run.update, {}, {.nesterov = true}), InvalidArgument);
  EXPECT_THROW(adam_update(run.update, {}, {}, {}), InvalidArgument);
}

}  // namespace
}  // namespace engine
