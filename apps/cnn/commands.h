#pragma once

#include "engine/apps/run/app_main.h"

namespace engine::apps::cnn {

Command train_command();
Command eval_command();
Command predict_command();
Command doctor_command();

}  // namespace engine::apps::cnn
