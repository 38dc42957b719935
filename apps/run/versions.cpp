#include "engine/apps/run/versions.h"

#include <CLI/Version.hpp>
#include <nlohmann/json.hpp>
#include <png.h>
#include <zlib.h>

#include "engine/core/errors.h"
#include "engine/core/version.h"
#include "engine/kernels/build_description.h"

namespace engine::apps {

std::string app_libraries() {
  return join("libjpeg-turbo ", ENGINE_TURBOJPEG_VERSION, ", libpng ", png_get_libpng_ver(nullptr),
              ", zlib ", zlibVersion(), ", CLI11 ", CLI11_VERSION, ", nlohmann-json ",
              NLOHMANN_JSON_VERSION_MAJOR, ".", NLOHMANN_JSON_VERSION_MINOR, ".",
              NLOHMANN_JSON_VERSION_PATCH);
}

std::string version_text(const std::string& app) {
  return join(app, " ", version_string(), "\n", build_description(),
              "app libraries:    ", app_libraries());
}

}  // namespace engine::apps
