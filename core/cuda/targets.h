#pragma once

#include <string_view>

namespace engine::cuda {

// Which of `targets` ("8.0, 9.0a", as the build lists them, lowest first) a GPU runs: 10 major +
// minor, 0 for none. Machine code runs on its own major version from its minor on, 9.0a on exactly
// 9.0; the first target's PTX, which goes along unless that is an exact one, on everything later.
// 9.0 without the a has nothing that 8.9 has not, and counts as 89: 90 promises wgmma.
int code_for(int major, int minor, std::string_view targets);

// What this library was built for: "8.0, 9.0a".
std::string_view built_targets();

}  // namespace engine::cuda
