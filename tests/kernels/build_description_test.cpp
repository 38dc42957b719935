#include "engine/kernels/build_description.h"

#include <regex>

#include <gtest/gtest.h>

#include "engine/core/cpu_info.h"
#include "engine/core/version.h"

namespace engine {
namespace {

TEST(Version, IsThreeNumbers) {
  EXPECT_TRUE(std::regex_match(version_string(), std::regex(R"(\d+\.\d+\.\d+)")))
      << version_string();
}

TEST(Version, BuildNamesCompilerAndBuildType) {
  const std::string text = build_string();
  EXPECT_TRUE(std::regex_match(text, std::regex(R"((revision [0-9a-f]{7,40}(-dirty)?, )?)"
                                                R"([A-Za-z]+ \d+[.0-9]*, [A-Za-z]+(, .*)?)")))
      << text;
}

TEST(BuildDescription, NamesDevicesLibrariesAndInstructionSets) {
  const std::string text = build_description();
  EXPECT_EQ(text.find("engine " + version_string() + "\n"), 0u) << text;
  EXPECT_NE(text.find("devices:          cpu"), std::string::npos) << text;
  EXPECT_TRUE(std::regex_search(text, std::regex(R"(oneDNN [1-9]\d*\.\d+\.\d+\n)"))) << text;
  for (const std::string& name : cpu_instruction_sets()) {
    EXPECT_NE(text.find(" " + name), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace engine
