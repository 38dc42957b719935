#pragma once

#include <cstdint>
#include <vector>

#include "engine/apps/data/dataset.h"

namespace engine::apps::testing_support {

inline std::vector<std::int64_t> items_per_class(const ImageDataset& data) {
  std::vector<std::int64_t> items(data.classes.size());
  for (const std::int32_t label : data.label_span()) ++items.at(static_cast<std::size_t>(label));
  return items;
}

}  // namespace engine::apps::testing_support
