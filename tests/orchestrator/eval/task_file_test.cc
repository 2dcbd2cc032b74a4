// Files of tasks as published: what is read out of them, and what is refused.
#include "orchestrator/eval/task_file.h"

#include <zlib.h>

#include <set>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/eval/question.h"

namespace temper::eval {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string Data(const std::string& name) {
  return std::string(TEMPER_TEST_DATA) + "/eval/" + name;
}

TaskFile Read(const std::string& path, const ReadOptions& options = {}) {
  absl::StatusOr<TaskFile> file = ReadTaskFile(path, options);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *std::move(file) : TaskFile{.format = &OwnFormat(), .tasks = {Task{}}};
}

std::string Written(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/" + name;
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  return path;
}

// What is wrong with a file of these lines.
std::string Refusal(const std::string& text, const std::string& name = "tasks.jsonl") {
  const std::string path = Written(name, text);
  const absl::Status status = ReadTaskFile(path, {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  const std::string words(status.message());
  EXPECT_EQ(words.substr(0, path.size()), path);
  return words.size() > path.size() ? words.substr(path.size()) : words;
}

TEST(TaskFileTest, ReadsGsm8k) {
  const TaskFile file = Read(std::string(TEMPER_TEST_DATA) + "/gsm8k_sample.jsonl");
  EXPECT_STREQ(file.format->name, "gsm8k");
  ASSERT_EQ(file.tasks.size(), 6);
  EXPECT_EQ(file.tasks[0].gold, "72");
  EXPECT_EQ(file.tasks[0].id, "1");
  EXPECT_THAT(file.tasks[0].prompt, HasSubstr("Natalia sold clips"));
}

TEST(TaskFileTest, ReadsMath500) {
  const TaskFile file = Read(Data("math_500.jsonl"));
  EXPECT_STREQ(file.format->name, "math_500");
  ASSERT_EQ(file.tasks.size(), 3);
  EXPECT_EQ(file.tasks[0].id, "test/prealgebra/1.json");
  EXPECT_EQ(file.tasks[0].gold, "\\frac{5}{6}");
  using Categories = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(file.tasks[0].categories, (Categories{{"subject", "Prealgebra"}, {"level", "2"}}));
}

TEST(TaskFileTest, ReadsAime) {
  const TaskFile file = Read(Data("aime.jsonl"));
  EXPECT_STREQ(file.format->name, "aime");
  ASSERT_EQ(file.tasks.size(), 2);
  EXPECT_EQ(file.tasks[0].gold, "401");
  EXPECT_EQ(file.tasks[1].gold, "008");
  EXPECT_EQ(file.tasks[1].id, "2031-I-2");
}

TEST(TaskFileTest, ReadsGpqaAndShufflesItsOptions) {
  const TaskFile file = Read(Data("gpqa.csv"), {.seed = 1});
  EXPECT_STREQ(file.format->name, "gpqa");
  ASSERT_EQ(file.tasks.size(), 2);
  const Task& task = file.tasks[0];
  EXPECT_EQ(task.id, "rec1");
  EXPECT_THAT(task.prompt, HasSubstr("a \"noble\" gas,\nat room temperature?\n\nA) "));
  const auto options = json::parse(task.metadata_json)["options"].get<std::vector<std::string>>();
  EXPECT_THAT(options,
              ::testing::UnorderedElementsAre("Neon", "Nitrogen", "Chlorine, of course", "Oxygen"));
  ASSERT_EQ(task.gold.size(), 1);
  EXPECT_EQ(options[static_cast<size_t>(task.gold[0] - 'A')], "Neon");
  ASSERT_EQ(task.option_order.size(), 4);
  EXPECT_EQ(task.option_order[static_cast<size_t>(task.gold[0] - 'A')], 0);
  // By the seed and the question alone; every place is taken by some seed.
  EXPECT_EQ(Read(Data("gpqa.csv"), {.seed = 1}).tasks[0].option_order, task.option_order);
  std::set<std::string> golds;
  for (uint64_t seed = 0; seed < 32; ++seed) {
    golds.insert(Read(Data("gpqa.csv"), {.seed = seed}).tasks[0].gold);
  }
  EXPECT_EQ(golds, (std::set<std::string>{"A", "B", "C", "D"}));
}

TEST(TaskFileTest, ReadsMmluPro) {
  const TaskFile file = Read(Data("mmlu_pro.jsonl"));
  EXPECT_STREQ(file.format->name, "mmlu_pro");
  ASSERT_EQ(file.tasks.size(), 2);
  EXPECT_EQ(file.tasks[0].id, "70");
  EXPECT_EQ(file.tasks[0].gold, "B");
  EXPECT_EQ(file.tasks[0].prompt,
            "Which gas do plants take in?\n\nA) Oxygen\nB) Carbon dioxide\nC) Helium");
  EXPECT_EQ(file.tasks[1].categories.front().second, "math");
}

TEST(TaskFileTest, ReadsHumanEvalCompressed) {
  const TaskFile file = Read(Data("humaneval_sample.jsonl.gz"));
  EXPECT_STREQ(file.format->name, "humaneval");
  ASSERT_EQ(file.tasks.size(), 3);
  EXPECT_EQ(file.tasks[0].id, "HumanEval/0");
  const json metadata = json::parse(file.tasks[0].metadata_json);
  EXPECT_EQ(metadata["entry_point"], "has_close_elements");
  EXPECT_EQ(metadata["prompt"], file.tasks[0].prompt);
  EXPECT_THAT(metadata["test"].get<std::string>(), HasSubstr("def check(candidate)"));
}

TEST(TaskFileTest, ReadsMbppInBothForms) {
  const TaskFile file = Read(Data("mbpp.jsonl"));
  EXPECT_STREQ(file.format->name, "mbpp");
  EXPECT_EQ(file.tasks[0].id, "901");
  EXPECT_THAT(file.tasks[0].prompt, HasSubstr("assert double(2) == 4"));
  EXPECT_EQ(json::parse(file.tasks[0].metadata_json),
            json::parse(R"({"test_list": ["assert double(2) == 4", "assert double(0) == 0"],
                            "test_setup_code": ""})"));
  const TaskFile sanitized = Read(Data("mbpp_sanitized.json"));
  EXPECT_STREQ(sanitized.format->name, "mbpp");
  EXPECT_EQ(json::parse(sanitized.tasks[0].metadata_json)["test_imports"][0], "import math");
}

TEST(TaskFileTest, ReadsLiveCodeBenchWithPackedTests) {
  const TaskFile file = Read(Data("livecodebench.jsonl"));
  EXPECT_STREQ(file.format->name, "livecodebench");
  ASSERT_EQ(file.tasks.size(), 2);
  EXPECT_EQ(file.tasks[0].id, "abc999_a");
  EXPECT_EQ(json::parse(file.tasks[0].metadata_json),
            json::parse(R"({"tests": {"inputs": ["1 2\n", "5 6\n"], "outputs": ["3\n", "11\n"],
                                      "fn_name": null}})"));
  EXPECT_EQ(json::parse(file.tasks[1].metadata_json),
            json::parse(R"({"tests": {"inputs": ["4", "-1"], "outputs": ["8", "-2"],
                                      "fn_name": "twice"}})"));
  EXPECT_THAT(file.tasks[1].prompt, HasSubstr("class Solution:"));
}

TEST(TaskFileTest, ReadsIfeval) {
  const TaskFile file = Read(Data("ifeval.jsonl"));
  EXPECT_STREQ(file.format->name, "ifeval");
  ASSERT_EQ(file.tasks.size(), 2);
  EXPECT_EQ(file.tasks[0].id, "1000");
  const json metadata = json::parse(file.tasks[0].metadata_json);
  EXPECT_EQ(metadata["instruction_id_list"][1], "length_constraints:number_words");
  EXPECT_EQ(metadata["kwargs"][1]["num_words"], 20);
}

TEST(TaskFileTest, ReadsOurOwnLines) {
  const std::string path = Written(
      "own.jsonl",
      "{\"prompt\": \"1+1=\", \"answer\": 2, \"category\": \"sums\", \"id\": \"x\"}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"answer\": \"Hello\"}\n");
  const TaskFile file = Read(path);
  EXPECT_STREQ(file.format->name, "temper");
  ASSERT_EQ(file.tasks.size(), 2);
  EXPECT_EQ(file.tasks[0].id, "x");
  EXPECT_EQ(file.tasks[0].gold, "2");
  EXPECT_EQ(file.tasks[0].categories.front().second, "sums");
  EXPECT_THAT(file.tasks[1].chat_json, HasSubstr("\"Hi\""));
}

TEST(TaskFileTest, TakesTheFirstTasksOnly) {
  EXPECT_EQ(Read(Data("math_500.jsonl"), {.limit = 2}).tasks.size(), 2);
  EXPECT_EQ(Read(Data("math_500.jsonl"), {.limit = 9}).tasks.size(), 3);
}

TEST(TaskFileTest, NamesTheLineThatCannotBeUsed) {
  const std::string good = R"({"question": "1+1?", "answer": "#### 2"})"
                           "\n";
  EXPECT_THAT(Refusal(good + "\n{\"question\": \"q\"}\n"),
              HasSubstr(":3: gsm8k: lacks \"answer\""));
  EXPECT_THAT(Refusal(good + "{\"question\": \"q\", \"answer\": \"2\"}\n"),
              HasSubstr(":2: gsm8k: \"answer\" does not end in \"#### ANSWER\""));
  EXPECT_THAT(Refusal(good + "{\"question\": \n"), HasSubstr(":2:"));
  EXPECT_THAT(Refusal(good + "[1]\n"), HasSubstr(":2: found array, expected an object"));
  EXPECT_THAT(Refusal(good + "{\"question\": [], \"answer\": \"#### 2\"}\n"),
              HasSubstr(":2: gsm8k: \"question\": found array, expected a string"));
  EXPECT_THAT(Refusal(good + "{\"question\": \" \", \"answer\": \"#### 2\"}\n"),
              HasSubstr(":2: gsm8k: \"question\" is blank"));
  EXPECT_THAT(Refusal("{\"a\": 1}\n"),
              HasSubstr(":1: no known format has these keys: \"a\"; known are ifeval, humaneval"));
  EXPECT_THAT(Refusal(""), HasSubstr("holds no tasks"));
}

TEST(TaskFileTest, RefusesAnIdThatStandsTwice) {
  EXPECT_THAT(Refusal(R"({"ID": "7", "Problem": "a", "Answer": 1})"
                      "\n"
                      R"({"ID": "7", "Problem": "b", "Answer": 2})"
                      "\n"),
              HasSubstr(":2: id \"7\" stands in the file before, at "));
}

TEST(TaskFileTest, RefusesOptionsThatDoNotFit) {
  const auto line = [](const std::string& rest) {
    return R"({"question": "q", "options": ["a", "b"], )" + rest + "}\n";
  };
  EXPECT_THAT(Refusal(line(R"("answer": "C")")),
              HasSubstr("found \"C\", expected a letter from A to B"));
  EXPECT_THAT(Refusal(line(R"("answer": "A", "answer_index": 1)")),
              HasSubstr("\"answer\" is \"A\", but \"answer_index\" means B"));
  EXPECT_THAT(Refusal(line(R"("answer_index": 2)")), HasSubstr("expected a number from 0 to 1"));
}

TEST(TaskFileTest, RefusesTestsThatCannotBeRead) {
  const auto line = [](const std::string& tests, const std::string& metadata = "{}") {
    return json({{"question_content", "q"},
                 {"public_test_cases", tests},
                 {"private_test_cases", "[]"},
                 {"metadata", metadata}})
               .dump() +
           "\n";
  };
  EXPECT_THAT(Refusal(line("[]")), HasSubstr("the public ones are empty"));
  EXPECT_THAT(Refusal(line("%")), HasSubstr("is neither a JSON list nor base64"));
  EXPECT_THAT(Refusal(line("aGVsbG8=")), HasSubstr("the compressed text is damaged"));
  EXPECT_THAT(Refusal(line(R"([{"input": "1"}])")), HasSubstr("holds something else"));
  EXPECT_THAT(Refusal(line(R"([{"input": "1", "output": "2", "testtype": "functional"}])")),
              HasSubstr("names no \"func_name\""));
}

TEST(TaskFileTest, RefusesTablesWhoseRowsDoNotFit) {
  const std::string header =
      "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3\n";
  EXPECT_THAT(Refusal(header + "q,a,b,c,d\nq,a,b\n", "t.csv"),
              HasSubstr(":3: found 3 fields, expected 5"));
  EXPECT_THAT(Refusal(header + "q,\"a,b,c,d\n", "t.csv"),
              HasSubstr(": line 2: a quote opens here"));
  EXPECT_THAT(Refusal(header + "q,a,b,c,\n", "t.csv"), HasSubstr("lacks \"Incorrect Answer 3\""));
}

TEST(TaskFileTest, RefusesBombsAndDamage) {
  const auto gzip = [](const std::string& text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(out.size() - stream.avail_out);
    deflateEnd(&stream);
    return out;
  };
  const std::string line = R"({"question": "1+1?", "answer": "#### 2"})"
                           "\n";
  const std::string whole = gzip(line);
  EXPECT_EQ(Read(Written("whole.jsonl.gz", whole)).tasks.size(), 1);
  EXPECT_EQ(Read(Written("two.jsonl.gz", whole + gzip(line))).tasks.size(), 2) << "two members";
  EXPECT_THAT(Refusal(gzip(std::string(size_t{20} << 20, ' ')), "bomb.jsonl.gz"),
              HasSubstr("that are allowed"));
  EXPECT_THAT(Refusal(whole.substr(0, whole.size() - 3), "cut.jsonl.gz"), HasSubstr("cut off"));
  EXPECT_THAT(Refusal(whole + "tail", "tail.jsonl.gz"), HasSubstr("damaged"));
  EXPECT_THAT(Refusal("no gzip", "none.jsonl.gz"), HasSubstr("damaged"));
}

TEST(TaskFileTest, KnowsFormatsByName) {
  EXPECT_TRUE(FormatOf("gsm8k").ok());
  const absl::Status status = FormatOf("gsm8").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("did you mean \"gsm8k\""));
  // What the name promises, the lines must keep.
  EXPECT_THAT(std::string(ReadTaskFile(Data("aime.jsonl"), {.format = "gsm8k"}).status().message()),
              HasSubstr(":1: gsm8k: lacks \"question\""));
}

TEST(QuestionTest, PutsTheTemplateAroundTheProblem) {
  const Task task{.prompt = "2+2? {prompt}"};
  const auto asking = HowToAsk(OwnFormat(), true, "Q: {prompt}\nA:");
  ASSERT_TRUE(asking.ok());
  EXPECT_EQ(Ask(task, *asking).chat_json,
            R"({"messages":[{"role":"user","content":"Q: 2+2? {prompt}\nA:"}]})");
  const auto plain = HowToAsk(OwnFormat(), false, "");
  EXPECT_EQ(Ask(task, *plain).text, "2+2? {prompt}");
  EXPECT_TRUE(absl::IsInvalidArgument(HowToAsk(OwnFormat(), true, "no place").status()));
}

TEST(QuestionTest, LeavesConversationsAsTheyAre) {
  Asking asking{.chat = true, .prompt_template = "x {prompt}", .thinking = "off"};
  const Task task{.prompt = "Hi", .chat_json = R"({"messages":[{"role":"user","content":"Hi"}]})"};
  EXPECT_EQ(Ask(task, asking).chat_json,
            R"({"messages":[{"role":"user","content":"Hi"}],"enable_thinking":false})");
}

}  // namespace
}  // namespace temper::eval
