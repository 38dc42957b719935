#include "engine/core/source_ops.h"

#include "engine/core/errors.h"
#include "engine/core/graph.h"
#include "engine/core/random.h"

namespace engine {

std::string InputOp::attributes() const {
  return join(input_name, ' ', type);
}
std::string ReadStateOp::attributes() const {
  return join(state_name, ' ', type);
}

std::string ConstantOp::attributes() const {
  const std::string text = join(tensor.type(), ' ');
  if (tensor.elements() == 1) {
    // A float does not tell all 32-bit integers apart.
    if (tensor.dtype() == DType::i32) return text + join(tensor.span<std::int32_t>()[0]);
    return text + join(tensor.item());
  }
  const std::string_view bytes(static_cast<const char*>(tensor.data()),
                               static_cast<std::size_t>(tensor.bytes()));
  return text + join('#', std::hex, hash_name(bytes));
}

bool is_source(const Op& op) {
  return dynamic_cast<const InputOp*>(&op) != nullptr ||
         dynamic_cast<const ConstantOp*>(&op) != nullptr ||
         dynamic_cast<const ReadStateOp*>(&op) != nullptr;
}

}  // namespace engine
