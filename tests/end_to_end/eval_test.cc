// `temper eval` as a user runs it: on a trained folder, and on a server that fails now and then.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/philox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/end_to_end/program.h"
#include "tests/fakes/fake_http_server.h"

namespace temper::end_to_end {
namespace {

using fakes::FakeAnswer;
using fakes::FakeHttpServer;
using fakes::FakeRequest;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr int kProblems = 40;

// GSM8K's form: problem i asks for i + 1000.
std::string Problems() {
  std::string lines;
  for (int i = 0; i < kProblems; ++i) {
    absl::StrAppend(&lines,
                    json({{"question", absl::StrCat("What is ", i, " + 1000?")},
                          {"answer", absl::StrCat("#### ", i + 1000)}})
                        .dump(),
                    "\n");
  }
  return lines;
}

// Answers three of four samples rightly, by problem and seed alone. 0: the request is none of ours.
FakeAnswer AnswerTo(const FakeRequest& request) {
  const json body = json::parse(request.body, nullptr, false);
  const std::string text = body["messages"][0]["content"];
  const int i = std::atoi(text.c_str() + text.find_first_of("0123456789"));
  const uint64_t seed = body["seed"];
  const bool right = Philox(seed, static_cast<uint64_t>(i), 0)[0] % 4 != 0;
  const std::string said = absl::StrCat("It is \\boxed{", right ? i + 1000 : i, "}.");
  return {.body =
              json({{"choices", {{{"message", {{"content", said}}}, {"finish_reason", "stop"}}}},
                    {"usage", {{"completion_tokens", 7}}}})
                  .dump()};
}

class EvalTest : public ::testing::Test {
 protected:
  EvalTest() : folder_(::testing::TempDir() + "/temper_eval_test") {
    EXPECT_TRUE(RemoveAll(folder_).ok());
    EXPECT_TRUE(MakeDirectories(folder_).ok());
    EXPECT_TRUE(WriteFileAtomically(Path("tasks.jsonl"), Problems()).ok());
  }
  ~EvalTest() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  std::vector<std::string> Arguments(const std::string& url,
                                     const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"eval",       url,       "--model",
                                    "m",          "--tasks", Path("tasks.jsonl"),
                                    "--verifier", "answer",  "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  const std::string folder_;
};

json Document(const Outcome& outcome) {
  const json document = json::parse(outcome.output, nullptr, false);
  EXPECT_TRUE(document.is_object()) << outcome.output << outcome.errors;
  return document;
}

int64_t CountLines(const std::string& path) {
  const auto text = ReadFile(path);
  return text.ok() ? std::count(text->begin(), text->end(), '\n') : 0;
}

TEST_F(EvalTest, GivesWhatGenerateAndVerifyGive) {
  const std::string spec = WriteTinyJob(Path("job"));
  const Outcome run = Temper({"run", spec, "--dir", Path("run"), "--set", "steps=1"});
  ASSERT_EQ(run.exit_code, 0) << run.errors;
  std::string model;
  for (const auto& entry : std::filesystem::directory_iterator(Path("run/checkpoints"))) {
    model = std::max(model, entry.path().string());
  }
  ASSERT_TRUE(
      WriteFileAtomically(Path("config.json"), R"({"extract": "after", "marker": "#"})").ok());
  const Outcome outcome =
      Temper({"eval", model, "--tasks", Path("job/problems.jsonl"), "--config", Path("config.json"),
              "--max-tokens", "12", "--json", "--out", Path("out")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const json document = Document(outcome);

  // The same by hand, problem by problem.
  std::string responses;
  const std::string problems = *ReadFile(Path("job/problems.jsonl"));
  for (size_t at = 0; at < problems.size(); at = problems.find('\n', at) + 1) {
    const json problem = json::parse(problems.substr(at, problems.find('\n', at) - at));
    const Outcome generated = Temper({"generate", model, "--prompt", problem["prompt"],
                                      "--max-tokens", "12", "--temperature", "0", "--json"});
    ASSERT_EQ(generated.exit_code, 0) << generated.errors;
    absl::StrAppend(
        &responses,
        json({{"gold", problem["answer"]}, {"response", json::parse(generated.output)["text"]}})
            .dump(),
        "\n");
  }
  ASSERT_TRUE(WriteFileAtomically(Path("responses.jsonl"), responses).ok());
  const Outcome verified = Temper({"verify", "--verifier", "answer", "--config",
                                   Path("config.json"), "--input", Path("responses.jsonl")});
  ASSERT_EQ(verified.exit_code, 0) << verified.errors;
  const auto count = [&verified](const std::string& word) {
    int64_t found = 0;
    for (size_t at = verified.output.find(word); at != std::string::npos;
         at = verified.output.find(word, at + 1)) {
      ++found;
    }
    return found;
  };
  const int64_t right = count("\"verdict\":\"equal\"");
  const int64_t all = right + count("\"verdict\":\"not_equal\"");
  EXPECT_EQ(all, 30);
  EXPECT_EQ(document["problems"], all);
  EXPECT_EQ(document["metrics"]["pass@1"]["value"].get<double>(),
            static_cast<double>(right) / static_cast<double>(all));

  // Several samples; a second run takes them all from the folder, and more are added to these.
  const std::vector<std::string> sampled = {"eval",          model,
                                            "--tasks",       Path("job/problems.jsonl"),
                                            "--config",      Path("config.json"),
                                            "--max-tokens",  "12",
                                            "--temperature", "1",
                                            "--json",        "--out",
                                            Path("sampled"), "-k"};
  const auto with_k = [&sampled](const std::string& k) {
    std::vector<std::string> arguments = sampled;
    arguments.push_back(k);
    return arguments;
  };
  const Outcome two = Temper(with_k("2"));
  ASSERT_EQ(two.exit_code, 0) << two.errors;
  EXPECT_EQ(CountLines(Path("sampled/samples.jsonl")), 60);
  EXPECT_EQ(Temper(with_k("2")).output, two.output);
  EXPECT_EQ(CountLines(Path("sampled/samples.jsonl")), 60);
  EXPECT_EQ(Temper(with_k("1,4")).exit_code, 0);
  EXPECT_EQ(CountLines(Path("sampled/samples.jsonl")), 120);
}

// Killed in the middle, and after it, as often as it takes: the document is the undisturbed one.
TEST_F(EvalTest, GoesOnAfterAKillAsIfNothingHadHappened) {
  std::atomic<int> requests = 0;
  FakeHttpServer server([&requests](const FakeRequest& request) {
    const int number = ++requests;
    if (number % 41 == 0) return FakeAnswer{.status = 503};
    if (number % 53 == 0) return FakeAnswer{.fault = FakeAnswer::Fault::kClose};
    absl::SleepFor(absl::Milliseconds(2));
    return AnswerTo(request);
  });
  const std::vector<std::string> more = {"-k", "1,2,4", "--concurrency", "3"};
  std::vector<std::string> kept = more;
  kept.insert(kept.end(), {"--out", Path("out")});

  for (int kills = 0; kills < 3; ++kills) {
    std::vector<std::string> arguments = Arguments(server.url(), kept);
    std::vector<char*> argv = {const_cast<char*>(TEMPER_PROGRAM)};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int before = requests;
    const pid_t pid = fork();
    if (pid == 0) {
      execv(TEMPER_PROGRAM, argv.data());
      _exit(127);
    }
    while (requests < before + 20 && waitpid(pid, nullptr, WNOHANG) == 0) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  EXPECT_LT(CountLines(Path("out/samples.jsonl")), 4 * kProblems);

  const Outcome resumed = Temper(Arguments(server.url(), kept));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.errors;
  EXPECT_EQ(CountLines(Path("out/samples.jsonl")), 4 * kProblems);
  const Outcome undisturbed = Temper(Arguments(server.url(), more));
  ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.errors;
  EXPECT_EQ(resumed.output, undisturbed.output);
  const json metrics = Document(resumed)["metrics"];
  EXPECT_NEAR(metrics["pass@1"]["value"].get<double>(), 0.75, 0.15);
  EXPECT_GT(metrics["pass@4"]["value"].get<double>(), metrics["pass@1"]["value"].get<double>());
  EXPECT_TRUE(metrics.contains("maj@4"));

  const int done = requests;
  EXPECT_EQ(Temper(Arguments(server.url(), kept)).output, resumed.output);
  EXPECT_EQ(requests, done) << "nothing was missing";
}

TEST_F(EvalTest, NeverTakesAServersFailureForAWrongAnswer) {
  std::atomic<bool> well = false;
  FakeHttpServer server([&well](const FakeRequest& request) {
    const bool broken = request.body.find("What is 7 +") != std::string::npos && !well;
    return broken ? FakeAnswer{.status = 500, .body = "out of memory"} : AnswerTo(request);
  });
  const std::vector<std::string> more = {"--attempts", "1", "--out", Path("out")};
  const Outcome outcome = Temper(Arguments(server.url(), more));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("1 samples have no score"));
  EXPECT_THAT(outcome.errors, HasSubstr("HTTP 500: out of memory"));
  const json document = Document(outcome);
  EXPECT_EQ(document["internal_errors"], 1);
  EXPECT_EQ(document["samples_scored"], kProblems - 1);
  EXPECT_EQ(document["metrics"]["pass@1"]["problems"], kProblems - 1);

  well = true;
  const Outcome again = Temper(Arguments(server.url(), more));
  EXPECT_EQ(again.exit_code, 0) << again.errors;
  EXPECT_EQ(Document(again)["internal_errors"], 0);
  EXPECT_EQ(Document(again)["samples_scored"], kProblems);
}

TEST_F(EvalTest, EndsAtOnceWhenTheServerRefuses) {
  std::atomic<int> requests = 0;
  FakeHttpServer server([&requests](const FakeRequest&) {
    ++requests;
    return FakeAnswer{.status = 404, .body = R"({"error": {"message": "no model m"}})"};
  });
  const Outcome outcome = Temper(Arguments(server.url(), {"--concurrency", "1"}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("HTTP 404: no model m"));
  EXPECT_EQ(requests, 1);
}

TEST_F(EvalTest, SendsTheKeyOfTheEnvironmentAndShowsItToNobody) {
  std::atomic<int> with_key = 0;
  FakeHttpServer server([&with_key](const FakeRequest& request) {
    const auto key = request.headers.find("authorization");
    with_key += key != request.headers.end() && key->second == "Bearer k3y-of-test" ? 1 : 0;
    return AnswerTo(request);
  });
  ASSERT_EQ(setenv("TEMPER_EVAL_TEST_KEY", "k3y-of-test", 1), 0);
  const Outcome outcome = Temper(
      Arguments(server.url(), {"--api-key-env", "TEMPER_EVAL_TEST_KEY", "--out", Path("out")}));
  ASSERT_EQ(unsetenv("TEMPER_EVAL_TEST_KEY"), 0);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(with_key, kProblems);
  std::string everything = outcome.output + outcome.errors;
  for (const auto& entry : std::filesystem::directory_iterator(Path("out"))) {
    everything += *ReadFile(entry.path().string());
  }
  EXPECT_EQ(everything.find("k3y-of-test"), std::string::npos);
  EXPECT_EQ(Temper(Arguments(server.url(), {"--api-key-env", "TEMPER_EVAL_TEST_KEY"})).exit_code,
            2);
}

TEST_F(EvalTest, RefusesWhatCannotBeMeantBeforeAnythingIsAsked) {
  std::atomic<int> requests = 0;
  FakeHttpServer server([&requests](const FakeRequest& request) {
    ++requests;
    return AnswerTo(request);
  });
  const auto refused = [&](const std::vector<std::string>& more, const std::string& words) {
    const Outcome outcome = Temper(Arguments(server.url(), more));
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(words));
    EXPECT_EQ(outcome.output, "");
  };
  refused({"-k", "4", "--temperature", "0"}, "the same response 4 times");
  refused({"-k", "8", "-n", "4"}, "expected at most the 4 samples");
  refused({"--format", "gsm9k"}, "did you mean \"gsm8k\"");
  refused({"--template", "nothing"}, "expected \"{prompt}\" in it");
  ASSERT_TRUE(
      WriteFileAtomically(Path("tasks.jsonl"), Problems() + "{\"question\": \"q\"}\n").ok());
  refused({}, absl::StrCat("tasks.jsonl:", kProblems + 1, ": gsm8k: lacks \"answer\""));
  EXPECT_EQ(requests, 0);
}

}  // namespace
}  // namespace temper::end_to_end
