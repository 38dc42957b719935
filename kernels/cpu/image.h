#pragma once

#include <memory>

#include "engine/core/kernel.h"
#include "engine/core/random.h"
#include "engine/kernels/image.h"

namespace engine::cpu {

// Input: images.
std::unique_ptr<Kernel> prepare_normalize_images(const Normalization& normalization,
                                                 const PrepareContext& context);
// Inputs: images, clock.
std::unique_ptr<Kernel> prepare_random_geometry(const RandomImageOptions& options,
                                                std::uint64_t name_hash,
                                                const PrepareContext& context);

// What random_geometry does to image `index`.
ImageGeometry image_geometry(const RandomImageOptions& options, RandomStream random,
                             std::int64_t index);

}  // namespace engine::cpu

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_normalize_images(const Normalization& normalization,
                                                 const PrepareContext& context);
std::unique_ptr<Kernel> prepare_random_geometry(const RandomImageOptions& options,
                                                std::uint64_t name_hash,
                                                const PrepareContext& context);

}  // namespace engine::cuda
