#pragma once

#include <string>

namespace engine::apps {

// Why an NVIDIA GPU that is in this machine is not used by --device auto; "" where it is, or where
// there is none.
std::string unused_gpu();

}  // namespace engine::apps
