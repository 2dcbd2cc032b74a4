#include "agents/run/execution.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/agents/run/graphs.h"

namespace temper::agents {
namespace {

TEST(ExecutionTest, ThePapersGraphAsksFor144SamplesAndSixteenScores) {
  const auto execution = StartOrDie(ParseOrDie(kFeedbackEdit, FeedbackEditPrompts()), Question1());
  const auto delivered = RunToEnd(*execution, 1);
  ASSERT_TRUE(execution->done());
  EXPECT_EQ(delivered.at("draft"), 8);
  EXPECT_EQ(delivered.at("feedback"), 128);
  EXPECT_EQ(delivered.at("edit"), 8);
  EXPECT_EQ(delivered.at("pick"), 16);
  EXPECT_FALSE(execution->output().failed);
}

TEST(ExecutionTest, FiftyOrdersOfRepliesGiveTheSameOutput) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  std::set<std::string> outputs;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto execution = StartOrDie(graph, Question1());
    RunToEnd(*execution, seed);
    outputs.insert(OutputText(*execution));
  }
  EXPECT_EQ(outputs.size(), 1u);
  EXPECT_FALSE(outputs.begin()->starts_with("not done")) << *outputs.begin();
}

TEST(ExecutionTest, ASlowFeedbackDelaysNoOtherDraftsEdit) {
  const auto execution = StartOrDie(ParseOrDie(kFeedbackEdit, FeedbackEditPrompts()), Question1());
  std::vector<Want> open = execution->TakeWants();
  std::set<std::string> edits;
  while (!open.empty()) {
    const Want want = open.back();
    open.pop_back();
    if (want.question->path == "feedback" && want.lineage == "draft=3" && want.sample == 5) {
      continue;  // the slow one
    }
    if (want.question->path == "edit") edits.insert(want.lineage);
    execution->Deliver(want.id, MadeResult(want));
    for (Want& more : execution->TakeWants()) open.push_back(std::move(more));
  }
  EXPECT_EQ(edits.size(), 7u);
  EXPECT_FALSE(edits.contains("draft=3"));
  EXPECT_FALSE(execution->done());
}

TEST(ExecutionTest, AFailedFeedbackIsToleratedAsLongAsEnoughStand) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  for (const int failing : {4, 5}) {
    const auto execution = StartOrDie(graph, Question1());
    const auto delivered = RunToEnd(*execution, 3, [&](const Want& want) {
      Result result = MadeResult(want);
      if (want.question->path == "feedback" && want.lineage == "draft=0" && want.sample < failing) {
        result.status = absl::UnavailableError("no route");
      }
      return result;
    });
    ASSERT_TRUE(execution->done());
    EXPECT_FALSE(execution->output().failed);
    EXPECT_EQ(delivered.at("edit"), failing == 4 ? 8 : 7);
  }
}

TEST(ExecutionTest, ALoopCarriesTheBestAndStopsWhenNothingChanges) {
  const auto graph = ParseOrDie(R"({
    "graph": "refine", "input": ["messages"],
    "roles": {"writer": {"model": "main:m"}, "judge": {"model": "reward:r", "kind": "reward"}},
    "nodes": {
      "draft": {"do": "generate", "role": "writer", "n": 2, "prompt": "$messages"},
      "refine": {"do": "loop", "each": "$draft", "carry": {"best": "$draft"},
        "body": {
          "new": {"do": "generate", "role": "writer",
                  "prompt": {"text": "Better: {{best}}", "best": "$best"}},
          "best": {"do": "select", "role": "judge", "from": ["$best", "$new"], "by": "score"}},
        "stop": {"max_rounds": 5, "when": "gain < 0.1 or unchanged"}},
      "pick": {"do": "select", "role": "judge", "from": "$refine", "by": "score"}},
    "output": "$pick"})");
  const auto execution = StartOrDie(graph, Question1());
  // Every rewrite is worth one more, until the third.
  const auto delivered = RunToEnd(*execution, 1, [](const Want& want) {
    Result result = MadeResult(want);
    if (want.question->kind == Question::Kind::kScore) {
      const std::string text = want.question->messages.back()["content"];
      result.score =
          std::min<double>(static_cast<double>(std::count(text.begin(), text.end(), '+')), 3);
    } else if (want.question->path == "refine/new") {
      const std::string before = want.question->messages.back()["content"];
      result.text = before.substr(8) + "+";
    } else {
      result.text = absl::StrCat("draft", want.sample);
    }
    return result;
  });
  ASSERT_TRUE(execution->done());
  EXPECT_EQ(OutputText(*execution), "draft0+++|");
  // Three gains, and a round without.
  EXPECT_EQ(delivered.at("refine/new"), 2 * 4);
}

