#include <set>
#include <string>

#include "agents/eval/formats/records.h"
#include "agents/eval/judging/judge_task.h"
#include "agents/eval/judging/judged.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

EvalQuestions Questions(std::string_view text) { return ReadQuestions(text, "q").value(); }

EvalAnswer AnswerOf(const EvalQuestion& question, const std::string& model,
                    std::vector<std::string> turns) {
  EvalAnswer answer;
  answer.question_id = question.id;
  answer.model = model;
  answer.turns = std::move(turns);
  answer.token_lens = {static_cast<int64_t>(answer.turns.front().size())};
  return answer;
}

std::vector<std::optional<JudgeReply>> Replies(const std::vector<const char*>& texts) {
  std::vector<std::optional<JudgeReply>> replies;
  for (const char* text : texts) {
    if (text == nullptr) {
      replies.emplace_back(std::nullopt);
    } else {
      replies.push_back(JudgeReply{text, {{{"role", "user"}, {"content", "asked"}}}});
    }
  }
  return replies;
}

const char kWild[] =
    R"({"session_id":"w","primary_tag":"Math","checklist":["c1","c2"],"conversation_input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]})";
const char kMtBench[] =
    R"({"question_id":121,"category":"coding","turns":["one","two"],"reference":["r1","r2"]})";

// From questions to the score, with replies that a hand can count.
TEST(JudgingTest, ArenaHardFromItsQuestionsToTheHandComputedScore) {
  const std::string path = std::string(TEMPER_TEST_DATA) + "/arena_hard_sample.jsonl";
  const EvalQuestions file = ReadQuestions(ReadFile(path).value(), path).value();
  const std::vector<std::vector<const char*>> said = {
      {"My answer ... [[B>>A]]", "... [[A>B]]"},  // the candidate wins three battles, and one
      {"[[A>B]]", "tie: [[A=B]]"},                // loses one, ties one
      {"no idea", "[[A>>B]]"}};                   // no verdict: dropped
  std::vector<nlohmann::ordered_json> records, answers;
  int invalid = 0;
  for (size_t i = 0; i < file.questions.size(); ++i) {
    const EvalQuestion& question = file.questions[i];
    const EvalAnswer ours = AnswerOf(question, "ours", {"ours"});
    const EvalAnswer base = AnswerOf(question, "base", {"base"});
    const auto tasks = JudgeTasksOf(file.format, question, ours, &base).value();
    ASSERT_EQ(tasks.size(), 2u);
    EXPECT_EQ(tasks[0].inputs["answer_a"], "base");
    EXPECT_EQ(tasks[1].inputs["answer_a"], "ours");
    EXPECT_EQ(tasks[0].inputs["question"], question.messages[0]["content"]);
    const JudgedRecords judged =
        RecordsOf(file.format, {question, ours, &base, "judge"}, tasks, Replies(said[i]));
    records.insert(records.end(), judged.records.begin(), judged.records.end());
    invalid += judged.invalid;
    answers.push_back(AnswerRecord(file.format, question, ours));
  }
  EXPECT_EQ(invalid, 1);
  const auto rows =
      ScoreJudgements(file.format, JudgementFile(file.format, records), "j", file.questions,
                      ReadAnswers(AnswerFile(file.format, answers), "a").value(), {})
          .value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(rows[0].estimate.value, 100 * (3 + 1 + 0 + 0.5) / 6);
  EXPECT_EQ(rows[0].n, 2);
  EXPECT_EQ(rows[0].invalid, 1);
  EXPECT_EQ(rows[0].mean_length, 4);
  EXPECT_EQ(rows[0].flip_rate, 0);
}

TEST(JudgingTest, CreativeWritingIsJudgedWithoutAnAnswerOfTheJudge) {
  const EvalQuestions file = Questions(R"({"uid":"u","category":"creative_writing","prompt":"p"})");
  const EvalAnswer answer = AnswerOf(file.questions[0], "m", {"x"});
  EXPECT_EQ(JudgeTasksOf(file.format, file.questions[0], answer, &answer)->at(0).graph,
            "arena_hard_creative");
  EXPECT_THAT(
      std::string(JudgeTasksOf(file.format, file.questions[0], answer, nullptr).status().message()),
      HasSubstr("no answer of the baseline"));
}

TEST(JudgingTest, MtBenchGradesEachTurnWithItsReferences) {
  const EvalQuestions file = Questions(kMtBench);
  const EvalQuestion& question = file.questions[0];
  const EvalAnswer answer = AnswerOf(question, "ours", {"first", "second"});
  const auto tasks = JudgeTasksOf(file.format, question, answer, nullptr).value();
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0].graph, "mt_bench_turn_1");
  EXPECT_EQ(tasks[0].inputs["reference"].size(), 1u);
  EXPECT_EQ(tasks[1].inputs["answer_2"], "second");
  EXPECT_EQ(tasks[1].inputs["reference"].size(), 2u);
  const JudgedRecords judged = RecordsOf(file.format, {question, answer, nullptr, "judge"}, tasks,
                                         Replies({"[[8]]", nullptr}));
  ASSERT_EQ(judged.records.size(), 2u);
  EXPECT_EQ(judged.records[0]["question_id"], 121);
  EXPECT_EQ(judged.records[0]["user_prompt"], "asked");
  EXPECT_EQ(judged.records[1]["score"], -1);
  EXPECT_THAT(judged.problems, ElementsAre("the judge's call failed"));
  const auto rows = ScoreJudgements(file.format, JudgementFile(file.format, judged.records), "j",
                                    file.questions, {}, {})
                        .value();
  EXPECT_EQ(rows[0].estimate.value, 8);
  EXPECT_EQ(rows[0].invalid, 1);
  EXPECT_FALSE(
      JudgeTasksOf(file.format, question, AnswerOf(question, "m", {"only one"}), nullptr).ok());
}

