// Which axes values have, and what each reader sees of them.
#include "agents/graph/axes.h"
#include "gmock/gmock.h"
#include "tests/agents/graph/graph_texts.h"

namespace temper::agents {
namespace {

std::shared_ptr<const Graph> OfNodes(const std::string& nodes, const std::string& output) {
  const bool scores = nodes.find("\"role\": \"r\"") != nodes.npos;
  return Parsed(R"({"graph": "x/1", "input": ["messages"], "roles": {"w": {"model": "main:m"})" +
                std::string(scores ? R"(, "r": {"model": "reward:m", "kind": "reward"})" : "") +
                R"(}, "nodes": {)" + nodes + R"(}, "output": ")" + output + R"("})");
}

constexpr const char* kDraft =
    R"("draft": {"do": "generate", "role": "w", "n": 8, "prompt": "$messages"},)";

TEST(AxesTest, AnEachOfAFilterRunsOncePerKeptElement) {
  const auto graph = OfNodes(std::string(kDraft) +
                                 R"("fb": {"do": "generate", "role": "w", "n": 16, "each": "$draft",
                "prompt": {"text": "{{d}}", "d": "$draft"}},
             "useful": {"do": "filter", "each": "$draft", "from": "$fb", "by": "keep", "keep": 3},
             "edit": {"do": "generate", "role": "w", "each": "$useful",
                "prompt": {"text": "{{d}} {{u}}", "d": "$draft", "u": "$useful"}},
             "pick": {"do": "select", "role": "r", "from": ["$draft", "$edit"], "by": "score"})",
                             "$pick");
  const Node& edit = NodeOf(*graph, "edit");
  EXPECT_EQ(AxesOf(*graph, edit.axes), "draft,useful");
  EXPECT_EQ(SizeMax(*graph, edit.instance_axes), 24);
  EXPECT_EQ(CandidatesMax(*graph, NodeOf(*graph, "pick")), 32);
  const auto& bindings = edit.prompt->bindings();
  EXPECT_FALSE(IsList(*graph, bindings[0].reference, edit.instance_axes));
  EXPECT_FALSE(IsList(*graph, bindings[1].reference, edit.instance_axes));
  EXPECT_TRUE(IsList(*graph, bindings[1].reference, {}));
}

TEST(AxesTest, ScoresOfAListAreAListAndScoresOfEachAreOne) {
  const auto graph =
      OfNodes(std::string(kDraft) +
                  R"("all": {"do": "score", "role": "r", "from": "$draft", "by": "reward"},
             "one": {"do": "score", "role": "r", "each": "$draft", "from": "$draft", "by": "reward"},
             "best": {"do": "select", "from": ["$all", "$one"], "by": "score", "keep": 2})",
              "$best");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "all").axes), "all");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "one").axes), "draft");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "best").axes), "best");
  EXPECT_EQ(graph->axes[NodeOf(*graph, "best").own_axis].size_max, 2);
  EXPECT_EQ(CandidatesMax(*graph, NodeOf(*graph, "best")), 16);
}

// Answers that each see all: a list is carried.
TEST(AxesTest, ALoopCarriesAListWhereItBeginsWithOne) {
  const auto graph = OfNodes(
      R"("answer": {"do": "generate", "role": "w", "n": 3, "prompt": "$messages"},
         "debate": {"do": "loop", "carry": {"answers": "$answer"},
           "body": {
             "all": {"do": "filter", "from": "$answers", "by": "keep"},
             "answers": {"do": "generate", "role": "w", "each": "$answers",
               "prompt": {"text": "{{mine}} {{#all}}{{.}}{{/all}}", "mine": "$answers",
                          "all": "$all"}}},
           "stop": {"max_rounds": 3}},
         "vote": {"do": "select", "from": "$debate", "by": "vote"})",
      "$vote");
  const Node& debate = NodeOf(*graph, "debate");
  EXPECT_EQ(AxesOf(*graph, debate.axes), "debate");
  EXPECT_EQ(graph->axes[debate.own_axis].kind, Axis::Kind::kCarry);
  EXPECT_EQ(graph->axes[debate.own_axis].size_max, 3);
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "answers").axes), "debate.round,debate");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "all").axes), "debate.round,all");
  EXPECT_EQ(CandidatesMax(*graph, NodeOf(*graph, "vote")), 3);
}

