#include "engine/layers/models/registry.h"

#include <array>
#include <string>

#include "engine/core/errors.h"
#include "engine/layers/models/daynight.h"
#include "engine/layers/models/lenet5.h"
#include "engine/layers/models/mlp.h"
#include "engine/layers/models/vgg.h"

namespace engine::models {
namespace {

constexpr std::array<Classifier, 6> kClassifiers = {{
    {"logistic", "logistic regression on the pixels", logistic},
    {"mlp", "one hidden layer", mlp},
    {"deep_mlp", "several hidden layers", deep_mlp},
    {"daynight", "three 3x3 convolutions with pooling, for photographs", daynight},
    {"lenet5", "LeNet-5, for small pictures such as digits", lenet5},
    {"vgg_small", "nine 3x3 convolutions in five blocks, for small photographs", vgg_small},
}};

}  // namespace

std::span<const Classifier> classifiers() {
  return kClassifiers;
}

const Classifier& find_classifier(std::string_view name) {
  std::string names;
  for (const Classifier& classifier : kClassifiers) {
    if (classifier.name == name) return classifier;
    names += names.empty() ? "" : " ";
    names += classifier.name;
  }
  throw InvalidArgument(join("there is no network \"", name, "\"; there are: ", names));
}

}  // namespace engine::models
