#pragma once

#include <vector>

#include "engine/apps/style_transfer/encoder.h"
#include "engine/apps/style_transfer/settings.h"
#include "engine/core/scope.h"

namespace engine::apps::style_transfer {

// The loss as the settings and the encoder define it.
struct Objective {
  const Encoder* encoder = nullptr;
  models::VggPooling pooling = models::VggPooling::average;
  std::vector<LayerWeight> content, style;
  double content_weight = 1, style_weight = 1, variation_weight = 0;
  // Where styles have masks: how much each counts. Else one target stands for all of them.
  std::vector<double> mask_shares;
};
// Throws UsageError for a layer that the encoder does not have.
Objective make_objective(const StyleSettings& settings, const Encoder& encoder);

// What a picture's features are compared with: a tensor for each layer.
struct Targets {
  std::vector<Tensor> content;  // activations
  std::vector<Tensor> style;    // Gram matrices, one layer after another; so for each mask
  std::vector<Tensor> masks;    // as mask_at() makes them, in the same order; or none
};

// What measure() computes, for a picture of this shape: outputs "target0", ... Throws
// InvalidArgument where it is too small for the deepest layer.
Graph measuring_graph(const Objective& objective, const Shape& picture, bool is_style);

// The activations whose Gram matrices are compared, of a picture of this shape.
std::vector<Shape> style_map_shapes(const Objective& objective, const Shape& picture);

// Of a picture, f32 [1, h, w, 3] in 0..255: its activations or Gram matrices in f32.
Targets measure(const Objective& objective, const Tensor& picture, const DeviceOptions& device,
                bool is_style);

// J(G) = content_weight sum of l_i mean((F - P)^2) / 4
//      + style_weight sum of l_i sum((F^T F - A)^2) / (4 N^2 M^2)
//      + variation_weight total_variation(G) / pixels
// over the layers i with N channels and M positions; P and A are inputs "content.i" and "style.i"
// (A divided by N M of its own picture, so that style pictures of other sizes mean the same). Each
// of several masks T, inputs "mask.i", has a style part of its own, of T F in place of F, and
// counts by its share; its A follow those of the mask before it. Records "content_loss",
// "style_loss" and "variation_loss" each step. Source: Gatys et al. 2015, arXiv:1508.06576,
// equations 3 to 7; the content's mean in place of half the sum, so that weights mean the same at
// every size.
Value style_loss(const Scope& net, const Value& image, const Objective& objective);

}  // namespace engine::apps::style_transfer