// A pool that its body makes a list, and that grows until it is cut.
TEST(AxesTest, ALoopCarriesAListWhereItsBodyKeepsSeveral) {
  const auto graph = OfNodes(
      R"("first": {"do": "generate", "role": "w", "prompt": "$messages"},
         "evolve": {"do": "loop", "carry": {"pool": "$first"},
           "body": {
             "child": {"do": "generate", "role": "w", "n": 2, "each": "$pool",
                       "prompt": {"text": "{{p}}", "p": "$pool"}},
             "pool": {"do": "select", "role": "r", "from": ["$pool", "$child"], "by": "score",
                      "keep": 5}},
           "stop": {"max_rounds": 6, "when": "count($pool) > 4 and gain < 0.1"}},
         "pick": {"do": "select", "from": "$evolve", "by": "score"})",
      "$pick");
  const Node& evolve = NodeOf(*graph, "evolve");
  ASSERT_GE(evolve.own_axis, 0);
  EXPECT_EQ(graph->axes[evolve.own_axis].size_max, 5);
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "child").axes), "evolve.round,evolve,child");
  EXPECT_EQ(CandidatesMax(*graph, NodeOf(*graph, "pool")), 15);
  // After a round, the carry's name is what the round has set.
  const auto& stop = evolve.loop_body->stop_when->references();
  EXPECT_EQ(stop[0]->choices[0].target.kind, Target::Kind::kNode);
}

TEST(AxesTest, AListThatGrowsWithoutEndIsBoundedByTheRounds) {
  const auto grown = [](const std::string& rounds) {
    const auto graph = OfNodes(
        R"("first": {"do": "generate", "role": "w", "prompt": "$messages"},
           "grow": {"do": "loop", "carry": {"pool": "$first"},
             "body": {"new": {"do": "generate", "role": "w", "prompt": "$messages"},
                      "pool": {"do": "filter", "from": ["$pool", "$new"], "by": "dedupe"}},
             "stop": {"max_rounds": )" +
            rounds + R"(}},
           "pick": {"do": "select", "from": "$grow", "by": "vote"})",
        "$pick");
    return CandidatesMax(*graph, NodeOf(*graph, "pick"));
  };
  EXPECT_EQ(grown("4"), 5);
  EXPECT_EQ(grown("1000"), std::nullopt);
}

TEST(AxesTest, ALoopInALoopHasRoundsOfItsOwn) {
  const auto graph =
      OfNodes(std::string(kDraft) +
                  R"("outer": {"do": "loop", "each": "$draft", "carry": {"a": "$draft"},
            "body": {"a": {"do": "loop", "carry": {"b": "$a"},
                "body": {"b": {"do": "generate", "role": "w", "prompt": {"text": "{{b}} {{a}}",
                               "b": "$b", "a": "$a"}}},
                "stop": {"max_rounds": 2, "when": "round > 1"}}},
            "stop": {"max_rounds": 3}},
          "pick": {"do": "select", "from": "$outer", "by": "vote"})",
              "$pick");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "b").axes), "draft,outer.round,a.round");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "a").axes), "draft,outer.round");
  EXPECT_EQ(SizeMax(*graph, NodeOf(*graph, "b").instance_axes), 48);
}

TEST(AxesTest, OtherCarriesAreReadAsFieldsOfTheLoop) {
  const auto graph = OfNodes(
      R"("first": {"do": "generate", "role": "w", "prompt": "$messages"},
         "l": {"do": "loop", "carry": {"a": "$first", "notes": "$first"},
           "body": {"a": {"do": "generate", "role": "w", "prompt": {"text": "{{n}}", "n": "$notes"}},
                    "notes": {"do": "generate", "role": "w", "n": 2,
                              "prompt": {"text": "{{a}}", "a": "$a"}}},
           "stop": {"max_rounds": 2}},
         "end": {"do": "generate", "role": "w",
                 "prompt": {"text": "{{a}} {{notes}}", "a": "$l", "notes": "$l.notes"}})",
      "$end");
  const Node& end = NodeOf(*graph, "end");
  const Reference& notes = end.prompt->bindings()[1].reference;
  EXPECT_EQ(notes.choices[0].target.kind, Target::Kind::kCarry);
  EXPECT_EQ(notes.choices[0].target.carry, 1);
  EXPECT_TRUE(IsList(*graph, notes, {}));
  EXPECT_FALSE(IsList(*graph, end.prompt->bindings()[0].reference, {}));
}

}  // namespace
}  // namespace temper::agents
