#include "agents/eval/formats/answer.h"

#include <string>

#include "agents/eval/formats/records.h"
#include "agents/eval/formats/style.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

EvalQuestion Question(std::string_view line) {
  return ReadQuestions(line, "q").value().questions.at(0);
}

EvalAnswer Answer(const std::string& question, std::vector<std::string> turns) {
  EvalAnswer answer;
  answer.question_id = question;
  answer.answer_id = "id";
  answer.model = "ours";
  answer.turns = std::move(turns);
  answer.token_lens = {12, 34};
  answer.tstamp = 1700000000.5;
  return answer;
}

// Written and read again.
EvalAnswer RoundTrip(EvalFormat format, std::string_view line, const EvalAnswer& answer,
                     nlohmann::ordered_json& record) {
  record = AnswerRecord(format, Question(line), answer);
  const auto again = ReadAnswers(AnswerFile(format, {record}), "a");
  EXPECT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->at(0).question_id, answer.question_id);
  EXPECT_EQ(again->at(0).model, "ours");
  return again->at(0);
}

TEST(AnswerTest, ArenaHardV01) {
  nlohmann::ordered_json record;
  const EvalAnswer again = RoundTrip(
      EvalFormat::kArenaHardV01, R"({"question_id":"q","category":"c","turns":[{"content":"hi"}]})",
      Answer("q", {"# T\n**b**"}), record);
  EXPECT_EQ(record["choices"][0]["turns"][0]["content"], "# T\n**b**");
  EXPECT_EQ(record["choices"][0]["turns"][0]["token_len"], 12);
  EXPECT_EQ(record["conv_metadata"]["header_count"]["h1"], 1);
  EXPECT_EQ(record["tstamp"], 1700000000.5);
  EXPECT_THAT(again.turns, ElementsAre("# T\n**b**"));
  EXPECT_THAT(again.token_lens, ElementsAre(12));
  EXPECT_EQ(again.style->bold_asterisks, 1);
}

TEST(AnswerTest, ArenaHardV2) {
  nlohmann::ordered_json record;
  const EvalAnswer again =
      RoundTrip(EvalFormat::kArenaHardV2, R"({"uid":"u","category":"c","prompt":"p"})",
                Answer("u", {"- a\n- b"}), record);
  EXPECT_EQ(record["ans_id"], "id");
  EXPECT_EQ(record["messages"][0]["content"], "p");
  EXPECT_EQ(record["messages"][1]["content"]["answer"], "- a\n- b");
  EXPECT_EQ(record["metadata"]["token_len"], 12);
  EXPECT_EQ(record["metadata"]["list_count"]["unordered"], 2);
  EXPECT_EQ(again.style->unordered, 2);
  EXPECT_THAT(again.turns, ElementsAre("- a\n- b"));
}

TEST(AnswerTest, MtBenchKeepsItsNumbersAndBothTurns) {
  nlohmann::ordered_json record;
  const EvalAnswer again = RoundTrip(
      EvalFormat::kMtBench, R"({"question_id":81,"category":"writing","turns":["one","two"]})",
      Answer("81", {"first", "second"}), record);
  EXPECT_EQ(record["question_id"], 81);
  EXPECT_EQ(record["choices"][0]["turns"][1], "second");
  EXPECT_THAT(again.turns, ElementsAre("first", "second"));
}

TEST(AnswerTest, AlpacaEvalAndWildBenchAreArrays) {
  nlohmann::ordered_json record;
  const std::string alpaca = R"({"instruction":"say","dataset":"koala"})";
  RoundTrip(EvalFormat::kAlpacaEval, alpaca, Answer("0", {"said"}), record);
  EXPECT_EQ(record["output"], "said");
  EXPECT_EQ(record["generator"], "ours");
  EXPECT_EQ(AnswerFile(EvalFormat::kAlpacaEval, {record}).front(), '[');
  const std::string wild =
      R"({"session_id":"w","conversation_input":[{"role":"user","content":"c"}]})";
  RoundTrip(EvalFormat::kWildBench, wild, Answer("w", {"done"}), record);
  EXPECT_EQ(record["output"][0], "done");
  EXPECT_EQ(record["chat_history"][0], "c");
}

