#include "orchestrator/replay/tally.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/orchestrator/recorded_run.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;

const v1::ReplayComparison& Of(const v1::ReplayReport& report, Compared what) {
  return report.comparisons(static_cast<int>(what));
}

TEST(ReplayTallyTest, TheSameEpisodeIsEqualTokenByToken) {
  ReplayTally tally;
  tally.AddEpisode(*SmallEpisode(1, 0), *SmallEpisode(1, 0));
  const v1::ReplayReport report = tally.Report();
  EXPECT_TRUE(report.equal());
  EXPECT_EQ(Of(report, Compared::kTokens).name(), "tokens");
  EXPECT_EQ(Of(report, Compared::kTokens).compared(), 4);  // one of the prompt
  EXPECT_EQ(Of(report, Compared::kLogprobs).compared(), 3);
  EXPECT_EQ(Of(report, Compared::kWeights).compared(), 0);
}

TEST(ReplayTallyTest, NothingComparedIsNotEqual) {
  EXPECT_FALSE(ReplayTally().Report().equal());
  ReplayTally tally;
  tally.LeaveOut(Compared::kRewards, 3, "a judge");
  tally.LeaveOut(Compared::kRewards, 1, "another reason");
  const v1::ReplayReport report = tally.Report();
  EXPECT_FALSE(report.equal());
  EXPECT_EQ(Of(report, Compared::kRewards).left_out(), 4);
  EXPECT_EQ(Of(report, Compared::kRewards).left_out_why(), "a judge");
}

TEST(ReplayTallyTest, TheFirstDifferenceIsNamedAndAllAreCounted) {
  ReplayTally tally;
  const auto redone = SmallEpisode(1, 0);
  redone->set_tokens(1, 99);
  redone->add_tokens(7);
  tally.AddEpisode(*SmallEpisode(1, 0), *redone);
  const v1::ReplayReport report = tally.Report();
  EXPECT_FALSE(report.equal());
  EXPECT_EQ(Of(report, Compared::kTokens).differing(), 2);
  EXPECT_EQ(Of(report, Compared::kTokens).first_difference(),
            "group 1 sample 0 token 1: recorded 11, made again 99");
}

TEST(ReplayTallyTest, OneBitOfALogprobIsADifference) {
  ReplayTally tally;
  const auto redone = SmallEpisode(1, 0);
  redone->set_logprobs(2, std::nextafter(redone->logprobs(2), 0.0f));
  tally.AddEpisode(*SmallEpisode(1, 0), *redone);
  const v1::ReplayReport report = tally.Report();
  EXPECT_EQ(Of(report, Compared::kTokens).differing(), 0);
  EXPECT_EQ(Of(report, Compared::kLogprobs).differing(), 1);
  EXPECT_THAT(Of(report, Compared::kLogprobs).first_difference(), HasSubstr("token 2"));
  EXPECT_THAT(Of(report, Compared::kLogprobs).first_difference(), HasSubstr("bits bfc00000"));
}

TEST(ReplayTallyTest, TokensThatReadOtherwiseDiffer) {
  for (const char* what : {"text", "forced", "finish"}) {
    ReplayTally tally;
    const auto redone = SmallEpisode(1, 0);
    if (what == std::string("text")) redone->set_text("another");
    if (what == std::string("forced")) redone->add_forced(1);
    if (what == std::string("finish")) redone->set_finish_reason(v1::FINISH_REASON_LENGTH);
    tally.AddEpisode(*SmallEpisode(1, 0), *redone);
    EXPECT_EQ(Of(tally.Report(), Compared::kTokens).differing(), 1) << what;
  }
}

TEST(ReplayTallyTest, NumbersAreComparedByTheirBits) {
  ReplayTally tally;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  tally.AddNumber(Compared::kAdvantages, "a", nan, nan);
  EXPECT_TRUE(tally.Report().equal());
  tally.AddNumber(Compared::kAdvantages, "b", 0.0, -0.0);
  const v1::ReplayReport report = tally.Report();
  EXPECT_EQ(Of(report, Compared::kAdvantages).differing(), 1);
  EXPECT_EQ(Of(report, Compared::kAdvantages).first_difference(), "b: recorded 0, made again -0");
}

TEST(ReplayTallyTest, AnotherDigestNamesTheVersion) {
  ReplayTally tally;
  tally.AddWeights(7, "ab", "ab");
  tally.AddWeights(8, "ab", "ac");
  const v1::ReplayReport report = tally.Report();
  EXPECT_EQ(Of(report, Compared::kWeights).compared(), 2);
  EXPECT_EQ(Of(report, Compared::kWeights).first_difference(),
            "version 8: recorded digest 6162, made again 6163");
}

}  // namespace
}  // namespace temper::orchestrator
