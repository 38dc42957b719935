#include "engine/core/atomic_file.h"

#include <csignal>
#include <functional>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/core/errors.h"
#include "tests/core/temporary_folder.h"

namespace engine {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Names = std::set<std::string>;

// Runs `action` in a child that may write no file longer than `limit` bytes; its exit status.
int in_child_with_file_limit(rlim_t limit, const std::function<int()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit sizes = {limit, limit};
    ::_exit(::setrlimit(RLIMIT_FSIZE, &sizes) == 0 ? action() : 99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(AtomicFile, ReplacesContent) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", Bytes{1, 2, 3});
  write_file_atomically(folder / "a", Bytes{4});
  EXPECT_EQ(file_content(folder / "a"), Bytes{4});
  write_file_atomically(folder / "a", {});
  EXPECT_TRUE(file_content(folder / "a").empty());
  EXPECT_EQ(folder.names(), Names{"a"});
}

TEST(AtomicFile, OldContentStaysUntilCommit) {
  const TemporaryFolder folder;
  put_file(folder / "a", Bytes{1});
  {
    AtomicFile file(folder / "a");
    file.write(Bytes{2});
    EXPECT_EQ(file_content(folder / "a"), Bytes{1});
    EXPECT_EQ(folder.names().size(), 2u);
  }
  EXPECT_EQ(file_content(folder / "a"), Bytes{1});
  EXPECT_EQ(folder.names(), Names{"a"});
}

TEST(AtomicFile, KeepsThePrevious) {
  const TemporaryFolder folder;
  for (std::uint8_t i = 1; i <= 4; ++i) {
    AtomicFile file(folder / "a");
    file.write(Bytes{i});
    file.commit({.previous = folder / "a.previous"});
    EXPECT_EQ(file_content(folder / "a"), Bytes{i});
    if (i == 1) continue;
    EXPECT_EQ(file_content(folder / "a.previous"), Bytes{static_cast<std::uint8_t>(i - 1)});
    EXPECT_EQ(folder.names(), (Names{"a", "a.previous"}));
  }
}

// What a kill between keeping the previous and the last rename leaves: two names of one file.
TEST(AtomicFile, KeepsThePreviousAfterAnInterruptedCommit) {
  const TemporaryFolder folder;
  put_file(folder / "a", Bytes{1});
  std::filesystem::create_hard_link(folder / "a", folder / "a.previous");
  AtomicFile file(folder / "a");
  file.write(Bytes{2});
  file.commit({.previous = folder / "a.previous"});
  EXPECT_EQ(file_content(folder / "a"), Bytes{2});
  EXPECT_EQ(file_content(folder / "a.previous"), Bytes{1});
  EXPECT_EQ(folder.names(), (Names{"a", "a.previous"}));
}

TEST(AtomicFile, FailedWriteLeavesTheOldFileAndNoTemporary) {
  const TemporaryFolder folder;
  put_file(folder / "a", Bytes{1, 2, 3});
  const int status = in_child_with_file_limit(1000, [&] {
    try {
      write_file_atomically(folder / "a", Bytes(5000, 7));
    } catch (const IoError& error) {
      const std::string text = error.what();
      return text.find("after 1000 bytes: File too large") != std::string::npos ? 0 : 2;
    }
    return 1;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(file_content(folder / "a"), (Bytes{1, 2, 3}));
  EXPECT_EQ(folder.names(), Names{"a"});
}

TEST(AtomicFile, FailsWhereNothingCanBeWritten) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_file_atomically(folder / "no/such/a", Bytes{1}), IoError);
  EXPECT_THROW(write_file_atomically(folder / ".", Bytes{1}), IoError);
  EXPECT_THROW(write_file_atomically(folder / "", Bytes{1}), IoError);
  EXPECT_THROW(write_file_atomically(folder / std::string(300, 'x'), Bytes{1}), IoError);
  EXPECT_TRUE(folder.names().empty());
}

// A device must not be replaced by a file, as a rename would do for root.
TEST(AtomicFile, DeviceIsRefused) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/full", folder / "full");
  EXPECT_THROW(write_file_atomically("/dev/full", Bytes{1}), IoError);
  EXPECT_THROW(write_file_atomically(folder / "full", Bytes{1}), IoError);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  EXPECT_EQ(folder.names(), Names{"full"});
}

TEST(AtomicFile, SymbolicLinkStaysALink) {
  const TemporaryFolder folder;
  put_file(folder / "target", Bytes{1});
  std::filesystem::create_symlink("target", folder / "link");
  write_file_atomically(folder / "link", Bytes{2});
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(file_content(folder / "target"), Bytes{2});
}

TEST(AtomicFile, TwoWritersOfOnePathDoNotMix) {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a"), second(folder / "a");
  first.write(Bytes{1, 1});
  second.write(Bytes{2});
  first.commit();
  EXPECT_EQ(file_content(folder / "a"), (Bytes{1, 1}));
  second.commit();
  EXPECT_EQ(file_content(folder / "a"), Bytes{2});
  EXPECT_EQ(folder.names(), Names{"a"});
}

TEST(AtomicFile, ASecondCommitIsRefused) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.commit();
  EXPECT_THROW(file.commit(), InvalidArgument);
}

}  // namespace
}  // namespace engine
