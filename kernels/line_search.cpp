#include "engine/kernels/line_search.h"

#include "engine/kernels/line_search_code.h"

namespace engine {

LineDecision advance_line_search(LineSearchState& state, const LinePoint& trial,
                                 int most_evaluations, double& next) {
  return line_search::advance(state, trial, most_evaluations, next);
}

}  // namespace engine
