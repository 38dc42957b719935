#pragma once

#include <string>

namespace engine {

// What is inside, for `--version` and bug reports, a line each: the version; how it was built; the
// devices compiled in; the libraries, as loaded now; this processor's vector instruction sets.
std::string build_description();

}  // namespace engine
