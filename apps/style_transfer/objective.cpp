#include "engine/apps/style_transfer/objective.h"

#include "engine/apps/run/exit_codes.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/kernels/total_variation.h"
#include "engine/layers/history.h"

namespace engine::apps::style_transfer {
namespace {

std::vector<std::string> names_of(const std::vector<LayerWeight>& layers) {
  std::vector<std::string> names;
  for (const LayerWeight& layer : layers) names.push_back(layer.name);
  return names;
}

std::vector<Value> features(const Scope& net, const Value& image, const Objective& objective,
                            const std::vector<std::string>& layers) {
  const Value x = color_transform(image, objective.encoder->normalization);
  return models::vgg_features(
      net, x, {.shape = objective.encoder->shape, .pooling = objective.pooling, .layers = layers});
}

// F^T F / (N M).
Value normalized_gram(const Value& maps) {
  return gram(maps, static_cast<float>(1.0 / static_cast<double>(maps.shape().elements())));
}

// sum((F^T F - A)^2) / (4 N^2 M^2), the A being input number `target`.
Value style_distance(Graph& graph, const Value& maps, std::size_t target) {
  const Value matrix = normalized_gram(maps);
  const auto channels = static_cast<float>(matrix.shape()[0]);
  return mean_squared_difference(matrix, graph.input(join("style.", target), matrix.shape())) *
         (channels * channels / 4);
}

Value masked_style_distance(Graph& graph, const Value& maps, const Objective& objective,
                            std::size_t layer) {
  Value sum;
  for (std::size_t mask = 0; mask < objective.mask_shares.size(); ++mask) {
    const std::size_t target = mask * objective.style.size() + layer;
    const Shape shape = {1, maps.shape()[1], maps.shape()[2], 1};
    const Value seen = maps * graph.input(join("mask.", target), shape);
    const Value part =
        style_distance(graph, seen, target) * static_cast<float>(objective.mask_shares[mask]);
    sum = sum ? sum + part : part;
  }
  return sum;
}

Value weighted_sum(const std::vector<Value>& losses, const std::vector<LayerWeight>& layers) {
  double total = 0;
  for (const LayerWeight& layer : layers) total += layer.weight;
  Value sum;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const Value part = losses[i] * static_cast<float>(layers[i].weight / total);
    sum = sum ? sum + part : part;
  }
  return sum;
}

}  // namespace

Objective make_objective(const StyleSettings& settings, const Encoder& encoder) {
  Objective objective{.encoder = &encoder};
  objective.pooling =
      settings.pooling == "max" ? models::VggPooling::maximum : models::VggPooling::average;
  objective.content = parse_layers("--content-layers", settings.content_layers);
  objective.style = parse_layers("--style-layers", settings.style_layers);
  for (const auto* list : {&objective.content, &objective.style}) {
    for (const LayerWeight& layer : *list) {
      try {
        models::find_vgg_layer(encoder.shape, layer.name);
      } catch (const InvalidArgument& error) {
        throw UsageError(error.what());
      }
    }
  }
  objective.content_weight = settings.content_weight;
  objective.style_weight = settings.style_weight;
  objective.variation_weight = settings.variation_weight;
  return objective;
}

std::vector<Shape> style_map_shapes(const Objective& objective, const Shape& picture) {
  Graph graph;
  const Scope net(graph, Mode::inference);
  std::vector<Shape> shapes;
  for (const Value& maps :
       features(net, graph.input("image", picture), objective, names_of(objective.style))) {
    shapes.push_back(maps.shape());
  }
  return shapes;
}

Graph measuring_graph(const Objective& objective, const Shape& picture, bool is_style) {
  Graph graph;
  const Scope net(graph, Mode::inference);
  const Value image = graph.input("image", picture);
  const std::vector<Value> maps =
      features(net, image, objective, names_of(is_style ? objective.style : objective.content));
  for (std::size_t i = 0; i < maps.size(); ++i) {
    graph.output(join("target", i), is_style ? normalized_gram(maps[i]) : maps[i]);
  }
  return graph;
}

Targets measure(const Objective& objective, const Tensor& picture, const DeviceOptions& device,
                bool is_style) {
  const Graph graph = measuring_graph(objective, picture.shape(), is_style);
  Store store(device.open());
  objective.encoder->load_into(store, graph);
  Executable step = compile(
      graph, store, {.precision = device.parsed_precision(), .parameters = Parameters::frozen});
  step.set_input("image", picture);
  step.run();
  Targets targets;
  const std::size_t layers = (is_style ? objective.style : objective.content).size();
  for (std::size_t i = 0; i < layers; ++i) {
    const Tensor target = step.output(join("target", i)).to(Device::cpu()).clone();
    (is_style ? targets.style : targets.content).push_back(target);
  }
  return targets;
}

Value style_loss(const Scope& net, const Value& image, const Objective& objective) {
  Graph& graph = net.graph();
  std::vector<std::string> layers = names_of(objective.content);
  for (const std::string& name : names_of(objective.style)) layers.push_back(name);
  const std::vector<Value> maps = features(net, image, objective, layers);
  std::vector<Value> content, style;
  for (std::size_t i = 0; i < objective.content.size(); ++i) {
    const Value target = graph.input(join("content.", i), maps[i].shape());
    content.push_back(mean_squared_difference(maps[i], target) * 0.25f);
  }
  for (std::size_t i = 0; i < objective.style.size(); ++i) {
    const Value& seen = maps[objective.content.size() + i];
    style.push_back(objective.mask_shares.empty()
                        ? style_distance(graph, seen, i)
                        : masked_style_distance(graph, seen, objective, i));
  }
  const Value content_loss = weighted_sum(content, objective.content);
  const Value style_loss = weighted_sum(style, objective.style);
  const Value variation =
      total_variation(image) / static_cast<float>(image.shape()[1] * image.shape()[2]);
  record(net, "content_loss", content_loss);
  record(net, "style_loss", style_loss);
  record(net, "variation_loss", variation);
  return content_loss * static_cast<float>(objective.content_weight) +
         style_loss * static_cast<float>(objective.style_weight) +
         variation * static_cast<float>(objective.variation_weight);
}

}  // namespace engine::apps::style_transfer
