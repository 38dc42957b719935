#include "engine/core/no_such.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/core/errors.h"

namespace engine {

namespace {

constexpr std::size_t kMostListed = 8;

// How many letters are to be added, removed or replaced to get from `a` to `b` (Levenshtein 1966).
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) text += join(text.empty() ? "" : ", ", '"', name, '"');
  return text;
}

}  // namespace

std::string no_such(std::string_view what, std::string_view name,
                    const std::vector<std::string_view>& known) {
  std::vector<std::string_view> near;
  for (const std::string_view candidate : known) {
    if (edits_between(name, candidate) <= 1 + name.size() / 5) near.push_back(candidate);
  }
  if (near.size() > kMostListed) near.resize(kMostListed);
  const std::string text = join("there is no ", what, " \"", name, '"');
  if (!near.empty()) return join(text, "; did you mean ", listed(near), '?');
  if (known.empty()) return join(text, "; there is none at all");
  return known.size() > kMostListed ? text : join(text, "; there are ", listed(known));
}

}  // namespace engine
