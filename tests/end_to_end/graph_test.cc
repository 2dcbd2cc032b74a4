// Graphs as a user runs them: against an HTTP server, killed, changed, replayed, served.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agents/endpoint/fake_script.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/philox.h"
#include "base/wait.h"
#include "nlohmann/json.hpp"
#include "tests/end_to_end/program.h"
#include "tests/fakes/fake_openai_server.h"

namespace temper::end_to_end {
namespace {

const std::string kGraphs = std::string(TEMPER_SOURCE) + "/examples/graphs";
constexpr int kConcurrency = 8;

class GraphTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/temper_graph_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    Serve("{}");
  }
  void TearDown() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  // A new server with a script, and an endpoints file that names it.
  void Serve(const std::string& script, int samples_max = 1) {
    auto parsed = agents::FakeScript::Parse(script, "script");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    server_ = std::make_unique<fakes::FakeOpenAiServer>(
        fakes::FakeOpenAiServer::Options{.script = *parsed});
    const std::string url = absl::StrCat("http://127.0.0.1:", server_->port(), "/v1");
    std::ofstream(folder_ + "/endpoints.json")
        << R"({"endpoints": {"main": {"kind": "openai", "url": ")" << url << R"(", "concurrency": )"
        << kConcurrency << R"(, "n_max": )" << samples_max
        << R"(, "revision": "one"}, "reward": {"kind": "reward_nim", "url": ")" << url
        << R"(", "concurrency": )" << kConcurrency << R"(, "revision": "one"}}})";
  }

  std::vector<std::string> Arguments(const std::string& verb, const std::string& dir,
                                     const std::string& graph = kGraphs + "/feedback_edit.json") {
    std::vector<std::string> arguments = {"graph",
                                          verb,
                                          graph,
                                          "--dir",
                                          folder_ + "/" + dir,
                                          "--endpoints",
                                          folder_ + "/endpoints.json"};
    if (verb == "run") {
      arguments.insert(arguments.end(), {"--prompt", "Why is the sky blue?"});
    }
    return arguments;
  }

  std::string folder_;
  std::unique_ptr<fakes::FakeOpenAiServer> server_;
};

TEST_F(GraphTest, ThePapersGraphIsPaidForOnce) {
  const Outcome first = Temper(Arguments("run", "a"));
  ASSERT_EQ(first.exit_code, 0) << first.errors;
  EXPECT_EQ(server_->stats().samples, 144);
  EXPECT_EQ(server_->stats().scored, 16);
  const int64_t requests = server_->stats().requests;
  const Outcome second = Temper(Arguments("run", "a"));
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(second.output, first.output);
  EXPECT_FALSE(first.output.empty());
  EXPECT_EQ(server_->stats().requests, requests);
  // A replay needs nobody.
  server_.reset();
  const Outcome replayed = Temper(Arguments("replay", "a"));
  EXPECT_EQ(replayed.exit_code, 0) << replayed.errors;
  EXPECT_EQ(replayed.output, first.output);
}

TEST_F(GraphTest, KillsCostNoMoreThanWhatWasInFlight) {
  const Outcome quiet = Temper(Arguments("run", "quiet"));
  ASSERT_EQ(quiet.exit_code, 0) << quiet.errors;
  Serve(R"({"latency_ms": 10, "latency_jitter_ms": 20})");
  constexpr int kKills = 12;
  for (int kill = 0; kill < kKills; ++kill) {
    LiveProcess run(Arguments("run", "fire"));
    Sleep(
        Wait::ForWork("the moment of a kill",
                      absl::Milliseconds(60 + Philox(7, 0, static_cast<uint64_t>(kill))[0] % 200)));
    run.Kill();
  }
  const Outcome last = Temper(Arguments("run", "fire"));
  ASSERT_EQ(last.exit_code, 0) << last.errors;
  EXPECT_EQ(last.output, quiet.output);
  EXPECT_LE(server_->stats().samples, 144 + kKills * kConcurrency);
  EXPECT_GE(server_->stats().samples, 144);
}

