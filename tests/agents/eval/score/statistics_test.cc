#include <cmath>

#include "agents/eval/score/estimate.h"
#include "agents/eval/score/logistic_regression.h"
#include "agents/eval/score/score_row.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::HasSubstr;

// The rows of oracles.py.
LogisticRows OracleRows() {
  LogisticRows rows;
  rows.features = 3;
  for (int i = 0; i < 40; ++i) {
    const double a = (i * 7 % 11 - 5) / 3.0, b = (i * 5 % 13 - 6) / 4.0;
    rows.x.insert(rows.x.end(), {a, b, 1.0});
    rows.outcomes.push_back((i * 3 % 5) / 8.0 + (a > 0 ? 0.5 : 0.0));
    rows.weights.push_back(1 + (i % 3) / 2.0);
  }
  return rows;
}

TEST(LogisticRegressionTest, AgreesWithScipy) {
  const LogisticFit fit = FitLogistic(OracleRows());
  EXPECT_TRUE(fit.converged);
  const double expected[] = {1.013253330, -0.268516353, -0.100305987};  // oracles.py: "logistic"
  for (int j = 0; j < 3; ++j) EXPECT_NEAR(fit.coefficients[j], expected[j], 1e-6);
}

TEST(LogisticRegressionTest, AgreesWithLiblinearUnderAnL1Penalty) {
  const struct {
    double C;
    double expected[3];  // oracles.py: "l1 C=..."
  } cases[] = {{0.02, {0, 0, 0}},
               {0.1, {0.236801902, 0, 0}},
               {1, {0.898894796, -0.151318524, -0.013937956}},
               {100, {1.012024232, -0.267282989, -0.099400315}}};
  for (const auto& each : cases) {
    const LogisticFit fit = FitLogisticL1(OracleRows(), each.C);
    EXPECT_TRUE(fit.converged);
    for (int j = 0; j < 3; ++j) EXPECT_NEAR(fit.coefficients[j], each.expected[j], 2e-5) << each.C;
  }
}

TEST(LogisticRegressionTest, SeparableOutcomesStayFinite) {
  LogisticRows rows{1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
  const LogisticFit fit = FitLogistic(rows);
  EXPECT_TRUE(std::isfinite(fit.coefficients[0]));
  EXPECT_GT(Sigmoid(fit.coefficients[0]), 0.99999);
}

TEST(LogisticRegressionTest, ARowWithoutWeightIsNotThere) {
  LogisticRows rows = OracleRows();
  rows.x.insert(rows.x.end(), {100.0, 100.0, 100.0});
  rows.outcomes.push_back(1);
  rows.weights.push_back(0);
  EXPECT_NEAR(FitLogistic(rows).coefficients[0], 1.013253330, 1e-6);
}

TEST(EstimateTest, QuantilesLieBetweenNeighboursAsNumpysDo) {
  const double values[] = {1, 2, 4, 8, 16};
  EXPECT_DOUBLE_EQ(Quantile(values, 0.05), 1.2);
  EXPECT_DOUBLE_EQ(Quantile(values, 0.5), 4);
  EXPECT_DOUBLE_EQ(Quantile(values, 0.95), 14.4);
}

TEST(EstimateTest, TheIntervalsOfAMeanAreThoseOfTheNormalApproximation) {
  const int n = 2000;
  const auto intervals = Bootstrap(n, {.resamples = 2000, .seed = 3},
                                   [](std::span<const int> times) -> std::optional<double> {
                                     double sum = 0;
                                     for (size_t i = 0; i < times.size(); ++i) {
                                       sum += times[i] * (i % 4 == 0 ? 1.0 : 0.0);
                                     }
                                     return sum / n;
                                   });
  const double deviation = std::sqrt(0.25 * 0.75 / n);
  ASSERT_EQ(intervals.size(), 2u);
  EXPECT_NEAR(intervals[0].low, 0.25 - 1.645 * deviation, 0.15 * deviation);
  EXPECT_NEAR(intervals[0].high, 0.25 + 1.645 * deviation, 0.15 * deviation);
  EXPECT_NEAR(intervals[1].low, 0.25 - 1.960 * deviation, 0.2 * deviation);
  EXPECT_NEAR(intervals[1].high, 0.25 + 1.960 * deviation, 0.2 * deviation);
}

TEST(EstimateTest, EveryResampleDrawsAsManyAsThereAre) {
  Bootstrap(17, {.resamples = 100}, [](std::span<const int> times) -> std::optional<double> {
    int sum = 0;
    for (const int count : times) sum += count;
    EXPECT_EQ(sum, 17);
    return 0;
  });
  EXPECT_TRUE(Bootstrap(3, {}, [](std::span<const int>) { return std::nullopt; }).empty());
  EXPECT_TRUE(Bootstrap(0, {}, [](std::span<const int>) { return 1.0; }).empty());
}

TEST(ScoreRowTest, SaysEverythingThatOneMustKnow) {
  ScoreRow row;
  row.name = "win rate against base";
  row.scale = "%";
  row.estimate = {54.2, {{0.9, 40, 70}, {0.95, 35, 75}}};
  row.n = 4;
  row.invalid = 1;
  row.flip_rate = 0.25;
  row.mean_length = 200;
  row.length_unit = "tokens";
  row.interval_over = "questions";
  row.notes = {"small"};
  const std::string text = ToMarkdown({row});
  EXPECT_THAT(text,
              HasSubstr("| win rate against base | 54.2 (%) | 90 %: [40, 70], 95 %: [35, 75] | "
                        "questions | 4 | 1 | 1 | 25 % | 200 tokens | - |"));
  EXPECT_THAT(text, HasSubstr("* win rate against base: small"));
  const nlohmann::ordered_json json = ToJson({row});
  EXPECT_EQ(json[0]["intervals"][1]["level"], 0.95);
  EXPECT_EQ(json[0]["flip_rate"], 0.25);
  EXPECT_TRUE(json[0]["usd"].is_null());
}

}  // namespace
}  // namespace temper::agents
