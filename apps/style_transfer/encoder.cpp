#include "engine/apps/style_transfer/encoder.h"

#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "engine/core/errors.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/reduce.h"
#include "engine/layers/import_torch.h"

namespace engine::apps::style_transfer {
namespace {

namespace fs = std::filesystem;

constexpr double kActivationTolerance = 1e-3;  // relative; other weights are off by far more

// Simonyan and Zisserman's means, RGB.
ColorTransform caffe_normalization() {
  return {.in_channels = 3,
          .matrix = {1, 0, 0, 0, 1, 0, 0, 0, 1},
          .offset = {-123.68f, -116.779f, -103.939f}};
}

fs::path built_in_encoder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed =
      program.parent_path().parent_path() / "share/engine/style_transfer/encoder.safetensors";
  if (!error && fs::exists(installed, error)) return installed;
  return ENGINE_ENCODER_IN_SOURCES;
}

std::string weight_name(const models::VggLayer& layer) {
  return join("features.", layer.number, ".weight");
}

// How many of the network's layers, from the first, the file has with the right shapes; throws
// where one is there with another shape and `is_certain`.
int matching_layers(const SafetensorsFile& file, const models::VggShape& shape, bool is_certain,
                    const fs::path& path) {
  int matching = 0;
  for (const models::VggLayer& layer : models::vgg_layers(shape)) {
    const Tensor* weight = file.find(weight_name(layer));
    const Tensor* bias = file.find(join("features.", layer.number, ".bias"));
    if (weight == nullptr || bias == nullptr) break;
    const Shape wanted{layer.filters, layer.in_channels, 3, 3};
    const bool fits = weight->shape() == wanted && bias->shape() == Shape{layer.filters} &&
                      is_floating_point(weight->dtype()) && is_floating_point(bias->dtype());
    if (!fits && is_certain) {
      throw IoError(join(path.string(), ": ", weight_name(layer), " is ", weight->type(),
                         " with a bias ", bias->type(), "; ", shape.name, " has ", wanted));
    }
    if (!fits) break;
    ++matching;
  }
  return matching;
}

models::VggShape recognize(const SafetensorsFile& file, const nlohmann::json& metadata,
                           const fs::path& path) {
  if (metadata.contains("network")) {
    const auto shape = models::find_vgg(metadata.at("network").get<std::string>());
    if (matching_layers(file, shape, true, path) == 0) {
      throw IoError(join(path.string(), ": has no ", shape.name, " weights"));
    }
    return shape;
  }
  const models::VggShape* best = nullptr;
  int most = 0;
  for (const models::VggShape& shape : models::vgg_shapes()) {
    const int matching = matching_layers(file, shape, false, path);
    if (matching <= most) continue;
    most = matching;
    best = &shape;
  }
  if (best == nullptr) {
    throw IoError(join(path.string(), ": holds no VGG network: features.0.weight should be ",
                       "[64, 3, 3, 3], with a bias"));
  }
  // One further layer of another shape would have ended the count.
  matching_layers(file, *best, true, path);
  return *best;
}

// The picture that scripts/convert_vgg.py computes the stored activations of.
Tensor check_picture(std::int64_t side) {
  std::vector<float> values;
  for (std::int64_t y = 0; y < side; ++y) {
    for (std::int64_t x = 0; x < side; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        values.push_back(static_cast<float>((37 * y + 59 * x + 83 * c + x * y) % 256));
      }
    }
  }
  return Tensor::from(values, {1, side, side, 3});
}

