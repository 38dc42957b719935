#include "engine/kernels/build_description.h"

#include "engine/core/cpu_info.h"
#include "engine/core/version.h"
#include "engine/kernels/cpu/onednn.h"

namespace engine {

std::string build_description() {
  std::string text = "engine " + version_string() + "\n";
  text += "built:            " + build_string() + "\n";
  text += "devices:          cpu\n";
  text += "libraries:        oneDNN " + cpu::onednn_version() + "\n";
  text += "instruction sets:";
  for (const std::string& name : cpu_instruction_sets()) text += " " + name;
  text += "\n";
  return text;
}

}  // namespace engine