TEST_F(GraphTest, AChangedGraphReusesWhatStillAnswersTheSameQuestion) {
  ASSERT_EQ(Temper(Arguments("run", "a")).exit_code, 0);
  const auto before = server_->stats();
  // The editor writes otherwise: drafts, feedbacks and the drafts' scores stand.
  const auto text = ReadFile(kGraphs + "/feedback_edit.json");
  ASSERT_TRUE(text.ok());
  nlohmann::ordered_json graph = nlohmann::ordered_json::parse(*text);
  graph["roles"]["editor"]["temperature"] = 0.123;
  std::ofstream(folder_ + "/changed.json")
      << absl::StrReplaceAll(graph.dump(1), {{"prompts/", kGraphs + "/prompts/"}});
  const Outcome changed = Temper(Arguments("resume", "a", folder_ + "/changed.json"));
  EXPECT_EQ(changed.exit_code, 0) << changed.errors;
  EXPECT_TRUE(absl::StrContains(changed.errors, "reuse 136 results, ask for 8 now"))
      << changed.errors;
  EXPECT_EQ(server_->stats().samples - before.samples, 8);
  EXPECT_EQ(server_->stats().scored - before.scored, 8);
  std::vector<std::string> strict = Arguments("resume", "a");
  strict.push_back("--strict");
  const Outcome refused = Temper(strict);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(refused.errors, "recorded with another graph")) << refused.errors;
}

TEST_F(GraphTest, AForkDrawsAnewFromItsPlaceOn) {
  const Outcome first = Temper(Arguments("run", "a"));
  ASSERT_EQ(first.exit_code, 0);
  const Outcome forked =
      Temper({"graph", "fork", kGraphs + "/feedback_edit.json", "--dir", folder_ + "/a", "--to",
              folder_ + "/b", "--at", "edit[3]", "--seed", "5"});
  ASSERT_EQ(forked.exit_code, 0) << forked.errors;
  EXPECT_TRUE(absl::StrContains(forked.output, "159 results of 160")) << forked.output;
  const auto before = server_->stats();
  EXPECT_EQ(Temper(Arguments("resume", "b")).exit_code, 0);
  EXPECT_EQ(server_->stats().samples - before.samples, 1);
  // The new edit wants a score of its own.
  EXPECT_EQ(server_->stats().scored - before.scored, 1);
  const Outcome typo = Temper({"graph", "fork", kGraphs + "/feedback_edit.json", "--dir",
                               folder_ + "/a", "--to", folder_ + "/c", "--at", "edti"});
  EXPECT_EQ(typo.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(typo.errors, "did you mean \"edit\"")) << typo.errors;
}

TEST_F(GraphTest, ABudgetThatRunsOutGivesTheBestAndItsOwnExitCode) {
  std::vector<std::string> arguments = Arguments("run", "a");
  arguments.insert(arguments.end(), {"--budget", "calls=20", "--json"});
  const Outcome outcome = Temper(arguments);
  EXPECT_EQ(outcome.exit_code, 3) << outcome.errors;
  const auto line = nlohmann::json::parse(outcome.output, nullptr, false);
  ASSERT_TRUE(line.is_object()) << outcome.output;
  EXPECT_EQ(line["outcome"], "budget_exhausted");
  EXPECT_FALSE(line["text"].get<std::string>().empty());
  EXPECT_EQ(server_->stats().requests, 20);
  // Not reset by a new start.
  EXPECT_EQ(Temper(arguments).exit_code, 3);
  EXPECT_EQ(server_->stats().requests, 20);
}

TEST_F(GraphTest, ABusyServerMeetsNoStorm) {
  Serve(R"({"rules": [{"fault": "http_503"}]})");
  std::vector<std::string> arguments = Arguments("run", "a", kGraphs + "/best_of_n.json");
  const Outcome outcome = Temper(arguments);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.errors;
  EXPECT_TRUE(absl::StrContains(outcome.errors, "503")) << outcome.errors;
  // 16 answers, a fifth more, and the few that every endpoint may try again.
  EXPECT_LE(server_->stats().requests, 16 * 1.2 + 3);
}

