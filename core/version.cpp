#include "engine/core/version.h"

#include "engine_build_info.h"

namespace engine {

std::string version_string() {
  return ENGINE_BUILD_VERSION;
}

std::string build_string() {
  std::string text = ENGINE_BUILD_REVISION;
  if (!text.empty()) text = "revision " + text + ", ";
  text += ENGINE_BUILD_COMPILER;
  text += ", " ENGINE_BUILD_TYPE;
  if (*ENGINE_BUILD_SANITIZERS != '\0') text += ", sanitizers: " ENGINE_BUILD_SANITIZERS;
  return text;
}

}  // namespace engine
