// The published formats, the settings, and whose fault a failure is.
#include "reward/code/code_verifier.h"

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reward/registry.h"
#include "temper/v1/code_verifier.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class CodeVerifierTest : public testing::Test {
 protected:
  void SetUp() override {
    auto created = CodeVerifier::Create(v1::CodeOptions());
    ASSERT_TRUE(created.ok()) << created.status();
    verifier_ = *std::move(created);
    const auto isolation = verifier_->DescribeIsolation();
    if (!isolation.ok()) GTEST_SKIP() << isolation.status();
  }

  std::string Verdict(const json& line, std::string_view response = "") {
    // As on a line of `temper verify`: the program itself under "code", or a response that holds
    // it.
    json problem = line;
    const std::string code = problem.value("code", "");
    problem.erase("code");
    const std::string metadata = problem.dump();
    const auto judgement = verifier_->Judge({.text = line.contains("code") ? code : response,
                                             .metadata = metadata,
                                             .extracted = line.contains("code")});
    if (!judgement.ok()) return judgement.status().ToString();
    EXPECT_EQ(judgement->score, judgement->verdict == kPass ? 1 : 0);
    reason_ = judgement->reason;
    return judgement->verdict;
  }

  std::unique_ptr<const CodeVerifier> verifier_;
  std::string reason_;
};

TEST_F(CodeVerifierTest, ReadsStdinTestsAsPublished) {
  const std::string doubles = "n = int(input())\nfor _ in range(n): print(2 * int(input()))";
  const json apps = {{"inputs", {"2\n1\n3\n"}}, {"outputs", {"2\n6\n"}}, {"fn_name", nullptr}};
  EXPECT_EQ(Verdict({{"code", doubles}, {"tests", apps}}), "pass");
  EXPECT_EQ(Verdict({{"code", doubles}, {"input_output", apps.dump()}}), "pass");
  const json lines = {{"inputs", json::array({json::array({"2", "1", "3"})})},
                      {"outputs", json::array({json::array({"2", "6"})})}};
  EXPECT_EQ(Verdict({{"code", doubles}, {"tests", lines}}), "pass");
  const json rows = {{{"input", "1\n1\n"}, {"output", "2"}, {"testtype", "stdin"}}};
  EXPECT_EQ(Verdict({{"code", doubles}, {"public_test_cases", rows.dump()}}), "pass");
  EXPECT_EQ(Verdict({{"code", "print(3)"}, {"tests", apps}}), "wrong_answer");
  EXPECT_EQ(Verdict({{"tests", rows}}, "So:\n```python\n" + doubles + "\n```\n"), "pass");
  EXPECT_EQ(Verdict({{"tests", rows}}, "I cannot.\n```text\nno\n```\n"), "wrong_answer");
}

TEST_F(CodeVerifierTest, ReadsCallsAsPublished) {
  const json apps = {
      {"inputs", {{json::array({3, 1, 2})}}}, {"outputs", {{{1, 2, 3}}}}, {"fn_name", "f"}};
  EXPECT_EQ(Verdict({{"code", "def f(x): return tuple(sorted(x))"}, {"tests", apps}}), "pass");
  EXPECT_EQ(Verdict({{"code", "def f(x): return x"}, {"tests", apps}}), "wrong_answer");
  const json lcb = {
      {{"input", "[1, 2]\n\"a\""}, {"output", "{\"a\": 3}"}, {"testtype", "functional"}}};
  const std::string solution =
      "from typing import List\nclass Solution:\n    def f(self, x: List[int], k: str):\n"
      "        return {k: sum(x)}";
  EXPECT_EQ(Verdict({{"code", solution}, {"tests", lcb}, {"func_name", "f"}}), "pass");
  EXPECT_EQ(
      Verdict({{"code", solution}, {"tests", lcb.dump()}, {"metadata", "{\"func_name\": \"f\"}"}}),
      "pass");
  const std::string large =
      "{\"inputs\": [[100000000000000000000]], "
      "\"outputs\": [200000000000000000001], \"fn_name\": \"f\"}";
  EXPECT_EQ(Verdict({{"code", "def f(x): return 2 * x"}, {"tests", large}}), "wrong_answer");
  EXPECT_EQ(Verdict({{"code", "def f(x): return 2 * x + 1"}, {"tests", large}}), "pass");
}

