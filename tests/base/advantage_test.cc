#include "base/advantage.h"

#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;

TEST(AdvantageTest, GroupNormDividesByTheUnbiasedDeviationPlusEpsilon) {
  const std::vector<double> scores = {1, 0, 0, 0};
  // mean 0.25; variance (0.5625 + 3 * 0.0625) / 3 = 0.25
  EXPECT_THAT(
      Advantages("group_norm", scores),
      ElementsAre(DoubleNear(0.75 / (0.5 + 1e-6), 1e-15), DoubleNear(-0.25 / (0.5 + 1e-6), 1e-15),
                  DoubleNear(-0.25 / (0.5 + 1e-6), 1e-15),
                  DoubleNear(-0.25 / (0.5 + 1e-6), 1e-15)));
}

TEST(AdvantageTest, GroupMeanSubtractsTheMeanOnly) {
  const std::vector<double> scores = {1, 0, 0.5, 0.5};
  EXPECT_THAT(Advantages("group_mean", scores), ElementsAre(0.5, -0.5, 0, 0));
}

TEST(AdvantageTest, LeaveOneOutSubtractsTheMeanOfTheOthers) {
  const std::vector<double> scores = {1, 0, 0.5};
  EXPECT_THAT(Advantages("leave_one_out", scores), ElementsAre(0.75, -0.75, 0));
}

TEST(AdvantageTest, NoneIsTheScoreItself) {
  const std::vector<double> scores = {1, 0, 0.5};
  EXPECT_THAT(Advantages("none", scores), ElementsAre(1, 0, 0.5));
}

TEST(AdvantageTest, EqualScoresGiveExactlyZeroWhateverTheirRounding) {
  for (const char* kind : {"group_norm", "group_mean", "leave_one_out"}) {
    for (const double score : {0.0, 1.0, 0.1, 1.0 / 3}) {
      const std::vector<double> scores(7, score);
      EXPECT_THAT(Advantages(kind, scores), Each(0.0)) << kind << " " << score;
    }
    EXPECT_THAT(Advantages(kind, std::vector<double>{0.3}), ElementsAre(0.0)) << kind;
  }
}

TEST(AdvantageTest, BaselinesSumToZeroAndStayFinite) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> scores(2 + trial % 15);
    for (double& score : scores) score = trial % 2 == 0 ? uniform(random) : uniform(random) > 0.5;
    for (const char* kind : {"group_norm", "group_mean", "leave_one_out"}) {
      double sum = 0;
      for (const double advantage : Advantages(kind, scores)) {
        ASSERT_TRUE(std::isfinite(advantage));
        sum += advantage;
      }
      EXPECT_NEAR(sum, 0, 1e-9) << kind;
    }
  }
}

TEST(AdvantageTest, SignalIsADifferenceWithinTheGroup) {
  EXPECT_TRUE(WithoutSignal(std::vector<double>{1, 1, 1}));
  EXPECT_FALSE(WithoutSignal(std::vector<double>{1, 0, 1}));
}

}  // namespace
}  // namespace temper
