#include "engine/apps/run/report.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/apps/run/console.h"
#include "engine/apps/run/diagnosis.h"

namespace engine::apps {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Chart, TicksAreRoundAndCoverTheRange) {
  const auto near = [](const std::vector<double>& got, const std::vector<double>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12);
  };
  near(round_ticks(0, 1, 5), {0, 0.2, 0.4, 0.6, 0.8, 1.0});
  near(round_ticks(1, 20, 7), {0, 5, 10, 15, 20});
  near(round_ticks(0.013, 0.031, 4), {0.01, 0.015, 0.02, 0.025, 0.03, 0.035});
}

TEST(Chart, SurvivesNothingOnePointAndNonFinite) {
  EXPECT_THAT(to_svg(Chart{.title = "empty"}), HasSubstr("</svg>"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Chart chart{.title = "a < b", .series = {{"s", {{1, 0.5}, {2, nan}, {3, 0.4}}}}};
  const std::string svg = to_svg(chart);
  EXPECT_THAT(svg, HasSubstr("a &lt; b"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(to_svg(Chart{.series = {{"s", {{1, 0.5}}}}}), Not(HasSubstr("nan")));
}

TEST(Report, EscapesEverythingAndRefersToNothingOutside) {
  Report report("<script>", "\"q\" & more");
  report.section("<b>", "<i>");
  report.figures({{"<l>", "<v>", "<n>"}});
  report.list({"<item>"});
  report.settings({{"<k>", "<x>"}});
  report.table({"<h>"}, {{"<c>"}});
  report.confusion_matrix({{"<yes>", "no"}, {3, 1, 0, 0}});
  report.pictures({{make_image(2, 2, 3, 7), {"<cap>"}}}, 64);
  const std::string html = report.html();
  for (const char* tag : {"<script>", "<b>", "<i>", "<l>", "<v>", "<n>", "<item>", "<k>", "<x>",
                          "<h>", "<c>", "<yes>", "<cap>", "http", "NaN", "nan"}) {
    EXPECT_THAT(html, Not(HasSubstr(tag)));
  }
  EXPECT_THAT(html, HasSubstr("data:image/png;base64,"));
  EXPECT_THAT(html, HasSubstr("75 %"));
}

DiagnosisInput run_of(double train, double validation, double validation_loss_end) {
  DiagnosisInput input;
  for (int epoch = 1; epoch <= 8; ++epoch) {
    const double late = (epoch - 4) / 4.0;
    input.epochs.push_back({epoch, 1.0 / epoch / epoch, train,
                            epoch <= 4 ? 0.2 : 0.2 + late * (validation_loss_end - 0.2),
                            validation});
  }
  input.confusion = {{"day", "night"}, {100, 0, 0, 100}};
  input.accuracy = 1;
  input.test_items = 200;
  return input;
}

std::string text_of(const DiagnosisInput& input) {
  std::string all;
  for (const std::string& line : diagnose(input)) all += line + "\n";
  return all;
}

TEST(Diagnosis, TellsTheCasesApart) {
  EXPECT_THAT(text_of(run_of(0.99, 0.85, 0.6)), HasSubstr("Overfitting"));
  EXPECT_THAT(text_of(run_of(0.99, 0.85, 0.6)), HasSubstr("since epoch"));
  EXPECT_THAT(text_of(run_of(0.7, 0.69, 0.2)), HasSubstr("Underfitting"));
  EXPECT_THAT(text_of(run_of(0.99, 0.985, 0.2)), HasSubstr("The fit is sound"));
  EXPECT_THAT(text_of(run_of(0.99, 0.985, 0.2)), HasSubstr("No test picture was misjudged"));

  DiagnosisInput confused = run_of(0.99, 0.985, 0.2);
  confused.confusion = {{"cat", "dog", "cow"}, {90, 9, 1, 2, 98, 0, 0, 0, 100}};
  EXPECT_THAT(text_of(confused),
              HasSubstr("Of 12 mistakes on the test part, 9 take \"cat\" for \"dog\" and 2"));

  DiagnosisInput beaten = run_of(0.99, 0.985, 0.2);
  beaten.accuracy = 0.9;
  beaten.baseline_name = "ridge";
  beaten.baseline_accuracy = 0.95;
  EXPECT_THAT(text_of(beaten), HasSubstr("A simple method does better: ridge"));
  beaten.baseline_accuracy = 0.89;
  EXPECT_THAT(text_of(beaten), HasSubstr("within chance"));
  beaten.baseline_accuracy = 0.5;
  EXPECT_THAT(text_of(beaten), HasSubstr("It beats"));
}

TEST(Diagnosis, NothingTrainedIsNoCrash) {
  DiagnosisInput input;
  input.confusion = {{"a", "b"}, {0, 0, 0, 0}};
  EXPECT_FALSE(diagnose(input).empty());
}

TEST(Console, DurationsReadWell) {
  EXPECT_EQ(format_duration(7.24), "7.2 s");
  EXPECT_EQ(format_duration(59.99), "1:00 min");
  EXPECT_EQ(format_duration(3661), "1:01:01 h");
}

}  // namespace
}  // namespace engine::apps
