#include <cmath>
#include <string>

#include "agents/eval/score/alpaca_score.h"
#include "agents/eval/score/mt_bench_score.h"
#include "agents/eval/score/wild_bench_score.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::HasSubstr;

// AlpacaEval. The data of oracles.py.
std::vector<AlpacaAnnotation> OracleAnnotations() {
  std::vector<AlpacaAnnotation> annotations;
  for (int i = 0; i < 40; ++i) {
    const int length_1 = 100 + i * 17 % 60, length_2 = 120 + i * 29 % 90;
    AlpacaAnnotation annotation;
    annotation.index = i;
    annotation.generator_1 = "base";
    annotation.output_1 = std::string(length_1, 'a');
    annotation.output_2 = std::string(length_2, 'b');
    annotation.preference =
        (i * 7 % 9) / 32.0 + (length_2 > length_1 - 40 ? 0.5 : 0) + (i * 11 % 17 > 8 ? 0.25 : 0);
    annotations.push_back(annotation);
  }
  return annotations;
}

AlpacaTables OracleTables() {
  AlpacaTables tables;
  for (int i = 0; i < 40; ++i) tables.difficulty[i] = (i * 11 % 17 - 8) / 8.0;
  for (int j = 0; j < 20; ++j) {
    tables.gamed.push_back({(j * 3 % 7) / 6.0, (j * 5 % 9 - 4) / 2.0, (j * 11 % 17 - 8) / 8.0});
  }
  return tables;
}

TEST(AlpacaScoreTest, LengthControlAgreesWithScikitLearn) {
  // oracles.py: "lc difficulty=1 gamed=1".
  const LengthControl control = ControlLength(OracleAnnotations(), OracleTables()).value();
  EXPECT_EQ(control.label, "LC");
  EXPECT_NEAR(control.C, 21.5443469, 1e-6);
  EXPECT_NEAR(control.length, -0.020151407, 1e-4);
  EXPECT_NEAR(control.difficulty, 1.025472074, 1e-4);
  EXPECT_NEAR(control.model, 1.145078035, 1e-4);
  EXPECT_NEAR(control.win_rate, 73.966773933, 1e-3);
}

TEST(AlpacaScoreTest, WithoutTablesTheLabelSaysSo) {
  AlpacaTables tables = OracleTables();
  tables.gamed.clear();
  LengthControl control = ControlLength(OracleAnnotations(), tables).value();
  EXPECT_EQ(control.label, "LC without gamed baselines");
  EXPECT_NEAR(control.win_rate, 75.704704567, 1e-2);  // "lc difficulty=1 gamed=0"
  control = ControlLength(OracleAnnotations(), {}).value();
  EXPECT_EQ(control.label, "LC without difficulty term");
  EXPECT_NEAR(control.win_rate, 73.744164039, 1e-2);  // "lc difficulty=0 gamed=0"
}

TEST(AlpacaScoreTest, RowsHaveThePlainRateFirst) {
  std::vector<AlpacaAnnotation> annotations = OracleAnnotations();
  const std::vector<ScoreRow> rows = ScoreAlpaca(annotations, {}, {}).value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NEAR(rows[0].estimate.value, 74.296875, 1e-9);
  EXPECT_EQ(rows[0].n, 40);
  EXPECT_EQ(rows[0].estimate.intervals.size(), 2u);
  EXPECT_EQ(rows[1].name, "LC without difficulty term");
  EXPECT_THAT(rows[1].notes.at(0), HasSubstr("not comparable"));
  annotations[0].preference.reset();
  EXPECT_EQ(ScoreAlpaca(annotations, {}, {})->at(0).invalid, 1);
  annotations.resize(4);
  const auto few = ScoreAlpaca(annotations, {}, {}).value();
  ASSERT_EQ(few.size(), 1u);
  EXPECT_THAT(few[0].notes.at(0), HasSubstr("no LC"));
}

TEST(AlpacaScoreTest, AnInstructionThatTheTableLacksIsAnError) {
  AlpacaTables tables = OracleTables();
  tables.difficulty.erase(7);
  EXPECT_THAT(std::string(ScoreAlpaca(OracleAnnotations(), tables, {}).status().message()),
              HasSubstr("no instruction 7"));
  EXPECT_FALSE(ScoreAlpaca({}, {}, {}).ok());
}

MtBenchGrade Grade(int question, int turn, std::optional<double> score) {
  MtBenchGrade grade;
  grade.question_id = question;
  grade.model = "ours";
  grade.turn = turn;
  grade.score = score;
  return grade;
}

TEST(MtBenchScoreTest, MeansByTurnAndCategoryEqualTheHandComputation) {
  const std::vector<MtBenchGrade> grades = {Grade(81, 1, 8), Grade(81, 2, 6), Grade(101, 1, 4),
                                            Grade(101, 2, std::nullopt), Grade(82, 1, 9)};
  const auto rows =
      ScoreMtBench(grades, {{"81", "writing"}, {"82", "writing"}, {"101", "reasoning"}}, {})
          .value();
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0].name, "all");
  EXPECT_DOUBLE_EQ(rows[0].estimate.value, (8 + 6 + 4 + 9) / 4.0);
  EXPECT_EQ(rows[0].n, 3);
  EXPECT_EQ(rows[0].invalid, 1);
  EXPECT_EQ(rows[1].name, "turn 1");
  EXPECT_DOUBLE_EQ(rows[1].estimate.value, 7);
  EXPECT_DOUBLE_EQ(rows[2].estimate.value, 6);
  EXPECT_EQ(rows[3].name, "reasoning");
  EXPECT_DOUBLE_EQ(rows[3].estimate.value, 4);
  EXPECT_DOUBLE_EQ(rows[4].estimate.value, (8 + 6 + 9) / 3.0);
}

