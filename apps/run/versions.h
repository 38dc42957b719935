#pragma once

#include <string>

namespace engine::apps {

// The libraries that the apps use beside the engine's: "libjpeg-turbo 2.1.5, libpng 1.6.39, ...".
std::string app_libraries();

// What --version prints: the app's name, then the engine's build description, then the libraries.
std::string version_text(const std::string& app);

}  // namespace engine::apps
