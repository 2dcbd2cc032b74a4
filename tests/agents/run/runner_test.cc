#include "agents/run/runner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "agents/endpoint/open_endpoints.h"
#include "base/file.h"
#include "tests/agents/run/graphs.h"

namespace temper::agents {
namespace {

// A clock, two fake endpoints and a store in a folder of the test.
class RunnerTest : public testing::Test {
 protected:
  RunnerTest() {
    const char* base = std::getenv("TEST_TMPDIR");
    folder_ = absl::StrCat(base != nullptr ? base : "/tmp", "/runner-", getpid(), "-",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    EXPECT_TRUE(RemoveAll(folder_).ok());
    EXPECT_TRUE(MakeDirectories(folder_).ok());
  }
  ~RunnerTest() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  Endpoints Open(int concurrency, const std::string& rules = "[]") {
    EXPECT_TRUE(
        WriteFileAtomically(folder_ + "/script.json", absl::StrCat(R"({"rules": )", rules, "}"))
            .ok());
    EXPECT_TRUE(
        WriteFileAtomically(folder_ + "/endpoints.json",
                            absl::StrCat(R"({"endpoints": {
          "main": {"kind": "fake", "concurrency": )",
                                         concurrency, R"(, "n_max": 4, "script": "script.json"},
          "reward": {"kind": "fake", "reward": true, "concurrency": )",
                                         concurrency, R"(}}})"))
            .ok());
    const auto specs = ReadEndpoints(folder_ + "/endpoints.json");
    EXPECT_TRUE(specs.ok()) << specs.status();
    auto endpoints = OpenEndpoints(*specs, {.clock = &clock_});
    EXPECT_TRUE(endpoints.ok()) << endpoints.status();
    return *std::move(endpoints);
  }

  std::unique_ptr<GraphStore> Store() {
    auto store = GraphStore::Open(folder_ + "/results.db");
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  // Runs one execution to its end.
  ExecutionEnd Run(const std::shared_ptr<const Graph>& graph, Endpoints& endpoints,
                   Runner::Options options = {}, std::optional<BudgetLimits> budget = {},
                   const nlohmann::ordered_json& inputs = Question1()) {
    open_max_ = 0;
    auto runner = Runner::Create(graph, endpoints, Store(), nullptr, clock_, options);
    EXPECT_TRUE(runner.ok()) << runner.status();
    Mutex mutex;
    std::optional<ExecutionEnd> end;
    EXPECT_TRUE((*runner)
                    ->Submit({.id = "one",
                              .inputs = inputs,
                              .budget = budget,
                              .on_progress =
                                  [this](const ExecutionProgress& progress) {
                                    open_max_ = std::max(open_max_.load(), progress.open);
                                  },
                              .on_end =
                                  [&](ExecutionEnd one) {
                                    MutexLock lock(mutex);
                                    end = std::move(one);
                                    mutex.Changed();
                                  }})
                    .ok());
    (*runner)->Start();
    {
      MutexLock lock(mutex);
      mutex.Await(Wait::OrFail("the end of the execution", absl::Minutes(2)),
                  [&] { return end.has_value(); });
    }
    (*runner)->Stop();
    EXPECT_TRUE(end.has_value());
    return end.value_or(ExecutionEnd{});
  }

  static std::string Text(const ExecutionEnd& end) {
    return end.output.empty() ? "" : TextOf(end.output.front(), {});
  }

  SystemClock clock_;
  std::string folder_;
  std::atomic<int64_t> open_max_{0};
};

TEST_F(RunnerTest, ASecondRunAsksForNothingAndSaysTheSame) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(16);
  const ExecutionEnd first = Run(graph, endpoints);
  EXPECT_EQ(first.outcome, "done") << first.why;
  EXPECT_EQ(first.progress.wanted, 144 + 16);
  // Drafts and feedbacks go in fours; edits and scores alone.
  EXPECT_EQ(first.calls, 2 + 8 * 4 + 8 + 16);
  const ExecutionEnd second = Run(graph, endpoints);
  EXPECT_EQ(second.outcome, "done");
  EXPECT_EQ(second.calls, 0);
  EXPECT_EQ(second.progress.recorded, 144 + 16);
  EXPECT_EQ(Text(second), Text(first));
  EXPECT_FALSE(Text(first).empty());
}

TEST_F(RunnerTest, AReplayAsksForNothingAlsoWhereSomethingIsMissing) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(16);
  const ExecutionEnd end = Run(graph, endpoints, {.sealed = true});
  EXPECT_EQ(end.outcome, "failed");
  EXPECT_EQ(end.calls, 0);
  EXPECT_NE(end.why.find("nothing is asked in a replay"), std::string::npos) << end.why;
}

TEST_F(RunnerTest, AReplayDropsTheSiblingsOfWhatFailsWhileItTakesThem) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(16);
  EXPECT_EQ(Run(graph, endpoints).outcome, "done");
  // One more than the node can do without.
  for (int64_t sample = 0; sample < 5; ++sample) {
    ASSERT_TRUE(Store()->Forget("feedback", "draft=0", sample).ok());
  }
  const ExecutionEnd end = Run(graph, endpoints, {.sealed = true});
  EXPECT_EQ(end.outcome, "done") << end.why;
  EXPECT_EQ(end.calls, 0);
}

TEST_F(RunnerTest, TwoWhoAskForTheSameExecutionWaitForTheOne) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(16);
  auto runner = Runner::Create(graph, endpoints, Store(), nullptr, clock_, {});
  ASSERT_TRUE(runner.ok()) << runner.status();
  Mutex mutex;
  std::vector<ExecutionEnd> ends;
  const auto submit = [&](const nlohmann::ordered_json& inputs) {
    EXPECT_TRUE((*runner)
                    ->Submit({.id = "one",
                              .inputs = inputs,
                              .on_end =
                                  [&](ExecutionEnd one) {
                                    MutexLock lock(mutex);
                                    ends.push_back(std::move(one));
                                    mutex.Changed();
                                  }})
                    .ok());
  };
  submit(Question1());
  submit(Question1());
  submit(Question1());
  submit({{"messages", "another question"}});
  (*runner)->Start();
  // One of three has gone: the others still want it.
  (*runner)->Cancel("one");
  {
    MutexLock lock(mutex);
    ASSERT_TRUE(
        mutex.Await(Wait::OrFail("four ends", absl::Minutes(1)), [&] { return ends.size() == 4; }));
  }
  (*runner)->Stop();
  runner->reset();  // lets go of the store
  int refused = 0;
  std::vector<std::string> texts;
  for (const ExecutionEnd& end : ends) {
    refused += end.outcome == "refused";
    if (end.outcome == "done") texts.push_back(Text(end));
  }
  EXPECT_EQ(refused, 1);
  // Whoever cancelled is told either end.
  ASSERT_GE(texts.size(), 2u);
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_EQ(Store()->Spent(-1)->calls, 2 + 8 * 4 + 8 + 16);
}