TEST_F(GraphTest, MistakesAreRefusedBeforeAnyCall) {
  const auto refused = [&](const std::string& from, const std::string& to,
                           const std::string& words) {
    auto text = ReadFile(kGraphs + "/feedback_edit.json");
    ASSERT_TRUE(text.ok());
    const std::string changed = absl::StrReplaceAll(*text, {{from, to}});
    ASSERT_NE(changed, *text) << from;
    std::ofstream(folder_ + "/bad.json")
        << absl::StrReplaceAll(changed, {{"prompts/", kGraphs + "/prompts/"}});
    const Outcome outcome = Temper(Arguments("run", "bad", folder_ + "/bad.json"));
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    EXPECT_TRUE(absl::StrContains(outcome.errors, words)) << outcome.errors;
  };
  refused("\"$useful\"", "\"$usefull\"", "did you mean \"$useful\"");
  refused("edit.prompt", "edti.prompt", "edti.prompt");
  refused("main:", "mian:", "did you mean \"main\"");
  refused("\"role\": \"editor\"", "\"role\": \"editer\"", "did you mean \"editor\"");
  auto endpoints = ReadFile(folder_ + "/endpoints.json");
  ASSERT_TRUE(endpoints.ok());
  std::ofstream(folder_ + "/endpoints.json") << absl::StrReplaceAll(
      *endpoints, {{"\"kind\": \"openai\"", "\"kind\": \"openai\", \"key_env\": \"NO_SUCH_KEY\""}});
  const Outcome keyless = Temper(Arguments("run", "bad"));
  EXPECT_EQ(keyless.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(keyless.errors, "NO_SUCH_KEY")) << keyless.errors;
  EXPECT_EQ(server_->stats().requests, 0);
}

TEST_F(GraphTest, AServedGraphIsAModelAndAKeyNamesItsAnswer) {
  std::vector<std::string> arguments = Arguments("serve", "served");
  arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
  LiveProcess serving(arguments);
  const std::string address = serving.Address();
  ASSERT_FALSE(address.empty()) << serving.Errors();
  auto http = HttpClient::Create(absl::StrCat("http://", address, "/v1"));
  ASSERT_TRUE(http.ok());
  const auto ask = [&](const std::string& key, bool stream) {
    const std::string body = absl::StrCat(
        R"({"model": "feedback-edit", "messages": [{"role": "user", "content": "Why?"}], "stream": )",
        stream ? "true" : "false", "}");
    auto answer =
        (*http)->Post({.path = "/chat/completions",
                       .body = body,
                       .headers = {"Content-Type: application/json", "Idempotency-Key: " + key},
                       .timeout = absl::Seconds(60)});
    EXPECT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->status, 200) << answer->body;
    return answer->body;
  };
  const auto first = nlohmann::json::parse(ask("one", false), nullptr, false);
  ASSERT_TRUE(first.is_object());
  const std::string text = first["choices"][0]["message"]["content"];
  EXPECT_FALSE(text.empty());
  EXPECT_GT(first["usage"]["completion_tokens"], 0);
  EXPECT_TRUE(first["temper"]["roles"].contains("critic"));
  const int64_t requests = server_->stats().requests;
  const auto again = nlohmann::json::parse(ask("one", false), nullptr, false);
  EXPECT_EQ(again["choices"][0]["message"]["content"], text);
  EXPECT_EQ(again["usage"], first["usage"]);
  EXPECT_EQ(server_->stats().requests, requests);
  const std::string streamed = ask("one", true);
  EXPECT_TRUE(absl::StrContains(streamed, text.substr(0, 20))) << streamed;
  EXPECT_TRUE(absl::StrContains(streamed, "data: [DONE]")) << streamed;
  EXPECT_EQ(serving.Stop(), 0) << serving.Errors();
}

