#include "agents/eval/score/arena_score.h"

#include <cmath>
#include <string>

#include "agents/eval/score/style_control.h"
#include "agents/select/bradley_terry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::HasSubstr;

// Labels as the judge gives them: game 0 shows the baseline as A, game 1 the candidate.
ArenaJudgement Judged(const std::string& question, const std::string& game_0,
                      const std::string& game_1) {
  ArenaJudgement judgement;
  judgement.question_id = question;
  judgement.category = question < "q3" ? "hard_prompt" : "creative_writing";
  judgement.model = "ours";
  judgement.baseline = "base";
  const std::string labels[] = {game_0, game_1};
  for (int game = 0; game < 2; ++game) {
    const auto verdict = ParseVerdictLabel(labels[game]);
    if (verdict.ok()) judgement.games[game].verdict = *verdict;
  }
  return judgement;
}

// By hand: q1 4 battles won of 4 (B>>A with the baseline as A is a great win: three, and one more),
// q2 0 of 4, q3 0.5 and 1 of 2, q4 0 and 1 of 2, q5 has no verdict in game 0 and three wins in
// game 1.
std::vector<ArenaJudgement> ByHand() {
  return {Judged("q1", "B>>A", "A>B"), Judged("q2", "A>B", "B>>A"), Judged("q3", "A=B", "A>B"),
          Judged("q4", "A>B", "A>B"), Judged("q5", "", "A>>B")};
}

TEST(ArenaScoreTest, EqualsTheHandComputation) {
  const ScoreRow row = ScoreArena(ByHand(), {}, {}).value();
  EXPECT_DOUBLE_EQ(row.estimate.value, 100 * 6.5 / 12);  // q5 is dropped
  EXPECT_EQ(row.n, 4);
  EXPECT_EQ(row.invalid, 1);
  EXPECT_EQ(row.repeats, 1);
  EXPECT_DOUBLE_EQ(row.flip_rate.value(), 0.25);  // q4: each order names the one shown as A
  EXPECT_EQ(row.name, "win rate against base");
  EXPECT_EQ(row.interval_over, "questions");
  ASSERT_EQ(row.estimate.intervals.size(), 2u);
  EXPECT_EQ(row.estimate.intervals[0].level, 0.9);
  EXPECT_EQ(row.estimate.intervals[1].level, 0.95);
  for (const Interval& interval : row.estimate.intervals) {
    EXPECT_LE(interval.low, row.estimate.value);
    EXPECT_GE(interval.high, row.estimate.value);
  }
  EXPECT_LE(row.estimate.intervals[1].low, row.estimate.intervals[0].low);
}

TEST(ArenaScoreTest, TheOldRuleDropsTheGameAlone) {
  const ScoreRow row =
      ScoreArena(ByHand(), {}, {.nulls = ArenaScoreOptions::Nulls::kDropGame}).value();
  EXPECT_DOUBLE_EQ(row.estimate.value, 100 * 9.5 / 15);
  EXPECT_EQ(row.n, 5);
}

TEST(ArenaScoreTest, BradleyAndTerryWithOneBaselineGiveTheMean) {
  std::vector<PairOutcome> battles;
  for (const ArenaJudgement& judgement : ByHand()) {
    for (int game = 0; game < 2; ++game) {
      const auto verdict = CandidateVerdict(judgement, game);
      if (!verdict.has_value()) continue;
      const ArenaBattles each = BattlesOf(*verdict, 3);
      battles.push_back({0, 1, each.outcome, static_cast<double>(each.count)});
    }
  }
  const BradleyTerry fit = FitBradleyTerry(2, battles, 1e-9);
  const double rate = 100 / (1 + std::exp(fit.strengths[1] - fit.strengths[0]));
  const ScoreRow row =
      ScoreArena(ByHand(), {}, {.nulls = ArenaScoreOptions::Nulls::kDropGame}).value();
  EXPECT_NEAR(row.estimate.value, rate, 1e-5);
}

TEST(ArenaScoreTest, EveryVerdictKindCountsAsItShould) {
  // As the candidate's verdict in both games: A>>B 1 (six battles), A>B 1, A=B 0.5, B>A 0, B>>A 0.
  const std::pair<const char*, double> cases[] = {
      {"A>>B", 100}, {"A>B", 100}, {"A=B", 50}, {"B>A", 0}, {"B>>A", 0}};
  for (const auto& [label, expected] : cases) {
    const std::string mirrored(VerdictLabel(Swapped(ParseVerdictLabel(label).value())));
    EXPECT_DOUBLE_EQ(ScoreArena({Judged("q", mirrored, label)}, {}, {})->estimate.value, expected);
  }
  // One great win against one slight loss: 3 of 4.
  EXPECT_DOUBLE_EQ(ScoreArena({Judged("q", "B>>A", "B>A")}, {}, {})->estimate.value, 75);
}

