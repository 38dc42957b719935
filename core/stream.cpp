#include "engine/core/stream.h"

#include "engine/core/backend.h"

namespace engine {

void Stream::synchronize() const {
  backend_of(device_).synchronize(device_.index(), native_handle_);
}

}  // namespace engine
