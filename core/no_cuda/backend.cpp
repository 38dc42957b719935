// What core asks of CUDA, in a build without it.
#include "engine/core/backend.h"

namespace engine {

Backend* cuda_backend() {
  return nullptr;
}
int cuda_device_count() {
  return 0;
}

}  // namespace engine