TEST_F(RunnerTest, WhatIsCancelledAndAskedForAgainGoesOn) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(2, R"([{"latency_ms": 5}])");
  auto runner = Runner::Create(graph, endpoints, Store(), nullptr, clock_, {});
  ASSERT_TRUE(runner.ok()) << runner.status();
  Mutex mutex;
  std::vector<std::string> outcomes;
  bool under_way = false;
  const auto submit = [&] {
    EXPECT_TRUE((*runner)
                    ->Submit({.id = "one",
                              .inputs = Question1(),
                              .on_progress =
                                  [&](const ExecutionProgress& progress) {
                                    MutexLock lock(mutex);
                                    under_way |= progress.open > 0;
                                    mutex.Changed();
                                  },
                              .on_end =
                                  [&](const ExecutionEnd& one) {
                                    MutexLock lock(mutex);
                                    outcomes.push_back(one.outcome);
                                    mutex.Changed();
                                  }})
                    .ok());
  };
  (*runner)->Start();
  submit();
  {
    MutexLock lock(mutex);
    ASSERT_TRUE(
        mutex.Await(Wait::OrFail("an open call", absl::Minutes(1)), [&] { return under_way; }));
  }
  (*runner)->Cancel("one");
  submit();
  {
    MutexLock lock(mutex);
    ASSERT_TRUE(mutex.Await(Wait::OrFail("two ends", absl::Minutes(1)),
                            [&] { return outcomes.size() == 2; }));
  }
  (*runner)->Stop();
  EXPECT_EQ(outcomes, (std::vector<std::string>{"cancelled", "done"}));
}

