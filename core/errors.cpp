#include "engine/core/errors.h"

#include <string_view>

namespace engine::detail {

void throw_invalid_argument(const std::string& message, const char* condition, const char* file,
                            int line) {
  // Folders above the library's own say nothing to a reader.
  std::string_view path = file;
  for (std::string_view folder : {"core/", "kernels/", "layers/", "optim/", "apps/"}) {
    const auto found = path.rfind(folder);
    if (found != std::string_view::npos) {
      path.remove_prefix(found);
      break;
    }
  }
  throw InvalidArgument(join(message, "\n  required: ", condition, "\n  at ", path, ":", line));
}

}  // namespace engine::detail