void check_activations(const Encoder& encoder, const nlohmann::json& check) {
  const auto side = check.at("side").get<std::int64_t>();
  ENGINE_CHECK(side >= 16 && side <= 256, "check.side is ", side);
  std::vector<std::string> layers;
  std::vector<double> wanted;
  for (const auto& [layer, value] : check.at("means").items()) {
    layers.push_back(layer);
    wanted.push_back(value.get<double>());
  }
  Graph graph;
  const Scope net(graph, Mode::inference);
  const Value picture = graph.input("picture", {1, side, side, 3});
  const auto maps = models::vgg_features(net, color_transform(picture, encoder.normalization),
                                         {.shape = encoder.shape, .layers = layers});
  for (std::size_t i = 0; i < maps.size(); ++i) graph.output(layers[i], mean(maps[i]));
  Store store(Device::cpu());
  encoder.load_into(store, graph);
  Executable step =
      compile(graph, store, {.precision = Precision::f32, .parameters = Parameters::frozen});
  step.set_input("picture", check_picture(side));
  step.run();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double got = step.output(layers[i]).item();
    if (std::abs(got - wanted[i]) <= kActivationTolerance * std::abs(wanted[i])) continue;
    throw IoError(join(encoder.file.string(), ": the mean activation of ", layers[i],
                       " on the test picture is ", got, ", but ", wanted[i],
                       " is stored; the weights are not those that were converted"));
  }
}

nlohmann::json read_metadata(const SafetensorsFile& file) {
  const auto found = file.metadata.find("style_transfer");
  return found == file.metadata.end() ? nlohmann::json::object()
                                      : nlohmann::json::parse(found->second);
}

}  // namespace

void Encoder::load_into(Store& store, const Graph& graph) const {
  for (const Value& parameter : graph.parameters()) {
    const std::string& name = graph.state_of(parameter).name;
    if (!name.starts_with("features.")) continue;
    const auto found = std::find_if(weights.begin(), weights.end(),
                                    [&](const auto& entry) { return entry.name == name; });
    if (found == weights.end()) {
      throw IoError(
          join(file.string(), ": has no ", name, ", which a layer that was asked for needs"));
    }
    store.put(name, found->tensor, StateRole::parameter);
  }
}

Encoder load_encoder(const fs::path& path) {
  Encoder encoder;
  encoder.is_built_in = path.empty();
  encoder.file = path.empty() ? built_in_encoder() : path;
  const SafetensorsFile file = read_safetensors(encoder.file);
  try {
    const nlohmann::json metadata = read_metadata(file);
    encoder.shape = recognize(file, metadata, encoder.file);
    encoder.normalization = caffe_normalization();
    if (metadata.contains("scale")) {
      const auto scale = metadata.at("scale").get<std::vector<float>>();
      ENGINE_CHECK(scale.size() == 3, "scale has ", scale.size(), " numbers");
      encoder.normalization.matrix = {scale[0], 0, 0, 0, scale[1], 0, 0, 0, scale[2]};
      encoder.normalization.offset = metadata.at("offset").get<std::vector<float>>();
    }
    const bool is_small = encoder.shape.name == "vgg_small";
    encoder.content_layers = metadata.value("content_layers", is_small ? "conv3_2" : "conv4_2");
    encoder.style_layers =
        metadata.value("style_layers", "conv1_1,conv2_1,conv3_1,conv4_1,conv5_1");
    encoder.style_weight = metadata.value("style_weight", is_small ? 1000.0 : 1e-2);
    encoder.variation_weight = metadata.value("variation_weight", is_small ? 1e-6 : 1.0);
    for (const models::VggLayer& layer : models::vgg_layers(encoder.shape)) {
      const Tensor* weight = file.find(weight_name(layer));
      const std::string bias = join("features.", layer.number, ".bias");
      if (weight == nullptr || file.find(bias) == nullptr) break;
      encoder.weights.push_back({weight_name(layer), import_torch_conv2d(*weight).to(DType::f32)});
      encoder.weights.push_back({bias, file.find(bias)->to(DType::f32)});
    }
    if (metadata.contains("check")) {
      check_activations(encoder, metadata.at("check"));
      encoder.is_checked = true;
    }
  } catch (const nlohmann::json::exception&) {
    throw IoError(encoder.file.string() + ": its metadata \"style_transfer\" is damaged");
  } catch (const InvalidArgument& error) {
    throw IoError(join(encoder.file.string(), ": ", error.what()));
  }
  return encoder;
}

}  // namespace engine::apps::style_transfer
