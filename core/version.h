#pragma once

#include <string>

namespace engine {

std::string version_string();  // "0.1.0"

// How the library was built: "revision 0123456789, GNU 12.2.0, Release"; the revision is left out
// where the source was no git work tree, "-dirty" marks uncommitted changes.
std::string build_string();

}  // namespace engine