TEST(ArenaScoreTest, RepeatsAreAveragedAndNeverTheBestIsTaken) {
  // First time 1 of 1 and 1 of 1, second time 0 of 3 and 0 of 1: 100 % and 0 %.
  const ScoreRow row =
      ScoreArena({Judged("q1", "B>A", "A>B"), Judged("q1", "A>>B", "B>A")}, {}, {}).value();
  EXPECT_DOUBLE_EQ(row.estimate.value, 50);
  EXPECT_EQ(row.repeats, 2);
  EXPECT_EQ(row.n, 1);
}

TEST(ArenaScoreTest, BattlesAsUnitsGiveNarrowerIntervals) {
  std::vector<ArenaJudgement> judgements;
  for (int i = 0; i < 200; ++i) {
    const bool won = i % 3 != 0;
    judgements.push_back(
        Judged("q" + std::to_string(i), won ? "B>>A" : "A>>B", won ? "A>>B" : "B>>A"));
  }
  ArenaScoreOptions options;
  const ScoreRow questions = ScoreArena(judgements, {}, options).value();
  options.unit = ArenaScoreOptions::Unit::kBattles;
  const ScoreRow battles = ScoreArena(judgements, {}, options).value();
  EXPECT_EQ(questions.estimate.value, battles.estimate.value);
  EXPECT_EQ(battles.interval_over, "battles");
  const auto width = [](const ScoreRow& row, int i) {
    return row.estimate.intervals[i].high - row.estimate.intervals[i].low;
  };
  // sqrt(p (1 - p) / n) with n questions, or six times as many battles.
  const double p = questions.estimate.value / 100;
  const double deviation = 100 * std::sqrt(p * (1 - p) / 200);
  EXPECT_NEAR(width(questions, 1), 2 * 1.96 * deviation, 0.15 * 4 * deviation);
  EXPECT_NEAR(width(questions, 0), 2 * 1.645 * deviation, 0.15 * 4 * deviation);
  EXPECT_NEAR(width(battles, 1), 2 * 1.96 * deviation / std::sqrt(6), 0.1 * 4 * deviation);
}

TEST(ArenaScoreTest, TheSeedDecidesTheInterval) {
  const auto bounds = [](uint64_t seed) {
    ArenaScoreOptions options;
    options.bootstrap = {.resamples = 200, .seed = seed};
    std::vector<ArenaJudgement> judgements;
    for (int i = 0; i < 97; ++i) {
      judgements.push_back(
          Judged(std::to_string(i), i % 3 == 0 ? "A>>B" : "B>A", i % 7 < 3 ? "A>B" : "B>>A"));
    }
    std::vector<double> all;
    const ScoreRow row = ScoreArena(judgements, {}, options).value();
    for (const Interval& interval : row.estimate.intervals) {
      all.insert(all.end(), {interval.low, interval.high});
    }
    return all;
  };
  EXPECT_EQ(bounds(1), bounds(1));
  EXPECT_NE(bounds(1), bounds(2));
}

TEST(ArenaScoreTest, CategoriesAreScoredApart) {
  const std::vector<ScoreRow> rows = ScoreArenaByCategory(ByHand(), {}, {}).value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_THAT(rows[0].name, HasSubstr("hard_prompt"));
  EXPECT_DOUBLE_EQ(rows[0].estimate.value, 50);             // 4 of 8
  EXPECT_DOUBLE_EQ(rows[1].estimate.value, 100 * 2.5 / 4);  // 1.5 of 2, 1 of 2
}

