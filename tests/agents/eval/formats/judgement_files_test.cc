#include <string>

#include "agents/eval/formats/alpaca_annotation.h"
#include "agents/eval/formats/arena_judgement.h"
#include "agents/eval/formats/mt_bench.h"
#include "agents/eval/formats/records.h"
#include "agents/eval/formats/wild_bench.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ArenaJudgement Arena() {
  ArenaJudgement judgement;
  judgement.question_id = "u";
  judgement.category = "hard_prompt";
  judgement.judge = "judge";
  judgement.model = "ours";
  judgement.baseline = "base";
  judgement.games[0] = {
      Verdict::kBMuchBetter,
      "so [[B>>A]]",
      {{{"role", "system"}, {"content", "s"}}, {{"role", "user"}, {"content", "p"}}}};
  judgement.games[1].judgement = "cannot say";
  return judgement;
}

TEST(ArenaJudgementTest, V2GoesThroughItsFile) {
  const auto record = ArenaJudgementRecord(EvalFormat::kArenaHardV2, Arena());
  EXPECT_EQ(record["games"][0]["score"], "B>>A");
  EXPECT_EQ(record["games"][0]["judgment"]["answer"], "so [[B>>A]]");
  EXPECT_TRUE(record["games"][1]["score"].is_null());
  const auto again = ReadArenaJudgements(ToLines({record}), "j").value();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].question_id, "u");
  EXPECT_EQ(again[0].baseline, "base");
  EXPECT_EQ(again[0].games[0].verdict, Verdict::kBMuchBetter);
  EXPECT_EQ(again[0].games[0].judgement, "so [[B>>A]]");
  EXPECT_EQ(again[0].games[0].prompt, Arena().games[0].prompt);
  EXPECT_FALSE(again[0].games[1].verdict.has_value());
  EXPECT_EQ(ArenaJudgementRecord(EvalFormat::kArenaHardV2, again[0]), record);
}

TEST(ArenaJudgementTest, V01GoesThroughItsFile) {
  const auto record = ArenaJudgementRecord(EvalFormat::kArenaHardV01, Arena());
  EXPECT_EQ(record["question_id"], "u");
  EXPECT_EQ(record["games"][0]["user_prompt"], "p");
  EXPECT_EQ(record["games"][0]["judgment"], "so [[B>>A]]");
  const auto again = ReadArenaJudgements(ToLines({record}), "j").value();
  EXPECT_EQ(again[0].games[0].verdict, Verdict::kBMuchBetter);
  EXPECT_EQ(again[0].games[1].judgement, "cannot say");
}

TEST(ArenaJudgementTest, Game0IsTurnedRoundToTheCandidate) {
  ArenaJudgement judgement = Arena();
  judgement.games[1].verdict = Verdict::kABetter;
  EXPECT_EQ(CandidateVerdict(judgement, 0), Verdict::kAMuchBetter);
  EXPECT_EQ(CandidateVerdict(judgement, 1), Verdict::kABetter);
  EXPECT_EQ(SidesOf(0, "base", "ours").a, "base");
  EXPECT_EQ(SidesOf(1, "base", "ours").a, "ours");
}

TEST(ArenaJudgementTest, NullGamesAndOddLabelsAreNoVerdict) {
  const auto judgements =
      ReadArenaJudgements(R"({"uid":"u","games":[null,{"score":"A"}]})", "j").value();
  EXPECT_FALSE(judgements[0].games[0].verdict.has_value());
  EXPECT_FALSE(judgements[0].games[1].verdict.has_value());
  EXPECT_FALSE(ReadArenaJudgements(R"({"uid":"u","games":[null]})", "j").ok());
  EXPECT_FALSE(ReadArenaJudgements(R"({"games":[null,null]})", "j").ok());
  EXPECT_FALSE(ReadArenaJudgements(R"({"uid":"u","games":[1,null]})", "j").ok());
}

TEST(MtBenchTest, GradesGoThroughTheirFile) {
  MtBenchGrade grade;
  grade.question_id = 81;
  grade.model = "ours";
  grade.judge = "judge";
  grade.judge_prompt = "single-v1";
  grade.score = 7.5;
  grade.turn = 2;
  const auto record = MtBenchGradeRecord(grade);
  EXPECT_EQ(record["judge"][1], "single-v1");
  const auto again = ReadMtBenchGrades(ToLines({record}), "j").value();
  EXPECT_EQ(MtBenchGradeRecord(again[0]), record);
  grade.score.reset();
  EXPECT_EQ(MtBenchGradeRecord(grade)["score"], -1);
  EXPECT_FALSE(
      ReadMtBenchGrades(ToLines({MtBenchGradeRecord(grade)}), "j")->at(0).score.has_value());
  EXPECT_FALSE(ReadMtBenchGrades(R"({"question_id":1,"model":"m","turn":3,"score":5})", "j").ok());
}

TEST(MtBenchTest, PairsGoThroughTheirFile) {
  MtBenchPair pair;
  pair.question_id = 101;
  pair.model_1 = "ours";
  pair.model_2 = "base";
  pair.winner_1 = MtBenchPair::Winner::kModel1;
  pair.winner_2 = MtBenchPair::Winner::kTie;
  const auto record = MtBenchPairRecord(pair);
  EXPECT_EQ(record["g1_winner"], "model_1");
  EXPECT_EQ(record["g2_winner"], "tie");
  EXPECT_EQ(MtBenchPairRecord(ReadMtBenchPairs(ToLines({record}), "j")->at(0)), record);
  EXPECT_THAT(
      std::string(
          ReadMtBenchPairs(
              R"({"question_id":1,"model_1":"a","model_2":"b","g1_winner":"a","g2_winner":"tie"})",
              "j")
              .status()
              .message()),
      HasSubstr("expected model_1"));
}