TEST(MtBenchScoreTest, RepeatedGradesCountWithTheirMean) {
  const auto rows =
      ScoreMtBench({Grade(81, 1, 2), Grade(81, 1, 10), Grade(82, 1, 4)}, {}, {}).value();
  EXPECT_DOUBLE_EQ(rows[0].estimate.value, 5);
  EXPECT_EQ(rows[0].repeats, 2);
  EXPECT_FALSE(ScoreMtBench({Grade(81, 1, std::nullopt)}, {}, {}).ok());
}

TEST(MtBenchScoreTest, PairsWinOnlyInBothOrders) {
  using enum MtBenchPair::Winner;
  const auto pair = [](int question, MtBenchPair::Winner first, MtBenchPair::Winner second,
                       bool ours_first = true) {
    MtBenchPair made;
    made.question_id = question;
    made.model_1 = ours_first ? "ours" : "base";
    made.model_2 = ours_first ? "base" : "ours";
    made.winner_1 = first;
    made.winner_2 = second;
    return made;
  };
  const ScoreRow row = ScoreMtBenchPairs({pair(1, kModel1, kModel1), pair(2, kModel1, kModel2),
                                          pair(3, kModel2, kTie), pair(4, kModel2, kModel2, false),
                                          pair(5, kModel1, kError), pair(6, kModel2, kModel2)},
                                         "ours", {})
                           .value();
  EXPECT_DOUBLE_EQ(row.estimate.value, 100 * (1 + 0.5 + 0.5 + 1 + 0) / 5);
  EXPECT_EQ(row.invalid, 1);
  EXPECT_DOUBLE_EQ(row.flip_rate.value(), 0.2);
  EXPECT_FALSE(ScoreMtBenchPairs({}, "ours", {}).ok());
}

TEST(WildBenchScoreTest, GradesAreAdjustedAndGrouped) {
  const auto grade = [](const char* id, std::optional<double> score) {
    return WildBenchGrade{id, "ours", "four", score, {}};
  };
  const auto rows = ScoreWildBench({grade("a", 8), grade("b", 5), grade("c", std::nullopt)},
                                   {{"a", {"Math", "Math", "Planning"}}, {"b", {"Planning"}}}, {})
                        .value();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_DOUBLE_EQ(rows[0].estimate.value, 3);  // (6.5 - 5) x 2
  EXPECT_EQ(rows[0].n, 2);
  EXPECT_EQ(rows[0].invalid, 1);
  EXPECT_EQ(rows[0].mean_length, 4);
  EXPECT_DOUBLE_EQ(rows[1].estimate.value, 6);
  EXPECT_DOUBLE_EQ(rows[2].estimate.value, 3);
  EXPECT_EQ(rows[3].name, "macro");
  EXPECT_DOUBLE_EQ(rows[3].estimate.value, 4.5);
  EXPECT_FALSE(ScoreWildBench({grade("c", std::nullopt)}, {}, {}).ok());
}

WildBenchPair Pair(const char* id, bool ours_first, Verdict verdict, size_t ours, size_t other) {
  WildBenchPair pair;
  pair.session_id = id;
  pair.model_a = ours_first ? "ours" : "ref";
  pair.model_b = ours_first ? "ref" : "ours";
  pair.output_a = std::string(ours_first ? ours : other, 'x');
  pair.output_b = std::string(ours_first ? other : ours, 'x');
  pair.verdict = verdict;
  return pair;
}

TEST(WildBenchScoreTest, RewardsEqualTheHandComputation) {
  const std::vector<WildBenchPair> pairs = {
      Pair("a", true, Verdict::kAMuchBetter, 10, 10),    // 100
      Pair("b", false, Verdict::kBBetter, 600, 10),      // 50; a tie with K = 500
      Pair("c", true, Verdict::kTie, 10, 10),            // 0
      Pair("d", true, Verdict::kBBetter, 10, 600),       // -50; a tie with K = 500
      Pair("e", false, Verdict::kAMuchBetter, 10, 600),  // -100, whatever the length
      Pair("f", true, Verdict::kABetter, 510, 10)};      // 50: not more than 500 longer
  EXPECT_DOUBLE_EQ(RewardWildBench(pairs, "ours", "ref", {})->estimate.value, 50.0 / 6);
  const ScoreRow row = RewardWildBench(pairs, "ours", "ref", {.length_margin = 500}).value();
  EXPECT_DOUBLE_EQ(row.estimate.value, 50.0 / 6);
  EXPECT_FALSE(row.flip_rate.has_value());
  EXPECT_THAT(row.notes.at(0), HasSubstr("500"));
  const ScoreRow strict =
      RewardWildBench({pairs[1], pairs[5]}, "ours", "ref", {.length_margin = 499}).value();
  EXPECT_DOUBLE_EQ(strict.estimate.value, 0);
  EXPECT_FALSE(RewardWildBench(pairs, "ours", "other", {}).ok());
}

TEST(WildBenchScoreTest, FlipsAreCountedWhereBothOrdersWereJudged) {
  const ScoreRow row =
      RewardWildBench(
          {Pair("a", true, Verdict::kABetter, 1, 1), Pair("a", false, Verdict::kABetter, 1, 1),
           Pair("b", true, Verdict::kABetter, 1, 1), Pair("b", false, Verdict::kBBetter, 1, 1)},
          "ours", "ref", {})
          .value();
  EXPECT_DOUBLE_EQ(row.flip_rate.value(), 0.5);
  EXPECT_EQ(row.n, 2);
  EXPECT_DOUBLE_EQ(row.estimate.value, 25);
}

}  // namespace
}  // namespace temper::agents