TEST_F(CodeVerifierTest, ReadsAssertsAsPublished) {
  const json mbpp = {
      {"test_setup_code", "import math"},
      {"test_list",
       {"assert max_chain([Pair(5, 24), Pair(15, 25)], 2) == 1",
        "assert math.isclose(half(3), 1.5)", "assert set(both()) == {1, 2}",
        "assert list(lazy()) == [0, 1]", "assert half.__class__ is not None or half(2)",
        "assert Pair(1, 2).b == half(4)"}}};
  json line = mbpp;
  line["code"] =
      "class Pair:\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n"
      "def max_chain(pairs, n): return pairs[0].b - 23\ndef half(x): return x / 2\n"
      "def both(): return {1, 2}\ndef lazy(): return (i for i in range(2))\n";
  line["test_list"].erase(4);
  EXPECT_EQ(Verdict(line), "pass") << reason_;
  line["test_list"].push_back("assert Pair(1, 2) == 3");
  EXPECT_EQ(Verdict(line), "wrong_answer");
}

TEST_F(CodeVerifierTest, JudgesOtherLanguages) {
  const json rows = {{{"input", "21"}, {"output", "42"}}};
  const std::string c =
      "#include <stdio.h>\nint main() { int x; scanf(\"%d\", &x); printf(\"%d\", 2 * x); }";
  EXPECT_EQ(Verdict({{"tests", rows}, {"language", "c"}, {"code", c}}), "pass");
  EXPECT_EQ(Verdict({{"tests", rows}, {"language", "cpp"}}, "```cpp\n" + c + "\n```"), "pass");
  EXPECT_EQ(Verdict({{"tests", rows}, {"language", "cpp"}, {"code", "int main() { return x; }"}}),
            "compile_error");
  EXPECT_THAT(reason_, HasSubstr("not declared"));
  EXPECT_EQ(Verdict({{"tests", rows}, {"code", "def f(:"}}), "compile_error");
}

TEST_F(CodeVerifierTest, NeverRunsTheReferenceSolutionInPlaceOfTheResponse) {
  const json metadata = {{"code", "def f(x): return 2 * x"}, {"test_list", {"assert f(2) == 4"}}};
  const std::string text = metadata.dump();
  const auto judgement = verifier_->Judge({.text = "def f(x): return 0", .metadata = text});
  ASSERT_TRUE(judgement.ok()) << judgement.status();
  EXPECT_EQ(judgement->verdict, kWrongAnswer);
}

TEST_F(CodeVerifierTest, NeverPassesWithoutTests) {
  const json code = {{"code", "x = 1"}};
  for (json line : {json{{"tests", json::array()}}, json{{"tests", "[]"}}, json{{"tests", nullptr}},
                    json{{"tests", {{"inputs", json::array()}, {"outputs", json::array()}}}},
                    json{{"test_list", json::array()}}, json{{"test", ""}, {"entry_point", "f"}},
                    json{{"test", "def check(candidate):\n    pass"}, {"entry_point", "f"}},
                    json{{"test", "x = 1"}, {"entry_point", "f"}},
                    json{{"test_list", {"assert True"}}}, json::object()}) {
    line.update(code);
    EXPECT_THAT(Verdict(line), HasSubstr("INVALID_ARGUMENT")) << line;
  }
}

