#pragma once

#include "engine/apps/data/image.h"
#include "engine/apps/data/scene_parts.h"

namespace engine::apps::scene {

// Lights the painted surfaces and takes the photograph: lamp light, fog, glare, exposure, white
// balance, tone curve, vignette, softness, noise.
Image photograph(Stage& stage);

}  // namespace engine::apps::scene
