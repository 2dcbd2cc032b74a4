#include "agents/eval/score/scaling_curve.h"

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::HasSubstr;

RecordedCandidate Of(double selector, double value) { return {selector, value}; }

TEST(ScalingCurveTest, TheMaximumOfSmallSetsIsCountedByHand) {
  const double scores[] = {3, 1, 2};
  EXPECT_DOUBLE_EQ(ExpectedMaxOf(scores, 1), 2);
  EXPECT_DOUBLE_EQ(ExpectedMaxOf(scores, 2), (3 + 3 + 2) / 3.0);
  EXPECT_DOUBLE_EQ(ExpectedMaxOf(scores, 3), 3);
}

TEST(ScalingCurveTest, AThousandScoresNeitherOverflowNorLoseDigits) {
  std::vector<double> scores;
  for (int i = 0; i < 1000; ++i) scores.push_back((i * 7919) % 1000 / 1000.0);
  // oracles.py: "max of ... of 1000", in exact arithmetic.
  EXPECT_NEAR(ExpectedMaxOf(scores, 1), 0.499500000, 1e-9);
  EXPECT_NEAR(ExpectedMaxOf(scores, 10), 0.909000000, 1e-9);
  EXPECT_NEAR(ExpectedMaxOf(scores, 500), 0.998001996, 1e-9);
  EXPECT_NEAR(ExpectedMaxOf(scores, 1000), 0.999, 1e-12);
}

TEST(ScalingCurveTest, WhatTheSelectorChoosesIsWorthWhatItIsWorth) {
  const double scores[] = {3, 1, 4, 1, 5, 9, 2, 6};
  const double values[] = {0, 1, 1, 0, 0.5, 0, 1, 0.25};
  std::vector<RecordedCandidate> candidates;
  for (int i = 0; i < 8; ++i) candidates.push_back(Of(scores[i], values[i]));
  const struct {
    int64_t k;
    double value, selector;  // oracles.py: "choice k=...", by enumeration
  } cases[] = {{1, 0.46875, 3.875}, {3, 0.28125, 6.5}, {8, 0, 9}};
  for (const auto& each : cases) {
    const CurvePoint point = ExpectedChoiceOf(candidates, each.k);
    EXPECT_NEAR(point.value, each.value, 1e-12);
    EXPECT_NEAR(point.selector, each.selector, 1e-12);
    EXPECT_NEAR(point.chosen, 1, 1e-12);
  }
}

TEST(ScalingCurveTest, WhatHasNoScoreCanNotBeChosen) {
  const RecordedCandidate candidates[] = {{std::nullopt, 9}, Of(1, 0.5), {std::nullopt, 9}};
  const CurvePoint point = ExpectedChoiceOf(candidates, 1);
  EXPECT_NEAR(point.chosen, 1 / 3.0, 1e-12);
  EXPECT_NEAR(point.value, 0.5, 1e-12);
  const RecordedCandidate none[] = {{std::nullopt, 9}};
  EXPECT_EQ(ExpectedChoiceOf(none, 1).chosen, 0);
}

std::vector<RecordedElement> OracleTree() {
  return {{Of(2, 0.1), {Of(3, 0.5), Of(1, 0.6), Of(7, 0.7)}},
          {Of(5, 0.2), {Of(5, 0.8), {std::nullopt, 0.9}, Of(2, 1.0)}},
          {RecordedCandidate{std::nullopt, 0.3}, {Of(6, 1.1), Of(6, 1.2), Of(0, 1.3)}},
          {Of(4, 0.4), {Of(4, 1.4), Of(8, 1.5), Of(3, 1.6)}}};
}

TEST(ScalingCurveTest, TwoAxesAgreeWithEnumeration) {
  const struct {
    int64_t outer, inner;
    double value, selector, chosen;  // oracles.py: "tree ..."
  } cases[] = {{1, 0, 0.233333333, 3.666666667, 0.75},
               {2, 1, 0.762962963, 5.851851852, 1},
               {3, 2, 1.170370370, 7.25, 1},
               {4, 3, 1.5, 8, 1},
               {1, 2, 0.775, 5.833333333, 1}};
  const std::vector<RecordedElement> tree = OracleTree();
  for (const auto& each : cases) {
    const CurvePoint point = ExpectedChoiceOfTree(tree, each.outer, each.inner).value();
    EXPECT_NEAR(point.value, each.value, 1e-8) << each.outer << " x " << each.inner;
    EXPECT_NEAR(point.selector, each.selector, 1e-8);
    EXPECT_NEAR(point.chosen, each.chosen, 1e-12);
  }
}

TEST(ScalingCurveTest, ATreeWithoutInnerOnesIsAList) {
  std::vector<RecordedElement> tree;
  std::vector<RecordedCandidate> list;
  for (int i = 0; i < 20; ++i) {
    list.push_back(Of(i * 7 % 20, i));
    tree.push_back({list.back(), {}});
  }
  for (int64_t k = 1; k <= 20; ++k) {
    EXPECT_NEAR(ExpectedChoiceOfTree(tree, k, 0)->value, ExpectedChoiceOf(list, k).value, 1e-9);
  }
}

TEST(ScalingCurveTest, RefusesUnevenTreesAndNumbersOutOfRange) {
  std::vector<RecordedElement> tree = OracleTree();
  EXPECT_FALSE(ExpectedChoiceOfTree(tree, 0, 1).ok());
  EXPECT_FALSE(ExpectedChoiceOfTree(tree, 5, 1).ok());
  EXPECT_FALSE(ExpectedChoiceOfTree(tree, 1, 4).ok());
  tree[1].inner.pop_back();
  EXPECT_THAT(std::string(ExpectedChoiceOfTree(tree, 1, 1).status().message()),
              HasSubstr("without a score"));
  EXPECT_FALSE(ExpectedChoiceOfTree({}, 1, 0).ok());
}

TEST(ScalingCurveTest, MeansOverInputsWeighWhatCanBeChosen) {
  const CurvePoint points[] = {{1, 2, 1}, {0, 0, 0}, {4, 8, 0.5}};
  const CurvePoint mean = MeanOf(points);
  EXPECT_DOUBLE_EQ(mean.value, 2);
  EXPECT_DOUBLE_EQ(mean.selector, 4);
  EXPECT_DOUBLE_EQ(mean.chosen, 0.5);
}

TEST(ScalingCurveTest, APooledAxisNeedsCallsForEverythingButItself) {
  const auto settings = CurveSettings({"feedback", 6, true, 40, 0.25});
  ASSERT_EQ(settings.size(), 4u);  // 1, 2, 4, 6
  EXPECT_EQ(settings[2].k, 4);
  EXPECT_TRUE(settings[2].needs_calls);
  EXPECT_EQ(settings[2].calls, 40);
  EXPECT_EQ(settings[2].usd, 0.25);
  EXPECT_EQ(settings[3].k, 6);
  EXPECT_FALSE(settings[3].needs_calls);
  for (const CurveSetting& setting : CurveSettings({"draft", 8, false, 0, 0})) {
    EXPECT_FALSE(setting.needs_calls);
  }
  EXPECT_EQ(CurveSettings({"one", 1, true, 0, 0}).size(), 1u);
}

}  // namespace
}  // namespace temper::agents