TEST(ExecutionTest, ADebateIsALoopWhoseBodyRunsForEachPosition) {
  const auto graph = ParseOrDie(R"({
    "graph": "debate", "input": ["messages"],
    "roles": {"debater": {"model": "main:m"}},
    "nodes": {
      "opening": {"do": "generate", "role": "debater", "n": 3, "prompt": "$messages"},
      "debate": {"do": "loop", "carry": {"position": "$opening"},
        "body": {
          "heard": {"do": "filter", "from": "$position", "by": "dedupe"},
          "position": {"do": "generate", "role": "debater", "each": "$position",
                       "prompt": {"text": "Mine: {{mine}}\nAll: {{heard}}", "mine": "$position",
                                  "heard": "$heard"}}},
        "stop": {"max_rounds": 3, "when": "count($heard) == 1"}},
      "verdict": {"do": "select", "from": "$debate", "by": "vote"}},
    "output": "$verdict"})");
  std::set<std::string> outputs;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto execution = StartOrDie(graph, Question1());
    const auto delivered = RunToEnd(*execution, seed);
    ASSERT_TRUE(execution->done());
    EXPECT_EQ(delivered.at("debate/position"), 3 * 3);
    const int debate = execution->graph().order[1];
    EXPECT_EQ(execution->values(debate).Find({})->items.size(), 3u);
    outputs.insert(OutputText(*execution));
  }
  EXPECT_EQ(outputs.size(), 1u);
  // All of one mind after a round: no second one.
  const auto execution = StartOrDie(graph, Question1());
  const auto delivered = RunToEnd(*execution, 1, [](const Want& want) {
    Result result = MadeResult(want);
    if (want.question->path == "debate/position") result.text = "yes";
    return result;
  });
  EXPECT_EQ(delivered.at("debate/position"), 2 * 3);
  EXPECT_EQ(OutputText(*execution), "yes|");
}

TEST(ExecutionTest, ASubGraphIsAnExecutionOfItsOwnForEachElement) {
  const auto read = [](const std::string& path) -> absl::StatusOr<std::string> {
    if (!path.ends_with("inner.json")) return absl::NotFoundError(path);
    return std::string(R"({
      "graph": "inner", "input": ["text"],
      "roles": {"writer": {"model": "main:m"}},
      "nodes": {
        "more": {"do": "generate", "role": "writer", "n": 2,
                 "prompt": {"text": "More: {{text}}"}},
        "last": {"do": "select", "from": "$more", "by": "vote"}},
      "output": "$last"})");
  };
  const auto graph = ParseGraph(R"({
    "graph": "outer", "input": ["messages"],
    "roles": {"writer": {"model": "main:m"}},
    "nodes": {
      "draft": {"do": "generate", "role": "writer", "n": 3, "prompt": "$messages"},
      "sub": {"do": "graph", "file": "inner.json", "each": "$draft", "with": {"text": "$draft"}},
      "pick": {"do": "select", "from": "$sub", "by": "vote"}},
    "output": "$pick"})",
                                "test.json", read);
  ASSERT_TRUE(graph.ok()) << graph.status();
  std::set<std::string> outputs;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto execution = StartOrDie(*graph, Question1());
    const auto delivered = RunToEnd(*execution, seed);
    ASSERT_TRUE(execution->done());
    EXPECT_EQ(delivered.at("draft"), 3);
    EXPECT_EQ(delivered.at("more"), 3 * 2);
    outputs.insert(OutputText(*execution));
  }
  EXPECT_EQ(outputs.size(), 1u);
}

