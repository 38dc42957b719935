#pragma once

#include "engine/core/cpu/simd.h"