TEST(ArenaScoreTest, NothingToScoreIsAnError) {
  EXPECT_EQ(ScoreArena({Judged("q", "", "")}, {}, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(ScoreArena({Judged("q", "", "A>B")}, {}, {}).ok());
  EXPECT_FALSE(ScoreArena({}, {}, {}).ok());
  EXPECT_TRUE(ScoreArenaByCategory({}, {}, {})->empty());
}

TEST(ArenaScoreTest, TheMeanLengthIsOfTheQuestionsThatCount) {
  StylesByQuestion styles;
  styles["q1"].token_len = 100;
  styles["q2"].token_len = 300;
  styles["q5"].token_len = 9000;  // dropped
  EXPECT_EQ(ScoreArena(ByHand(), styles, {})->mean_length, 200);
}

// The data of oracles.py.
AnswerStyle StyleOf(int q, int m) {
  AnswerStyle style;
  style.token_len = 200 + (q * 37 + m * 91) % 400;
  style.headers[0] = (q + 2 * m) % 4;
  style.ordered = (q * 3 + m) % 7;
  style.bold_asterisks = (q * 5 + m * 3) % 6;
  return style;
}

struct Styled {
  std::vector<ArenaJudgement> judgements;
  std::map<std::string, StylesByQuestion> styles;
};

Styled FromOracle() {
  Styled data;
  for (const int m : {1, 2}) {
    for (int q = 0; q < 30; ++q) {
      ArenaJudgement judgement;
      judgement.question_id = std::to_string(q);
      judgement.model = "m" + std::to_string(m);
      judgement.baseline = "base";
      for (int game = 0; game < 2; ++game) {
        int candidate = (q * (m + 1) + game * 3 + m) % 5;
        if (StyleOf(q, m).token_len > StyleOf(q, 0).token_len)
          candidate = std::max(0, candidate - m);
        const auto verdict = static_cast<Verdict>(candidate);
        judgement.games[game].verdict = game == 0 ? Swapped(verdict) : verdict;
      }
      data.judgements.push_back(judgement);
      data.styles[judgement.model][judgement.question_id] = StyleOf(q, m);
      data.styles["base"][judgement.question_id] = StyleOf(q, 0);
    }
  }
  return data;
}

TEST(StyleControlTest, AgreesWithAnIndependentFit) {
  const Styled data = FromOracle();
  const StyleControlled result =
      ControlStyle(data.judgements, data.styles, "base", {.bootstrap = {.resamples = 100}}).value();
  ASSERT_EQ(result.models.size(), 2u);
  // oracles.py: "style published", "style equal", "style features".
  EXPECT_EQ(result.models[0].model, "m1");
  EXPECT_NEAR(result.models[0].published.value, 79.841594, 1e-4);
  EXPECT_NEAR(result.models[1].published.value, 87.213349, 1e-4);
  EXPECT_NEAR(result.models[0].equal_style.value, 73.792321, 1e-4);
  EXPECT_NEAR(result.models[1].equal_style.value, 82.902524, 1e-4);
  ASSERT_EQ(result.features.size(), 4u);
  EXPECT_EQ(result.features[0].first, "length");
  EXPECT_NEAR(result.features[0].second, 1.350920, 1e-5);
  EXPECT_NEAR(result.features[3].second, -0.161342, 1e-5);
  EXPECT_EQ(result.questions, 30);
  for (const StyleControlledModel& model : result.models) {
    ASSERT_EQ(model.published.intervals.size(), 2u);
    EXPECT_LT(model.published.intervals[1].low, model.published.value);
    EXPECT_GT(model.equal_style.intervals[1].high, model.equal_style.value);
  }
}

TEST(StyleControlTest, WithoutStyleItIsThePlainRate) {
  Styled data = FromOracle();
  for (auto& [model, styles] : data.styles) {
    for (auto& [question, style] : styles) style = StyleOf(7, 0);
  }
  const StyleControlled result =
      ControlStyle(data.judgements, data.styles, "base", {.bootstrap = {.resamples = 100}}).value();
  EXPECT_TRUE(result.features.empty());
  EXPECT_NEAR(result.models[0].published.value, 76.851852, 1e-4);  // oracles.py: "style plain"
  EXPECT_NEAR(result.models[1].equal_style.value, 77.822581, 1e-4);
}

TEST(StyleControlTest, CountsWhatItLeavesOutAndRefusesOtherBaselines) {
  Styled data = FromOracle();
  data.judgements[0].games[0].verdict.reset();
  data.styles["m1"].erase("5");
  const StyleControlled result =
      ControlStyle(data.judgements, data.styles, "base", {.bootstrap = {.resamples = 100}}).value();
  EXPECT_EQ(result.invalid, 1);
  EXPECT_EQ(result.unstyled, 1);
  data.judgements[3].baseline = "other";
  EXPECT_THAT(
      std::string(ControlStyle(data.judgements, data.styles, "base", {}).status().message()),
      HasSubstr("\"other\""));
  EXPECT_FALSE(ControlStyle({}, {}, "base", {}).ok());
  EXPECT_FALSE(
      ControlStyle(data.judgements, data.styles, "base", {.length = false, .markdown = false})
          .ok());
}

TEST(StyleControlTest, DifferencesAreRelativeToLengthAndDensity) {
  AnswerStyle model, baseline;
  model.token_len = 300;
  model.headers = {1, 2, 0, 0, 0, 0};
  model.bold_underscores = 6;
  baseline.token_len = 100;
  baseline.unordered = 10;
  const auto difference = StyleDifference(model, baseline);
  EXPECT_DOUBLE_EQ(difference[0], 0.5);
  EXPECT_DOUBLE_EQ(difference[1], 0.01 / 1.01);
  EXPECT_DOUBLE_EQ(difference[2], -0.1 / 1.1);
  EXPECT_DOUBLE_EQ(difference[3], 0.02 / 1.02);
  EXPECT_EQ(StyleDifference({}, {})[0], 0);
}

}  // namespace
}  // namespace temper::agents