TEST(MtBenchTest, CategoriesSayHowToDrawAndToJudge) {
  EXPECT_EQ(MtBenchTemperature("writing"), 0.7);
  EXPECT_EQ(MtBenchTemperature("math"), 0.0);
  EXPECT_EQ(MtBenchTemperature("stem"), 0.1);
  EXPECT_FALSE(MtBenchTemperature("cooking").has_value());
  EXPECT_TRUE(MtBenchNeedsReference("coding"));
  EXPECT_FALSE(MtBenchNeedsReference("writing"));
}

TEST(AlpacaAnnotationTest, PreferencesAreSharesOfTheModel) {
  const auto annotations = ReadAlpacaAnnotations(
                               R"([{"instruction":"i","output_1":"a","output_2":"b","preference":2},
          {"instruction":"j","output_1":"a","output_2":"b","preference":1.25,"index":7},
          {"instruction":"k","output_1":"a","output_2":"b","preference":0},
          {"instruction":"l","output_1":"a","output_2":"b","preference":null},
          {"instruction":"m","output_1":"a","output_2":"b","preference":3}])",
                               "a")
                               .value();
  EXPECT_EQ(annotations[0].preference, 1.0);
  EXPECT_EQ(annotations[1].preference, 0.25);
  EXPECT_EQ(annotations[1].index, 7);
  EXPECT_EQ(annotations[2].preference, 0.5);
  EXPECT_EQ(annotations[2].index, 2);
  EXPECT_FALSE(annotations[3].preference.has_value());
  EXPECT_FALSE(annotations[4].preference.has_value());
  EXPECT_EQ(AlpacaAnnotationRecord(annotations[1])["preference"], 1.25);
  EXPECT_TRUE(AlpacaAnnotationRecord(annotations[3])["preference"].is_null());
}

TEST(AlpacaAnnotationTest, TablesAreReadByTheirColumns) {
  const auto difficulty =
      ReadInstructionDifficulty(",instruction_difficulty\n0,-0.5\r\n3,1.25\n", "d.csv").value();
  EXPECT_EQ(difficulty.at(0), -0.5);
  EXPECT_EQ(difficulty.at(3), 1.25);
  const auto gamed =
      ReadGamedRows(
          "index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline,model\n"
          "0,0.25,-1.5,0.75,False,terse\n1,1.0,0,0,True,base\n",
          "g.csv")
          .value();
  ASSERT_EQ(gamed.size(), 2u);
  EXPECT_EQ(gamed[0].std_delta_len, -1.5);
  EXPECT_FALSE(gamed[0].not_gamed_baseline);
  EXPECT_TRUE(gamed[1].not_gamed_baseline);
  const auto words = [](std::string_view csv) {
    return std::string(ReadInstructionDifficulty(csv, "d.csv").status().message());
  };
  EXPECT_THAT(words("a,b\n1,2\n"), HasSubstr("no column \"instruction_difficulty\""));
  EXPECT_THAT(words(",instruction_difficulty\n0\n"), HasSubstr("d.csv:2: 1 fields"));
  EXPECT_THAT(words(",instruction_difficulty\n0,x\n"), HasSubstr("\"x\""));
  EXPECT_THAT(words(",instruction_difficulty\n\"0\",1\n"), HasSubstr("quotation"));
  EXPECT_THAT(words(""), HasSubstr("no rows"));
}

TEST(WildBenchTest, PairsGoThroughTheirFile) {
  for (const Verdict verdict : {Verdict::kAMuchBetter, Verdict::kABetter, Verdict::kTie,
                                Verdict::kBBetter, Verdict::kBMuchBetter}) {
    WildBenchPair pair;
    pair.session_id = "s";
    pair.model_a = "ours";
    pair.model_b = "ref";
    pair.output_a = "x";
    pair.output_b = "yy";
    pair.verdict = verdict;
    const auto again = ReadWildBenchPairs(ToArray({WildBenchPairRecord(pair)}), "w").value();
    EXPECT_EQ(again[0].verdict, verdict);
    EXPECT_EQ(again[0].output_b, "yy");
  }
  EXPECT_FALSE(ReadWildBenchPairs(
                   R"({"session_id":"s","model_A":"a","model_B":"b","winner":"c","extent":1})", "w")
                   .ok());
}

TEST(WildBenchTest, GradesAreNumbersOrTextsOfThem) {
  const auto grades = ReadWildBenchGrades(
                          R"([{"session_id":"s","model_test":"m","score":"8","model_output":"o"},
          {"session_id":"t","model_test":"m","score":3},
          {"session_id":"u","model_test":"m","score":"?"}])",
                          "w")
                          .value();
  EXPECT_EQ(grades[0].score, 8);
  EXPECT_EQ(grades[1].score, 3);
  EXPECT_FALSE(grades[2].score.has_value());
  EXPECT_EQ(WildBenchGradeRecord(grades[1])["score"], 3);
}

TEST(WildBenchTest, TagsFallIntoGroups) {
  EXPECT_THAT(WildBenchGroups({{"primary_tag", "Math"}, {"secondary_tags", {"Planning", "?"}}}),
              ElementsAre("Math & Data Analysis", "Planning & Reasoning"));
  EXPECT_TRUE(WildBenchGroups({{"primary_tag", "?"}}).empty());
}

}  // namespace
}  // namespace temper::agents
