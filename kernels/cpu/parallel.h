#pragma once

#include "engine/core/cpu/parallel.h"