TEST_F(GraphTest, OpenAisOwnClientUnderstandsAServedGraph) {
  const char* const named = std::getenv("TEMPER_TEST_OPENAI_PYTHON");
  const std::string python = named != nullptr ? named : "python3";
  if (std::system((python + " -c 'import openai' 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "the package openai is not here (TEMPER_TEST_OPENAI_PYTHON may name a Python "
                    "that has it): OpenAI's client was not run against a graph";
  }
  std::vector<std::string> arguments = Arguments("serve", "served");
  arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
  LiveProcess serving(arguments);
  const std::string address = serving.Address();
  ASSERT_FALSE(address.empty()) << serving.Errors();
  const int code = std::system(absl::StrCat("timeout 300 ", python, " ", TEMPER_SOURCE,
                                            "/tests/end_to_end/openai_graph_scenario.py http://",
                                            address, "/v1 feedback-edit > ", folder_, "/log 2>&1")
                                   .c_str());
  const auto words = ReadFile(folder_ + "/log");
  EXPECT_EQ(code, 0) << (words.ok() ? *words : "") << serving.Errors();
}

// The score as one would compute it by hand from the file that is written.
double ArenaScoreByHand(const std::string& judgements, int& counted) {
  const std::map<std::string, std::pair<double, int>> kBattles = {
      {"A>>B", {1, 3}}, {"A>B", {1, 1}}, {"A=B", {0.5, 1}}, {"B>A", {0, 1}}, {"B>>A", {0, 3}}};
  double won = 0;
  int battles = 0;
  counted = 0;
  std::istringstream lines(judgements);
  for (std::string line; std::getline(lines, line);) {
    const auto record = nlohmann::json::parse(line);
    const auto& games = record["games"];
    if (games[0]["score"].is_null() || games[1]["score"].is_null()) continue;
    ++counted;
    const auto [first, first_count] = kBattles.at(games[0]["score"]);
    const auto [second, second_count] = kBattles.at(games[1]["score"]);
    // The candidate is B in the first game and A in the second.
    won += (1 - first) * first_count + second * second_count;
    battles += first_count + second_count;
  }
  return 100 * won / battles;
}

TEST_F(GraphTest, ArenaHardIsAnsweredJudgedAndScoredAsByHand) {
  Serve(R"({"rules": [{"match": {"model": "judge"},
    "reply": "Mine is better. [[{{random A>>B A>B A=B B>A B>>A undecided}}]]"}]})");
  auto endpoints = ReadFile(folder_ + "/endpoints.json");
  ASSERT_TRUE(endpoints.ok());
  std::ofstream(folder_ + "/endpoints.json") << absl::StrReplaceAll(
      *endpoints,
      {{"\"reward\":", absl::StrCat(R"("judge": {"kind": "openai", "url": "http://127.0.0.1:)",
                                    server_->port(), R"(/v1"}, "reward":)")}});
  const std::string questions = folder_ + "/questions.jsonl";
  std::ofstream file(questions);
  for (int i = 0; i < 40; ++i) {
    file << R"({"uid": "q)" << i
         << R"(", "category": "hard_prompt", "subcategory": "s", "prompt": )"
         << "\"Question number " << i << "?\"}\n";
  }
  file.close();
  const auto evaluate = [&](const std::string& dir, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"graph",
                                          "eval",
                                          kGraphs + "/best_of_n.json",
                                          "--questions",
                                          questions,
                                          "--endpoints",
                                          folder_ + "/endpoints.json",
                                          "--dir",
                                          folder_ + "/" + dir};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Temper(arguments);
  };
  const Outcome base = evaluate("base", {"--model", "base", "--seed", "1", "--answers-only"});
  ASSERT_EQ(base.exit_code, 0) << base.errors;
  const Outcome judged =
      evaluate("arena", {"--model", "mine", "--seed", "2", "--json", "--baseline",
                         folder_ + "/base/model_answer/base.jsonl"});
  ASSERT_EQ(judged.exit_code, 0) << judged.errors;
  const auto judgements = ReadFile(folder_ + "/arena/model_judgment/judge/mine.jsonl");
  ASSERT_TRUE(judgements.ok()) << judgements.status();
  int counted = 0;
  const double by_hand = ArenaScoreByHand(*judgements, counted);
  EXPECT_GT(counted, 10);
  EXPECT_LT(counted, 40);
  const auto rows = nlohmann::json::parse(judged.output, nullptr, false);
  ASSERT_TRUE(rows.is_array()) << judged.output;
  EXPECT_NEAR(rows[0]["value"].get<double>(), by_hand, 1e-9) << judged.output;
  EXPECT_EQ(rows[0]["n"], counted);
  EXPECT_EQ(rows[0]["invalid"], 40 - counted);
}

}  // namespace
}  // namespace temper::end_to_end
