#include <algorithm>
#include <charconv>
#include <vector>

#include "engine/core/cuda/targets.h"

namespace engine::cuda {

namespace {

// A compute capability that code was made for: 8.0, or 9.0a, which runs on exactly 9.0.
struct Target {
  int major = 0;
  int minor = 0;
  bool is_exact = false;
};

std::vector<std::string_view> names_of(std::string_view targets) {
  std::vector<std::string_view> names;
  while (!targets.empty()) {
    const std::size_t comma = targets.find(',');
    names.push_back(targets.substr(0, comma));
    targets.remove_prefix(comma == targets.npos ? targets.size() : comma + 1);
    targets.remove_prefix(std::min(targets.find_first_not_of(' '), targets.size()));
  }
  return names;
}

Target parse(std::string_view name) {
  Target target;
  const char* const end = name.data() + name.size();
  const char* at = std::from_chars(name.data(), end, target.major).ptr;
  if (at != end && *at == '.') at = std::from_chars(at + 1, end, target.minor).ptr;
  target.is_exact = at != end;
  return target;
}

}  // namespace

int code_for(int major, int minor, std::string_view targets) {
  int best = 0;
  bool is_first = true;
  for (const std::string_view name : names_of(targets)) {
    const Target target = parse(name);
    const bool is_later = major > target.major || (major == target.major && minor >= target.minor);
    const bool runs = target.is_exact ? major == target.major && minor == target.minor
                                      : is_later && (is_first || major == target.major);
    const int code = 10 * target.major + target.minor;
    if (runs) best = code == 90 && !target.is_exact ? 89 : code;
    is_first = false;
  }
  return best;
}

std::string_view built_targets() {
  return ENGINE_CUDA_TARGETS;
}

}  // namespace engine::cuda
