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

TEST(Chart, WholeNumbersHaveNoTicksBetweenThem) {
  Chart chart{.series = {{"s", {{1, 5}, {2, 6}}}}};
  EXPECT_THAT(to_svg(chart), HasSubstr(">1.2<"));
  chart.x_is_whole = true;
  EXPECT_THAT(to_svg(chart), Not(HasSubstr(">1.2<")));
  EXPECT_THAT(to_svg(chart), HasSubstr(">2<"));
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
  report.confusion_matrix({{"<yes>", "no"}, {3, 1, 0, 0}});
  report.pictures({{make_image(2, 2, 3, 7), {"<cap>"}}}, 64);
  const std::string html = report.html();
  for (const char* tag : {"<script>", "<b>", "<i>", "<l>", "<v>", "<n>", "<item>", "<k>", "<x>",
                          "<yes>", "<cap>", "http", "NaN", "nan"}) {
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
  beaten.only_net_right = 2, beaten.only_baseline_right = 12;
  EXPECT_THAT(text_of(beaten), HasSubstr("A simple method does better: ridge, 95.00 %; of the 14"));
  beaten.only_baseline_right = 3;
  EXPECT_THAT(text_of(beaten), HasSubstr("A simple method does as well: ridge, 95.00 %; of the 5"));
  beaten.only_net_right = 3;
  EXPECT_THAT(text_of(beaten), HasSubstr("level with the better baseline"));
}

// 190 of 200 right, the baseline 184: either interval holds the other's share. Yet all six pictures
// on which they differ speak for the net.
TEST(Diagnosis, ComparesOnTheSamePictures) {
  DiagnosisInput input = run_of(0.99, 0.985, 0.2);
  input.accuracy = 0.95;
  input.baseline_name = "ridge";
  input.baseline_accuracy = 0.92;
  input.only_net_right = 6;
  EXPECT_THAT(text_of(input), HasSubstr("It beats the better baseline (ridge, 92.00 %): of the 6"));
  input.only_net_right = 16, input.only_baseline_right = 10;
  EXPECT_THAT(text_of(input),
              HasSubstr("ahead of the better baseline (ridge, 92.00 %), but within"));
}

TEST(Diagnosis, SaysThatTheJudgedPartChoseTheEpoch) {
  DiagnosisInput input = run_of(0.99, 0.985, 0.2);
  EXPECT_THAT(text_of(input), Not(HasSubstr("chose the epoch")));
  input.chose_epoch = true;
  EXPECT_THAT(text_of(input), HasSubstr("also chose the epoch"));
  EXPECT_THAT(text_of(input), HasSubstr("No validation picture was misjudged"));
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
