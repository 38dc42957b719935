#include "engine/apps/style_transfer/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engine::apps::style_transfer {
namespace {

using testing::HasSubstr;
using testing::Not;

class StyleReportTest : public testing::Test {
 protected:
  StyleReport report_{.settings = &settings_,
                      .content = &picture_,
                      .result = &picture_,
                      .styles = &styles_,
                      .masks = &masks_,
                      .rows = &rows_,
                      .iteration = 2,
                      .iterations = 9};
  StyleSettings settings_{.content = "c", .styles = {"s"}, .style_weights = {1}};
  Image picture_ = make_image(8, 6, 3, 50);
  std::vector<Image> styles_ = {picture_}, masks_;
  std::vector<nlohmann::json> rows_ = {
      {{"iteration", 1}, {"loss", 2.5}, {"content_loss", 1}, {"style_loss", 3}}};
};

TEST_F(StyleReportTest, SurvivesNumbersThatAreNotFinite) {
  rows_.push_back({{"iteration", 2}, {"loss", nullptr}, {"content_loss", nullptr}});
  EXPECT_THAT(style_report(report_), HasSubstr("<div class=\"value\">nan</div>"));
}

TEST_F(StyleReportTest, ARunWithoutATimeLeftIsNotFinishedForThat) {
  EXPECT_THAT(style_report(report_), HasSubstr("So far"));
  EXPECT_THAT(style_report(report_), HasSubstr("http-equiv=\"refresh\""));
  report_.is_finished = true;
  EXPECT_THAT(style_report(report_), HasSubstr("Result"));
  EXPECT_THAT(style_report(report_), Not(HasSubstr("http-equiv")));
}

TEST_F(StyleReportTest, ShowsMasksBesideTheirStyles) {
  EXPECT_THAT(style_report(report_), Not(HasSubstr("its mask")));
  masks_ = {make_image(8, 6, 1, 255)};
  settings_.masks = {"half:left"};
  EXPECT_THAT(style_report(report_), HasSubstr("its mask"));
  EXPECT_THAT(style_report(report_), HasSubstr("half:left"));
}

}  // namespace
}  // namespace engine::apps::style_transfer
