#pragma once

#include <cmath>

namespace engine::reference {

// One element of SGD and Adam in double, straight from the formulas of PyTorch's documentation.
struct SgdElement {
  double p, v;
};

struct SgdSettings {
  double learning_rate, momentum = 0, weight_decay = 0;
  bool nesterov = false;
};

inline SgdElement sgd(SgdElement element, double gradient, const SgdSettings& settings) {
  gradient += settings.weight_decay * element.p;
  element.v = settings.momentum * element.v + gradient;
  const double direction = settings.nesterov ? gradient + settings.momentum * element.v : element.v;
  element.p -= settings.learning_rate * direction;
  return element;
}

struct AdamElement {
  double p, m, v;
};

struct AdamSettings {
  double learning_rate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  bool decoupled = false;
};

// `t` counts from 1.
inline AdamElement adam(AdamElement element, double gradient, double t,
                        const AdamSettings& settings) {
  if (settings.decoupled) {
    element.p -= settings.learning_rate * settings.weight_decay * element.p;
  } else {
    gradient += settings.weight_decay * element.p;
  }
  element.m = settings.beta1 * element.m + (1 - settings.beta1) * gradient;
  element.v = settings.beta2 * element.v + (1 - settings.beta2) * gradient * gradient;
  const double m_hat = element.m / (1 - std::pow(settings.beta1, t));
  const double v_hat = element.v / (1 - std::pow(settings.beta2, t));
  element.p -= settings.learning_rate * m_hat / (std::sqrt(v_hat) + settings.epsilon);
  return element;
}

}  // namespace engine::reference
