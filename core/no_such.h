#pragma once

// Private to core: what an error says about a name that is not there.
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// `there is no input "imges"; did you mean "images"?`, with the names that a slip of the pen is
// away from; without such, all names where they are few.
std::string no_such(std::string_view what, std::string_view name,
                    const std::vector<std::string_view>& known);

// The same for the keys of a map.
template <class Map>
std::string no_such(std::string_view what, std::string_view name, const Map& known) {
  std::vector<std::string_view> names;
  for (const auto& [key, value] : known) names.push_back(key);
  return no_such(what, name, names);
}

}  // namespace engine