TEST(ExecutionTest, EnoughInASubGraphDropsWhatItsParentAskedFor) {
  const auto read = [](const std::string& path) -> absl::StatusOr<std::string> {
    if (!path.ends_with("inner.json")) return absl::NotFoundError(path);
    return std::string(R"({
      "graph": "inner", "input": ["text"],
      "roles": {"writer": {"model": "main:m"}},
      "nodes": {
        "more": {"do": "generate", "role": "writer", "n": 6, "enough": "count($more) >= 2",
                 "prompt": {"text": "More: {{text}}"}},
        "last": {"do": "select", "from": "$more", "by": "vote"}},
      "output": "$last"})");
  };
  const auto graph = ParseGraph(R"({
    "graph": "outer", "input": ["messages"],
    "roles": {"writer": {"model": "main:m"}},
    "nodes": {
      "sub": {"do": "graph", "file": "inner.json", "with": {"text": "$messages"}},
      "after": {"do": "generate", "role": "writer", "prompt": {"text": "After {{sub}}", "sub": "$sub"}}},
    "output": "$after"})",
                                "test.json", read);
  ASSERT_TRUE(graph.ok()) << graph.status();
  const auto execution = StartOrDie(*graph, {{"messages", "hello"}});
  const auto delivered = RunToEnd(*execution, 1);
  ASSERT_TRUE(execution->done());
  EXPECT_FALSE(execution->output().failed) << execution->output().why;
  EXPECT_EQ(delivered.at("more"), 2);
  EXPECT_EQ(delivered.at("after"), 1);
}

TEST(ExecutionTest, WhatAConditionLeavesOutIsAbsentAndAnAlternativeStandsForIt) {
  const auto graph = ParseOrDie(R"({
    "graph": "gate", "input": ["messages"],
    "roles": {"writer": {"model": "main:m"}, "judge": {"model": "reward:r", "kind": "reward"}},
    "nodes": {
      "draft": {"do": "generate", "role": "writer", "prompt": "$messages"},
      "worth": {"do": "score", "role": "judge", "from": "$draft", "by": "reward"},
      "edit": {"do": "generate", "role": "writer", "when": "$worth < 4",
               "prompt": {"text": "Mend: {{draft}}", "draft": "$draft"}}},
    "output": "$edit | $draft"})");
  for (const double score : {3.0, 5.0}) {
    const auto execution = StartOrDie(graph, Question1());
    const auto delivered = RunToEnd(*execution, 1, [&](const Want& want) {
      Result result = MadeResult(want);
      if (result.score.has_value()) result.score = score;
      return result;
    });
    ASSERT_TRUE(execution->done());
    EXPECT_EQ(delivered.contains("edit"), score < 4);
    EXPECT_TRUE(OutputText(*execution).starts_with(score < 4 ? "edit" : "draft"));
  }
}

