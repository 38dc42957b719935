#include "engine/apps/cnn/model_info.h"

#include <cmath>

#include "engine/apps/run/exit_codes.h"
#include "engine/core/safetensors.h"

namespace engine::apps::cnn {
namespace {

constexpr int kFormat = 1;
constexpr int kMaxExtent = 16384;

// Names of the tensors that the network reads, with their shapes.
std::vector<StateSpec> expected_tensors(const ModelInfo& info) {
  Graph graph;
  Scope net(graph, Mode::inference);
  info.logits(net, graph.input("images", {1, info.height, info.width, info.channels}, DType::u8));
  return graph.states();
}

void check(bool condition, const std::string& file, const std::string& what) {
  if (!condition) throw IoError(file + ": is no usable model: " + what);
}

void check_info(const ModelInfo& info, const std::string& file) {
  const auto extent = [](int value) { return value >= 1 && value <= kMaxExtent; };
  check(extent(info.height) && extent(info.width), file, "its picture size is impossible");
  check(info.channels == 1 || info.channels == 3, file, "it has neither 1 nor 3 channels");
  check(info.labels.size() >= 2, file, "it has fewer than two labels");
  const std::size_t outputs = info.labels.size() == 2 ? 1 : info.labels.size();
  check(info.options.outputs == static_cast<std::int64_t>(outputs), file,
        "its labels do not fit its outputs");
  check(info.options.width >= 1 && info.options.width <= 64, file, "its width is impossible");
  for (const std::int64_t units : info.options.hidden) {
    check(units >= 1 && units <= 1 << 20, file, "a hidden layer's size is impossible");
  }
  const Normalization& n = info.normalization;
  const auto channels = static_cast<std::size_t>(info.channels);
  check(n.mean.size() == channels && n.standard_deviation.size() == channels, file,
        "its normalisation does not fit its channels");
  for (std::size_t i = 0; i < channels; ++i) {
    check(std::isfinite(n.mean[i]) && std::isfinite(n.standard_deviation[i]) &&
              n.standard_deviation[i] > 0,
          file, "its normalisation is impossible");
  }
}

}  // namespace

Value ModelInfo::logits(const Scope& net, const Value& images) const {
  return models::find_classifier(network).build(net, normalize_images(images, normalization),
                                                options);
}

nlohmann::json to_json(const ModelInfo& info) {
  return {{"format", kFormat},
          {"app", "cnn"},
          {"network", info.network},
          {"options",
           {{"outputs", info.options.outputs},
            {"hidden", info.options.hidden},
            {"width", info.options.width},
            {"dropout", info.options.dropout}}},
          {"input",
           {{"height", info.height},
            {"width", info.width},
            {"channels", info.channels},
            {"fit", name_of(info.fit)}}},
          {"normalization",
           {{"mean", info.normalization.mean},
            {"standard_deviation", info.normalization.standard_deviation}}},
          {"labels", info.labels},
          {"threshold", info.threshold},
          {"training", info.training}};
}

ModelInfo parse_model_info(const nlohmann::json& json, const std::string& file) {
  check(json.is_object() && json.contains("app"), file, "it has no description of this engine");
  ModelInfo info;
  try {
    check(json.at("app") == "cnn", file, "it was made by the app " + json.at("app").dump());
    check(json.at("format") == kFormat, file,
          "its format " + json.at("format").dump() + " is not known here");
    json.at("network").get_to(info.network);
    const auto& options = json.at("options");
    options.at("outputs").get_to(info.options.outputs);
    options.at("hidden").get_to(info.options.hidden);
    options.at("width").get_to(info.options.width);
    options.at("dropout").get_to(info.options.dropout);
    const auto& input = json.at("input");
    input.at("height").get_to(info.height);
    input.at("width").get_to(info.width);
    input.at("channels").get_to(info.channels);
    info.fit = parse_fit(input.at("fit").get<std::string>());
    const auto& normalization = json.at("normalization");
    normalization.at("mean").get_to(info.normalization.mean);
    normalization.at("standard_deviation").get_to(info.normalization.standard_deviation);
    json.at("labels").get_to(info.labels);
    json.at("threshold").get_to(info.threshold);
    info.training = json.value("training", nlohmann::json::object());
    models::find_classifier(info.network);
  } catch (const nlohmann::json::exception&) {
    check(false, file, "its description is incomplete or damaged");
  } catch (const InvalidArgument& error) {
    const std::string text = error.what();
    check(false, file, text.substr(0, text.find('\n')));
  }
  check_info(info, file);
  return info;
}

std::filesystem::path find_model_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    if (!std::filesystem::exists(path, error)) {
      throw IoError(join("--model ", path.string(), ": there is no such file or folder"));
    }
    return path;
  }
  const std::filesystem::path file = path / "model.safetensors";
  if (std::filesystem::exists(file, error)) return file;
  if (std::filesystem::exists(path / "fold-1.safetensors", error)) {
    throw IoError(join("--model ", path.string(),
                       ": a run with --folds has a model for each fold; name one of them, such as ",
                       (path / "fold-1.safetensors").string()));
  }
  throw IoError(join("--model ", path.string(), ": there is no model.safetensors in this folder"));
}

LoadedModel load_classifier(const std::filesystem::path& path, const Device& device) {
  const std::filesystem::path file = find_model_file(path);
  const SafetensorsFile content = read_safetensors(file);
  const auto metadata = content.metadata.find("engine");
  nlohmann::json json;
  if (metadata != content.metadata.end()) {
    json = nlohmann::json::parse(metadata->second, nullptr, false);
  }
  LoadedModel model{file, parse_model_info(json, file.string()), Store(device)};
  std::vector<StateSpec> expected;
  try {
    expected = expected_tensors(model.info);
  } catch (const InvalidArgument& error) {
    const std::string text = error.what();
    check(false, file.string(), text.substr(0, text.find('\n')));
  }
  for (const StateSpec& spec : expected) {
    const Tensor* tensor = content.find(spec.name);
    check(tensor != nullptr, file.string(),
          join("the network ", model.info.network, " needs a tensor ", spec.name));
    check(tensor->type() == TensorType{spec.shape, spec.dtype}, file.string(),
          join("tensor ", spec.name, " is ", tensor->type(), ", the network ", model.info.network,
               " needs ", TensorType{spec.shape, spec.dtype}));
    model.store.put(spec.name, *tensor, spec.role);
  }
  return model;
}

}  // namespace engine::apps::cnn
