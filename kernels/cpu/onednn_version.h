#pragma once

#include <string>

namespace engine::cpu {

std::string onednn_version();  // of the library loaded now, which may be newer than the headers

}  // namespace engine::cpu