TEST(AnswerTest, HelpSteer3HasALineOfItsOwn) {
  nlohmann::ordered_json record;
  const EvalAnswer again =
      RoundTrip(EvalFormat::kHelpSteer3, R"({"context":[{"role":"user","content":"c"}]})",
                Answer("0", {"done"}), record);
  EXPECT_THAT(again.turns, ElementsAre("done"));
}

TEST(AnswerTest, SaysWhatIsWrongAndWhere) {
  const auto words = [](std::string_view text) {
    return std::string(ReadAnswers(text, "a").status().message());
  };
  EXPECT_THAT(words(R"({"x":1})"), HasSubstr("a:1: the keys \"x\""));
  EXPECT_THAT(words(R"({"uid":"u","messages":[]})"), HasSubstr("ends with the answer"));
  EXPECT_THAT(words(R"({"uid":"u","messages":[{"content":{"a":1}}]})"), HasSubstr("last content"));
  EXPECT_THAT(words(R"({"question_id":1,"choices":[]})"), HasSubstr("\"choices\""));
  EXPECT_THAT(words(R"({"question_id":1,"choices":[{"turns":[]}]})"), HasSubstr("without a turn"));
  EXPECT_THAT(words(R"({"session_id":1,"output":[]})"), HasSubstr("\"output\""));
}

TEST(StyleTest, CountsWhatStandsAtTheBeginningOfALine) {
  const AnswerStyle style = CountStyle(
      "# one\n## two\n####### seven\n #not\n#not\n"
      "1. a\n  2. b\n3.c\n- x\n* y\n+ z\n-no\n"
      "**bold** and **more** __under__ ** not\n across**\n",
      99);
  EXPECT_THAT(style.headers, ElementsAre(1, 1, 0, 0, 0, 0));
  EXPECT_EQ(style.ordered, 2);
  EXPECT_EQ(style.unordered, 3);
  EXPECT_EQ(style.bold_asterisks, 2);
  EXPECT_EQ(style.bold_underscores, 1);
  EXPECT_EQ(style.token_len, 99);
  EXPECT_EQ(style.header_count(), 2);
}

TEST(StyleTest, AMatchDoesNotMakeALineBegin) {
  EXPECT_EQ(CountStyle("# # #", 0).headers[0], 1);
  EXPECT_EQ(CountStyle("- - -", 0).unordered, 1);
}

TEST(StyleTest, WhatIsInCodeDoesNotCount) {
  const AnswerStyle style = CountStyle("```py\n# comment\n- x\n**p**\n```\n# head\n", 0);
  EXPECT_EQ(style.headers[0], 1);
  EXPECT_EQ(style.unordered, 0);
  EXPECT_EQ(style.bold_asterisks, 0);
}

// tests/agents/eval/make_markdown_counts.py made them.
TEST(StyleTest, CountsWhatPythonsExpressionsCount) {
  const std::string path = std::string(TEMPER_TEST_DATA) + "/markdown_counts.jsonl";
  const auto records = ReadRecords(ReadFile(path).value(), path).value();
  ASSERT_EQ(records.size(), 200u);
  for (const EvalRecord& record : records) {
    const AnswerStyle style = CountStyle(TextAt(record, "text").value(), 0);
    std::vector<int64_t> counts(style.headers.begin(), style.headers.end());
    counts.insert(counts.end(),
                  {style.ordered, style.unordered, style.bold_asterisks, style.bold_underscores});
    EXPECT_EQ(counts, record.json["counts"].get<std::vector<int64_t>>()) << record.place;
  }
}

TEST(StyleTest, GoesThroughJsonUnchanged) {
  AnswerStyle style;
  style.token_len = 5;
  style.headers = {1, 2, 3, 4, 5, 6};
  style.ordered = 7;
  style.unordered = 8;
  style.bold_asterisks = 9;
  style.bold_underscores = 10;
  const auto json = StyleToJson(style);
  EXPECT_EQ(json["bold_count"]["__"], 10);
  EXPECT_EQ(StyleToJson(StyleFromJson(json).value()), json);
  EXPECT_FALSE(StyleFromJson({{"header_count", 1}}).has_value());
}

}  // namespace
}  // namespace temper::agents