TEST(JudgingTest, AlpacaEvalTakesTheMeanOfBothOrders) {
  const EvalQuestions file = Questions(R"([{"instruction":"i"},{"instruction":"j"}])");
  std::vector<nlohmann::ordered_json> records;
  const std::vector<std::vector<const char*>> said = {{"[[B]]", "[[B]]"}, {"[[B]]", "[[A]]"}};
  for (size_t i = 0; i < 2; ++i) {
    const EvalAnswer ours = AnswerOf(file.questions[i], "ours", {"o"});
    const EvalAnswer base = AnswerOf(file.questions[i], "base", {"b"});
    const auto tasks = JudgeTasksOf(file.format, file.questions[i], ours, &base).value();
    const auto judged =
        RecordsOf(file.format, {file.questions[i], ours, &base, "judge"}, tasks, Replies(said[i]));
    records.push_back(judged.records.at(0));
  }
  EXPECT_EQ(records[0]["preference"], 1.5);  // always the second one shown
  EXPECT_EQ(records[1]["preference"], 2.0);
  EXPECT_EQ(records[1]["index"], 1);
  const auto rows =
      ScoreJudgements(file.format, JudgementFile(file.format, records), "j", {}, {}, {}).value();
  EXPECT_EQ(rows[0].estimate.value, 75);
}

TEST(JudgingTest, WildBenchGradesOrCompares) {
  const EvalQuestions file = Questions(kWild);
  const EvalQuestion& question = file.questions[0];
  const EvalAnswer ours = AnswerOf(question, "ours", {"o"});
  const EvalAnswer base = AnswerOf(question, "base", {"b"});
  auto tasks = JudgeTasksOf(file.format, question, ours, nullptr).value();
  EXPECT_EQ(tasks.at(0).inputs["question"], "USER: a\n\nASSISTANT: b\n\nUSER: c");
  EXPECT_THAT(tasks[0].inputs["checklist"], ElementsAre("c1", "c2"));
  JudgedRecords judged = RecordsOf(file.format, {question, ours, nullptr, "judge"}, tasks,
                                   Replies({R"({"strengths":"","score":"7"})"}));
  auto rows = ScoreJudgements(file.format, JudgementFile(file.format, judged.records), "j",
                              file.questions, {}, {})
                  .value();
  EXPECT_EQ(rows[0].estimate.value, 4);
  EXPECT_EQ(rows[1].name, "Math & Data Analysis");

  tasks = JudgeTasksOf(file.format, question, ours, &base).value();
  judged = RecordsOf(file.format, {question, ours, &base, "judge"}, tasks,
                     Replies({R"({"choice":"B++"})", "not JSON"}));
  ASSERT_EQ(judged.records.size(), 1u);
  EXPECT_EQ(judged.invalid, 1);
  EXPECT_EQ(judged.records[0]["winner"], "ours");
  EvalScoreOptions options;
  options.model = "ours";
  options.reference = "base";
  rows =
      ScoreJudgements(file.format, JudgementFile(file.format, judged.records), "j", {}, {}, options)
          .value();
  EXPECT_EQ(rows[0].estimate.value, 100);
}

// The graphs that are shipped take exactly what tasks give.
TEST(JudgingTest, EveryTaskFitsItsGraph) {
  std::vector<JudgeTask> tasks;
  const auto add = [&tasks](std::string_view text, bool with_baseline) {
    const EvalQuestions file = Questions(text);
    const EvalAnswer answer = AnswerOf(file.questions[0], "m", {"x", "y"});
    const auto made =
        JudgeTasksOf(file.format, file.questions[0], answer, with_baseline ? &answer : nullptr);
    ASSERT_TRUE(made.ok()) << made.status();
    tasks.insert(tasks.end(), made->begin(), made->end());
  };
  add(R"({"uid":"u","category":"hard_prompt","prompt":"p"})", true);
  add(R"({"uid":"u","category":"creative_writing","prompt":"p"})", true);
  add(R"({"context":[{"role":"user","content":"q"}]})", true);
  add(R"({"instruction":"i"})", true);
  add(kMtBench, false);
  add(kWild, false);
  add(kWild, true);
  std::set<std::string> graphs;
  const std::string folder = std::string(TEMPER_SOURCE_DIR) + "/examples/graphs/judges/";
  for (const JudgeTask& task : tasks) {
    graphs.insert(task.graph);
    const auto text = ReadFile(folder + task.graph + ".json");
    ASSERT_TRUE(text.ok()) << text.status();
    const auto graph = nlohmann::ordered_json::parse(*text);
    std::set<std::string> wanted, given;
    for (const auto& name : graph["input"]) wanted.insert(name.get<std::string>());
    for (const auto& item : task.inputs.items()) given.insert(item.key());
    EXPECT_EQ(given, wanted) << task.graph;
    const std::string prompt = graph["nodes"]["judgement"]["prompt"]["file"].get<std::string>();
    const std::string words = ReadFile(folder + prompt).value();
    for (const std::string& name : wanted) {
      EXPECT_TRUE(words.find("{{" + name + "}}") != words.npos ||
                  words.find("{{#" + name + "}}") != words.npos)
          << prompt << " does not show " << name;
    }
  }
  EXPECT_EQ(graphs.size(), 7u);
}

}  // namespace
}  // namespace temper::agents
