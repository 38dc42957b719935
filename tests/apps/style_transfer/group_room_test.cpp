#include <limits>

#include <gtest/gtest.h>

#include "engine/apps/style_transfer/memory.h"
#include "tests/apps/data/temporary_folder.h"

namespace engine::apps::style_transfer {
namespace {

TEST(StyleMemory, CachedFilesOfAGroupAreRoom) {
  const testing_support::TemporaryFolder folder;
  constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(group_room(folder.path()), kUnlimited);
  folder.write("memory.max", std::string("max\n"));
  folder.write("memory.current", std::string("700\n"));
  EXPECT_EQ(group_room(folder.path()), kUnlimited);
  folder.write("memory.max", std::string("1000\n"));
  EXPECT_EQ(group_room(folder.path()), 300);
  folder.write("memory.stat", std::string("anon 90\nfile 600\ninactive_file 450\nactive_file 1\n"));
  EXPECT_EQ(group_room(folder.path()), 750);
}

}  // namespace
}  // namespace engine::apps::style_transfer
