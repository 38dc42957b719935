#include "engine/layers/dropout.h"

#include "engine/kernels/random.h"

namespace engine {

Value dropout(const Scope& scope, const Value& x, const DropoutOptions& options) {
  const NameScope names = scope.name_nodes();
  ENGINE_CHECK(options.rate >= 0 && options.rate < 1, "dropout: ", scope.prefix(), ": rate ",
               options.rate, " is not in [0, 1)");
  if (!scope.training() || options.rate == 0) return x;
  return dropout(x, scope.full_name("dropout"), options.rate);
}

}  // namespace engine