TEST_F(RunnerTest, WhateverWasSubmittedIsToldItsEnd) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(1, R"([{"latency_ms": 200}])");
  auto runner = Runner::Create(graph, endpoints, Store(), nullptr, clock_, {.executions_max = 1});
  ASSERT_TRUE(runner.ok()) << runner.status();
  std::atomic<int> ended = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE((*runner)
                    ->Submit({.id = absl::StrCat(i),
                              .inputs = Question1(),
                              .on_end = [&](const ExecutionEnd&) { ++ended; }})
                    .ok());
  }
  (*runner)->Start();
  (*runner)->Stop();
  EXPECT_EQ(ended, 20);
}

constexpr char kWide[] = R"({
  "graph": "wide", "input": ["messages"],
  "roles": {"writer": {"model": "main:m", "max_tokens": 100}},
  "nodes": {
    "draft": {"do": "generate", "role": "writer", "n": 64, "need": 1, "prompt": "$messages"},
    "pick": {"do": "select", "from": "$draft", "by": "vote"}},
  "output": "$pick"})";

// Fifty tokens of prompt, each call answers a hundred.
nlohmann::ordered_json FiftyWords(const Endpoint& endpoint) {
  std::string text = "word";
  nlohmann::ordered_json messages = {{{"role", "user"}, {"content", text}}};
  while (endpoint.PromptTokensMax(messages) < 50) {
    text += " word";
    messages[0]["content"] = text;
  }
  EXPECT_EQ(endpoint.PromptTokensMax(messages), 50);
  return {{"messages", messages}};
}

TEST_F(RunnerTest, ABudgetIsNeverExceededAndTheBestAnswerIsGiven) {
  const auto graph = ParseOrDie(kWide);
  const auto specs = ParseEndpoints(
      R"({"endpoints": {"main": {"kind": "fake", "concurrency": 64, "n_max": 1}}})", "e.json");
  ASSERT_TRUE(specs.ok()) << specs.status();
  auto endpoints = OpenEndpoints(*specs, {.clock = &clock_});
  ASSERT_TRUE(endpoints.ok());
  const nlohmann::ordered_json inputs = FiftyWords(*endpoints->at("main"));
  BudgetLimits budget;
  budget.tokens = 1000;
  // A kill does not reset it: three runs in one folder spend no more than one.
  int64_t calls = 0;
  for (int run = 0; run < 3; ++run) {
    const ExecutionEnd end = Run(graph, *endpoints, {}, budget, inputs);
    EXPECT_EQ(end.outcome, "budget_exhausted");
    EXPECT_LE(end.progress.spent.tokens, 1000);
    EXPECT_LE(open_max_, 6);
    EXPECT_EQ(open_max_, run == 0 ? 6 : 0);
    EXPECT_FALSE(Text(end).empty());
    calls += end.calls;
    if (run == 0) continue;
    EXPECT_EQ(end.calls, 0);
  }
  EXPECT_GE(calls, 6);
}

TEST_F(RunnerTest, EventsAreNumberedAndTellEveryResult) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(16);
  Run(graph, endpoints);
  const auto events = Store()->Events(0, 1 << 20);
  ASSERT_TRUE(events.ok());
  int64_t results = 0;
  for (size_t i = 0; i < events->size(); ++i) {
    EXPECT_EQ((*events)[i].sequence, static_cast<int64_t>(i) + 1);
    results += (*events)[i].kind == "result";
  }
  EXPECT_EQ(results, 144 + 16);
  EXPECT_EQ(events->back().kind, "ended");
}

TEST_F(RunnerTest, AServerThatOnlyRefusesFailsTheExecutionWithItsWords) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  Endpoints endpoints = Open(16, R"([{"fault": "quota"}])");
  const ExecutionEnd end = Run(graph, endpoints);
  EXPECT_EQ(end.outcome, "failed");
  EXPECT_NE(end.why.find("insufficient_quota"), std::string::npos) << end.why;
}

}  // namespace
}  // namespace temper::agents