TEST(ExecutionTest, EnoughDropsTheSiblings) {
  const auto graph = ParseOrDie(R"({
    "graph": "early", "input": ["messages"],
    "roles": {"writer": {"model": "main:m"}, "judge": {"model": "reward:r", "kind": "reward"}},
    "nodes": {
      "draft": {"do": "generate", "role": "writer", "n": 8, "prompt": "$messages",
                "enough": "count($worth > 4.5) >= 1"},
      "worth": {"do": "score", "role": "judge", "each": "$draft", "from": "$draft", "by": "reward"},
      "pick": {"do": "select", "from": "$worth", "by": "score"}},
    "output": "$pick"})");
  const auto execution = StartOrDie(graph, Question1());
  int drafts = 0;
  std::vector<Want> open = execution->TakeWants();
  while (!execution->done() && !open.empty()) {
    // Depth first: a draft, then its score.
    std::sort(open.begin(), open.end(),
              [](const Want& a, const Want& b) { return a.order > b.order; });
    const Want want = open.back();
    open.pop_back();
    Result result = MadeResult(want);
    if (want.question->path == "draft") ++drafts;
    if (result.score.has_value()) result.score = drafts == 3 ? 5 : 1;
    execution->Deliver(want.id, result);
    execution->ConsiderEnough();
    for (Want& more : execution->TakeWants()) open.push_back(std::move(more));
    for (const int64_t dropped : execution->TakeDropped()) {
      std::erase_if(open, [dropped](const Want& one) { return one.id == dropped; });
    }
  }
  ASSERT_TRUE(execution->done());
  EXPECT_EQ(drafts, 3);
  EXPECT_EQ(execution->output().items.front().score, 5);
}

TEST(ExecutionTest, ABestAnswerIsThereAsSoonAsADraftIs) {
  const auto execution = StartOrDie(ParseOrDie(kFeedbackEdit, FeedbackEditPrompts()), Question1());
  EXPECT_FALSE(execution->Best().has_value());
  const std::vector<Want> wants = execution->TakeWants();
  execution->Deliver(wants[2].id, MadeResult(wants[2]));
  ASSERT_TRUE(execution->Best().has_value());
  EXPECT_EQ(TextOf(*execution->Best(), {}), MadeResult(wants[2]).text);
}

TEST(ExecutionTest, AThresholdDropsWhatHasNoNumber) {
  const auto kept = [](const std::string& sign) {
    const auto graph = ParseOrDie(absl::StrCat(R"({
      "graph": "threshold", "input": ["messages"],
      "roles": {"writer": {"model": "main:m"}, "judge": {"model": "reward:r", "kind": "reward"}},
      "nodes": {
        "draft": {"do": "generate", "role": "writer", "n": 4, "prompt": "$messages"},
        "worth": {"do": "score", "role": "judge", "from": "$draft", "by": "reward"},
        "good": {"do": "filter", "from": "$worth", "by": "threshold", "passing": "$it )",
                                               sign, R"( 2"}},
      "output": "$good"})"));
    const auto execution = StartOrDie(graph, Question1());
    // Worth 1, 2, nothing and 3.
    RunToEnd(*execution, 1, [](const Want& want) {
      Result result = MadeResult(want);
      if (want.question->kind == Question::Kind::kChat) {
        result.text = absl::StrCat(want.sample);
      } else {
        const std::string draft = want.question->messages.back()["content"];
        if (draft == "2") result.status = absl::UnavailableError("no judge");
        result.score = draft == "0" ? 1 : draft == "1" ? 2 : 3;
      }
      return result;
    });
    return OutputText(*execution);
  };
  EXPECT_EQ(kept("<"), "0|");
  EXPECT_EQ(kept("<="), "0|1|");
  EXPECT_EQ(kept(">="), "1|3|");
  EXPECT_EQ(kept(">"), "3|");
  EXPECT_EQ(kept("=="), "1|");
  EXPECT_EQ(kept("!="), "0|3|");
}

TEST(ExecutionTest, InputsAreCheckedBeforeAnythingIsWanted) {
  const auto graph = ParseOrDie(kFeedbackEdit, FeedbackEditPrompts());
  const auto fails = [&](const nlohmann::ordered_json& inputs) {
    return std::string(Execution::Create(graph, inputs, {}).status().message());
  };
  EXPECT_NE(fails({}).find("no JSON object"), std::string::npos);
  EXPECT_NE(fails({{"mesages", "x"}}).find("did you mean \"messages\""), std::string::npos);
  EXPECT_NE(fails({{"messages", 7}}).find("expected a text, a list of texts or an array"),
            std::string::npos);
}

}  // namespace
}  // namespace temper::agents
