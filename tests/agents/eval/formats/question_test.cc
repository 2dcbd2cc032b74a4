#include "agents/eval/formats/question.h"

#include <string>

#include "agents/eval/formats/records.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

EvalQuestions Read(std::string_view text) {
  auto questions = ReadQuestions(text, "q.jsonl");
  EXPECT_TRUE(questions.ok()) << questions.status();
  return questions.ok() ? *std::move(questions) : EvalQuestions{};
}

std::string Words(std::string_view text) {
  const auto questions = ReadQuestions(text, "q.jsonl");
  EXPECT_EQ(questions.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(questions.status().message());
}

TEST(QuestionTest, EachFormatIsToldByItsKeys) {
  const struct {
    const char* text;
    EvalFormat format;
    const char *id, *category, *last;
  } cases[] = {
      {R"({"question_id":"a1","category":"c","cluster":"k","turns":[{"content":"hi"}]})",
       EvalFormat::kArenaHardV01, "a1", "c", "hi"},
      {R"({"uid":"u","category":"hard_prompt","subcategory":"s","prompt":"do"})",
       EvalFormat::kArenaHardV2, "u", "hard_prompt", "do"},
      {R"({"question_id":81,"category":"writing","turns":["one","two"],"reference":["r1","r2"]})",
       EvalFormat::kMtBench, "81", "writing", "one"},
      {R"([{"instruction":"say","output":"x","dataset":"koala"}])", EvalFormat::kAlpacaEval, "0",
       "koala", "say"},
      {R"({"session_id":"w","primary_tag":"Math","conversation_input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c","extra":1}]})",
       EvalFormat::kWildBench, "w", "Math", "c"},
      {R"({"domain":"code","language":"python","context":[{"role":"user","content":"q"}],"response1":"x"})",
       EvalFormat::kHelpSteer3, "0", "code", "q"},
  };
  for (const auto& each : cases) {
    const EvalQuestions file = Read(each.text);
    ASSERT_EQ(file.questions.size(), 1u) << each.text;
    EXPECT_EQ(file.format, each.format) << each.text;
    const EvalQuestion& question = file.questions[0];
    EXPECT_EQ(question.id, each.id);
    EXPECT_EQ(question.category, each.category);
    EXPECT_EQ(question.messages.back()["role"], "user");
    EXPECT_EQ(question.messages.back()["content"], each.last);
    EXPECT_EQ(ParseEvalFormat(EvalFormatName(each.format)).value(), each.format);
  }
}

TEST(QuestionTest, LaterTurnsAndReferencesAreKept) {
  const EvalQuestion question =
      Read(R"({"question_id":101,"category":"math","turns":["one","two"],"reference":["r1","r2"]})")
          .questions[0];
  EXPECT_THAT(question.later_turns, ElementsAre("two"));
  EXPECT_THAT(question.references, ElementsAre("r1", "r2"));
  EXPECT_EQ(question.raw["question_id"], 101);
}

TEST(QuestionTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Words(R"({"foo":1,"bar":2})"), HasSubstr("q.jsonl:1: the keys \"foo\", \"bar\""));
  EXPECT_THAT(Words("{\"uid\":\"a\",\"prompt\":\"p\"}\n\n{\"uid\":\"a\",\"prompt\":\"p\"}"),
              HasSubstr("q.jsonl:3: the id \"a\" stands twice"));
  EXPECT_THAT(Words("{\"uid\":\"a\",\"prompt\":\"p\"}\n{\"uid\":\"b\"}"),
              HasSubstr("q.jsonl:2: no \"prompt\""));
  EXPECT_THAT(Words(R"({"uid":"a","prompt":[]})"), HasSubstr("expected a text"));
  EXPECT_THAT(Words(""), HasSubstr("no records"));
  EXPECT_THAT(Words("[1]"), HasSubstr("q.jsonl[0]: found \"1\", expected an object"));
  EXPECT_THAT(Words("{\"uid\":"), HasSubstr("not valid JSON"));
  EXPECT_THAT(Words(R"({"question_id":1,"turns":[3]})"), HasSubstr("a turn is neither"));
  EXPECT_THAT(
      Words(R"({"context":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})"),
      HasSubstr("not the user's"));
  EXPECT_THAT(Words(R"({"context":[{"content":"a"}]})"), HasSubstr("without a \"role\""));
  EXPECT_FALSE(ParseEvalFormat("arena").ok());
}

TEST(QuestionTest, ReadsTheSampleOfArenaHard) {
  const std::string path = std::string(TEMPER_TEST_DATA) + "/arena_hard_sample.jsonl";
  const auto text = ReadFile(path);
  ASSERT_TRUE(text.ok()) << text.status();
  const EvalQuestions file = ReadQuestions(*text, path).value();
  EXPECT_EQ(file.format, EvalFormat::kArenaHardV2);
  ASSERT_EQ(file.questions.size(), 3u);
  EXPECT_EQ(file.questions[0].category, "arena-hard-v0.1");
  EXPECT_EQ(file.questions[0].subcategory, "ABC Sequence Puzzles & Groups");
}

TEST(RecordsTest, CountsCharactersAsPythonDoes) {
  EXPECT_EQ(CharactersOf("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x99\x82"), 4);
  EXPECT_EQ(CharactersOf(""), 0);
}

}  // namespace
}  // namespace temper::agents
