#include "engine/apps/run/run_folder.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/metrics_log.h"
#include "tests/apps/data/throws.h"

namespace engine::apps {
namespace {

namespace fs = std::filesystem;

// Every test runs in an empty current folder of its own.
class RunFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    folder_ =
        fs::temp_directory_path() / ("run folder " + std::to_string(getpid()) + " " +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    fs::current_path(folder_);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }

  static std::string read(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  fs::path before_, folder_;
};

TEST_F(RunFolderTest, NumbersAreCountedUpAndNothingIsOverwritten) {
  const nlohmann::json config = {{"app", "cnn"}};
  EXPECT_EQ(RunFolder::create("", "cnn-mlp", config).path(), "runs/cnn-mlp-001");
  fs::create_directory("runs/cnn-mlp-002");
  EXPECT_EQ(RunFolder::create("", "cnn-mlp", config).path(), "runs/cnn-mlp-003");
  EXPECT_EQ(RunFolder::create("named", "cnn-mlp", config).path(), "named");
  EXPECT_THROW(RunFolder::create("named", "cnn-mlp", config), UsageError);
}

TEST_F(RunFolderTest, ResumeTakesTheNewestUnfinishedRunOfTheApp) {
  EXPECT_THROW(RunFolder::resume("", "cnn"), UsageError);
  RunFolder::create("", "a", {{"app", "cnn"}, {"n", 1}});
  RunFolder::create("", "b", {{"app", "cnn"}, {"n", 2}});
  RunFolder::create("", "c", {{"app", "cnn"}, {"n", 3}});
  RunFolder::create("", "d", {{"app", "siamese"}});
  for (int i = 0; i < 4; ++i) {  // file times may be coarse
    const char* names[] = {"a-001", "b-001", "c-001", "d-001"};
    fs::last_write_time(fs::path("runs") / names[i] / "config.json",
                        fs::file_time_type::clock::now() + std::chrono::seconds(i));
  }
  EXPECT_EQ(RunFolder::resume("", "cnn").config()["n"], 3);
  RunFolder::resume("runs/c-001", "cnn").finish({{"accuracy", 1}});
  EXPECT_EQ(RunFolder::resume("", "cnn").config()["n"], 2);
  EXPECT_EQ(RunFolder::resume("runs/a-001", "cnn").config()["n"], 1);
  EXPECT_THROW(RunFolder::resume("runs/c-001", "cnn"), UsageError);
  EXPECT_THROW(RunFolder::resume("runs/d-001", "cnn"), UsageError);
  std::ofstream("runs/b-001/config.json") << "{ torn";
  EXPECT_EQ(RunFolder::resume("", "cnn").config()["n"], 1);
  EXPECT_THROW(RunFolder::resume("runs/b-001", "cnn"), IoError);
}

TEST_F(RunFolderTest, OneProcessWorksInAFolder) {
  RunFolder::create("", "a", {{"app", "cnn"}, {"n", 1}});
  {
    const RunFolder running = RunFolder::create("", "b", {{"app", "cnn"}, {"n", 2}});
    fs::last_write_time("runs/b-001/config.json",
                        fs::file_time_type::clock::now() + std::chrono::seconds(9));
    EXPECT_EQ(RunFolder::resume("", "cnn").config()["n"], 1);
    EXPECT_THROWS_WITH(RunFolder::resume("runs/b-001", "cnn"), UsageError,
                       "--resume runs/b-001: this run is running");
    const RunFolder other = RunFolder::resume("runs/a-001", "cnn");
    EXPECT_THROWS_WITH(RunFolder::resume("", "cnn"), UsageError, "but those that are running");
  }
  EXPECT_EQ(RunFolder::resume("", "cnn").config()["n"], 2);
}

TEST_F(RunFolderTest, MetricsKeepWhatIsWantedAndDropATornLine) {
  {
    MetricsLog log(".", {"epoch", "loss"});
    log.append({{"epoch", 1}, {"loss", 0.5}});
    log.append({{"epoch", 2}, {"loss", 0.25}});
    log.append({{"epoch", 3}});
    EXPECT_EQ(read("metrics.csv"), "epoch,loss\n1,0.5\n2,0.25\n3,\n");
  }
  std::ofstream("metrics.jsonl", std::ios::app) << "{\"epoch\": 4, \"lo";
  MetricsLog log(".", {"epoch", "loss"}, [](const auto& row) { return row["epoch"] != 2; });
  EXPECT_EQ(log.rows().size(), 2u);
  log.append({{"epoch", 4}, {"loss", 1}});
  EXPECT_EQ(read("metrics.csv"), "epoch,loss\n1,0.5\n3,\n4,1\n");
  EXPECT_EQ(read("metrics.jsonl"),
            "{\"epoch\":1,\"loss\":0.5}\n{\"epoch\":3}\n{\"epoch\":4,\"loss\":1}\n");
}

}  // namespace
}  // namespace engine::apps
