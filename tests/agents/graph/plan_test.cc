// What a graph comes to, and how it is drawn.
#include "agents/graph/plan.h"

#include "agents/graph/picture.h"
#include "gmock/gmock.h"
#include "tests/agents/graph/graph_texts.h"

namespace temper::agents {
namespace {

using testing::HasSubstr;

TEST(PlanTest, ThePapersGraphIs144SamplesAnd16ScoredCandidates) {
  const auto graph = Parsed(kFeedbackEdit, kPrompts);
  const Plan plan = MakePlan(*graph, {});
  EXPECT_EQ(plan.total.samples, 144);
  EXPECT_EQ(plan.total.scored, 16);
  EXPECT_EQ(plan.total.calls, 160);
  EXPECT_EQ(plan.nodes[1].instances, 8);
  EXPECT_EQ(plan.nodes[1].amounts.samples, 128);
  EXPECT_EQ(plan.nodes[2].candidates, 16);
  EXPECT_EQ(plan.nodes[4].candidates, 16);
  EXPECT_EQ(plan.nodes[4].amounts.tokens_out, 0);  // a number is no text
  // Drafts, feedbacks, edits, at their longest.
  EXPECT_EQ(plan.total.tokens_out, 8 * 4096 + 128 * 512 + 8 * 4096);
}

TEST(PlanTest, PricesWhatIsReadAndWrittenAndPaysAPromptOncePerCall) {
  const auto graph = Parsed(kFeedbackEdit, kPrompts);
  const PlanOptions options{.prices = {{"rollout", {1, 4, 8}}, {"nim", {0.5, 2, 4}}},
                            .input_tokens = 1000};
  const Plan plan = MakePlan(*graph, options);
  EXPECT_EQ(plan.nodes[0].amounts.calls, 1);
  EXPECT_EQ(plan.nodes[0].amounts.tokens_in, 1000);
  EXPECT_DOUBLE_EQ(plan.nodes[0].amounts.usd, (1000 * 1 + 8 * 4096 * 4.0) / 1e6);
  EXPECT_EQ(plan.nodes[1].amounts.calls, 8 * 4);
  EXPECT_EQ(plan.total.calls, 1 + 32 + 8 + 16);
  EXPECT_TRUE(plan.priced);
  EXPECT_EQ(PlanJson(*graph, plan)["total"]["samples"], 144);
  EXPECT_EQ(PlanJson(*graph, plan)["nodes"][4]["edges_from"].dump(), R"(["draft","edit"])");
}

std::shared_ptr<const Graph> Contest(const std::string& keys) {
  return Parsed(R"({"graph": "c/1", "input": ["messages"],
    "roles": {"w": {"model": "main:m"}, "j": {"model": "main:g", "kind": "genrm", "max_tokens": 100}},
    "nodes": {"a": {"do": "generate", "role": "w", "n": 8, "prompt": "$messages"},
              "pick": {"do": "select", "role": "j", "from": "$a", )" +
                keys + R"(}}, "output": "$pick"})");
}

TEST(PlanTest, CountsTheGamesOfEveryKindOfContest) {
  const auto judgements = [](const std::string& keys) {
    return *MakePlan(*Contest(keys), {}).total.judgements;
  };
  EXPECT_EQ(judgements(R"("by": "knockout")"), 7 * 2);
  EXPECT_EQ(judgements(R"("by": "knockout", "keep": 3)"), 5 * 2);
  EXPECT_EQ(judgements(R"("by": "league", "swap": false)"), 28);
  EXPECT_EQ(judgements(R"("by": "pairs", "n": 3)"), 28 * 2 * 3);
  EXPECT_EQ(judgements(R"("by": "pairs", "circular": true)"), 8 * 2);
  EXPECT_EQ(judgements(R"("by": "score")"), 8);
}

TEST(PlanTest, TakesLoopsAtTheirFullRoundsAndMarksWhatMayNotHappen) {
  const auto graph = Parsed(R"({"graph": "l/1", "input": ["messages"],
    "roles": {"w": {"model": "main:m", "max_tokens": 10}},
    "nodes": {"a": {"do": "generate", "role": "w", "n": 3, "prompt": "$messages"},
      "l": {"do": "loop", "each": "$a", "carry": {"b": "$a"}, "when": "len($a) > 3",
            "body": {"b": {"do": "generate", "role": "w", "n": 1, "prompt": {"text": "{{b}}", "b": "$b"}}},
            "stop": {"max_rounds": 5, "when": "unchanged"}},
      "pick": {"do": "select", "from": "$l", "by": "vote"}}, "output": "$pick"})");
  const Plan plan = MakePlan(*graph, {});
  EXPECT_EQ(plan.nodes[2].instances, 15);
  EXPECT_TRUE(plan.nodes[2].conditional);
  EXPECT_TRUE(plan.nodes[2].repeated);
  EXPECT_FALSE(plan.nodes[0].conditional);
  EXPECT_EQ(plan.total.samples, 18);
  EXPECT_EQ(plan.nodes[2].amounts.tokens_in, 15 * 10);  // what it carries, through itself
}

TEST(PlanTest, MultipliesWhatASubGraphComesTo) {
  const auto graph = Parsed(R"({"graph": "o/1", "input": ["messages"],
    "roles": {"w": {"model": "main:m"}},
    "nodes": {"a": {"do": "generate", "role": "w", "n": 3, "prompt": "$messages"},
              "s": {"do": "graph", "each": "$a", "file": "s.json", "with": {"text": "$a"}},
              "pick": {"do": "select", "from": "$s", "by": "vote"}}, "output": "$pick"})",
                            {{"g/s.json", R"({"graph": "s/1", "input": ["text"],
    "roles": {"w": {"model": "main:m"}},
    "nodes": {"x": {"do": "generate", "role": "w", "n": 4, "prompt": {"text": "{{text}}"}}},
    "output": "$x"})"}});
  EXPECT_EQ(MakePlan(*graph, {}).total.samples, 3 + 3 * 4);
}

TEST(PictureTest, MermaidNamesNodesEdgesAndLoops) {
  const std::string text = Mermaid(*Parsed(kFeedbackEdit, kPrompts));
  EXPECT_THAT(text, HasSubstr("flowchart LR\n"));
  EXPECT_THAT(text,
              HasSubstr("node_feedback[\"feedback<br>generate × 16<br>critic<br>each draft\"]"));
  EXPECT_THAT(text, HasSubstr("node_useful --> node_edit\n"));
  EXPECT_THAT(text, HasSubstr("node_pick --> output\n"));
}

TEST(PictureTest, AnSvgShowsEveryNodeInsideThePicture) {
  const std::string text = Svg(*Parsed(kFeedbackEdit, kPrompts));
  for (const char* name : {"draft", "feedback", "useful", "edit", "pick", "messages", "output"}) {
    EXPECT_THAT(text, HasSubstr(std::string(">") + name + "</text>"));
  }
  EXPECT_EQ(text.find("nan"), text.npos);
  EXPECT_EQ(text.find("x=\"-"), text.npos);
  EXPECT_EQ(text.find("y=\"-"), text.npos);
}

}  // namespace
}  // namespace temper::agents
