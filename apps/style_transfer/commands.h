#pragma once

#include "engine/apps/run/app_main.h"

namespace engine::apps::style_transfer {

Command run_command();

}  // namespace engine::apps::style_transfer