TEST_F(CodeVerifierTest, BlamesBadTestsOnTheDataset) {
  for (const json& tests :
       {json(7), json("nonsense"), json{{"inputs", {"1"}}, {"outputs", {"1", "2"}}},
        json{{"inputs", {"1"}}}, json{{{"input", "1"}}},
        json{{{"input", "1"}, {"output", "2"}, {"testtype", "functional"}}},
        json{{"inputs", {"{"}}, {"outputs", {"1"}}, {"fn_name", "f"}}, json{1, 2}}) {
    EXPECT_THAT(Verdict({{"code", "x = 1"}, {"tests", tests}}), HasSubstr("INVALID_ARGUMENT: "))
        << tests;
  }
  for (const char* test :
       {"assert f(1) ==", "raise NameError", "import nowhere", "assert f(lambda: 1) == 1"}) {
    EXPECT_THAT(
        Verdict({{"code", "def f(x): return 1"}, {"test_list", {test, "assert f(1) == 2"}}}),
        HasSubstr("INVALID_ARGUMENT: tests"))
        << test;
  }
  EXPECT_THAT(Verdict({{"code", "x"}, {"test", "def check(candidate): candidate(1)"}}),
              HasSubstr("entry_point: missing"));
  const json rows = {{{"input", ""}, {"output", ""}}};
  EXPECT_THAT(Verdict({{"code", "x"}, {"tests", rows}, {"language", "cobol"}}),
              HasSubstr("language: found \"cobol\""));
  EXPECT_THAT(verifier_->Judge({.metadata = "{"}).status().ToString(), HasSubstr("metadata"));
}

TEST_F(CodeVerifierTest, GivesTheSameVerdictWhenRepeated) {
  const json line = {
      {"code", "def f(x): return [y for y in {'a', 'b', 'c', str(x)}]"},
      {"tests", {{"inputs", {{1}}}, {"outputs", {{"a", "b", "c", "1"}}}, {"fn_name", "f"}}}};
  const std::string first = Verdict(line);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Verdict(line), first);
}

TEST(CodeOptionsTest, RefusesWhatIsOutOfRange) {
  const auto refused = [](auto set) {
    v1::RubricPart part;
    part.set_verifier("code");
    set(*part.mutable_code());
    return MakeVerifier(part).status().ToString();
  };
  EXPECT_EQ(refused([](v1::CodeOptions&) {}), "OK");
  EXPECT_THAT(refused([](v1::CodeOptions& o) { o.set_cpu_seconds(0); }),
              HasSubstr("code.cpu_seconds"));
  EXPECT_THAT(refused([](v1::CodeOptions& o) { o.set_memory_mib(-1); }),
              HasSubstr("code.memory_mib"));
  EXPECT_THAT(refused([](v1::CodeOptions& o) { o.set_language("perl"); }),
              HasSubstr("code.language"));
  EXPECT_THAT(refused([](v1::CodeOptions& o) { o.set_isolation_min("vm"); }),
              HasSubstr("code.isolation_min"));
}

// The committed sample; with TEMPER_HUMANEVAL=HumanEval.jsonl all 164.
TEST_F(CodeVerifierTest, PassesCanonicalSolutionsOfHumanEvalAndFailsNone) {
  const char* whole = std::getenv("TEMPER_HUMANEVAL");
  const auto text = ReadFile(whole != nullptr ? whole : TEMPER_TEST_DATA "/humaneval_sample.jsonl");
  ASSERT_TRUE(text.ok()) << text.status();
  std::vector<std::string> lines = absl::StrSplit(*text, '\n', absl::SkipEmpty());
  ASSERT_GE(lines.size(), 10u);
  std::atomic<size_t> next = 0;
  std::vector<std::string> found(lines.size());
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (size_t j; (j = next++) < lines.size();) {
        json line = json::parse(lines[j]);
        const std::string name = line["task_id"];
        const std::string solution = line["canonical_solution"];
        const std::string whole_function = line["prompt"].get<std::string>() + solution;
        const auto judged = [&](const std::string& code) {
          const std::string metadata = line.dump();
          const auto judgement =
              verifier_->Judge({.text = code, .metadata = metadata, .extracted = true});
          return judgement.ok() ? judgement->verdict : judgement.status().ToString();
        };
        found[j] = absl::StrCat(name, " ", judged(solution), " ", judged(whole_function), " ",
                                judged("    return None\n") == kPass ? "paid for None" : "none");
        const std::string response = "<think>hm</think>\n```python\n" + whole_function + "\n```\n";
        const std::string metadata = line.dump();
        const auto judgement = verifier_->Judge({.text = response, .metadata = metadata});
        absl::StrAppend(&found[j], " ", judgement.ok() ? judgement->verdict : "failed");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : found) EXPECT_THAT(result, HasSubstr(" pass pass none pass"));
}

}  // namespace
}  // namespace temper::reward
