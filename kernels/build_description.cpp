#include "engine/kernels/build_description.h"

#include "engine/core/backend.h"
#include "engine/core/cpu_info.h"
#include "engine/core/version.h"
#include "engine/kernels/cpu/onednn.h"

namespace engine {

std::string build_description() {
  std::string text = "engine " + version_string() + "\n";
  text += "built:            " + build_string() + "\n";
  const std::string cuda = cuda_build_string();
  text += "devices:          cpu" + (cuda.empty() ? "" : ", cuda (" + cuda + ")") + "\n";
  text += "libraries:        oneDNN " + cpu::onednn_version() + "\n";
  text += "instruction sets:";
  for (const std::string& name : cpu_instruction_sets()) text += " " + name;
  text += "\n";
  return text;
}

}  // namespace engine
