// A graph file is read whole: the design's example, loops, sub-graphs, places.
#include "agents/graph/graph_file.h"

#include "agents/graph/axes.h"
#include "agents/graph/edges.h"
#include "gmock/gmock.h"
#include "tests/agents/graph/graph_texts.h"

namespace temper::agents {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(GraphFileTest, ReadsTheExampleOfTheDesign) {
  const auto graph = Parsed(kFeedbackEdit, kPrompts);
  ASSERT_EQ(graph->nodes.size(), 5u);
  EXPECT_EQ(graph->name, "feedback-edit/1");
  EXPECT_THAT(graph->inputs, ElementsAre("messages"));
  EXPECT_EQ(graph->roles[1].endpoint, "nim");
  EXPECT_EQ(graph->roles[1].model, "feedback-70b");
  EXPECT_EQ(graph->roles[3].kind, RoleKind::kReward);
  EXPECT_EQ(*graph->budget.tokens, 300000);
  EXPECT_THAT(graph->order, ElementsAre(0, 1, 2, 3, 4));
  const Node& feedback = NodeOf(*graph, "feedback");
  EXPECT_EQ(*feedback.need, 12);
  EXPECT_EQ(AxesOf(*graph, feedback.instance_axes), "draft");
  EXPECT_EQ(AxesOf(*graph, feedback.axes), "draft,feedback");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "useful").axes), "draft,useful");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "edit").axes), "draft");
  const Node& pick = NodeOf(*graph, "pick");
  EXPECT_EQ(AxesOf(*graph, pick.axes), "");
  EXPECT_EQ(CandidatesMax(*graph, pick), 16);
  ASSERT_TRUE(pick.context.has_value());  // not written: the input that is a conversation
  EXPECT_EQ(pick.context->text, "$messages");
  EXPECT_EQ(pick.place.line, 17);
  EXPECT_EQ(pick.place.column, 5);
  EXPECT_THAT(graph->canonical, HasSubstr("What is weak?"));
}

TEST(GraphFileTest, LeavesOutOfADefinitionWhatDoesNotDecideAResult) {
  std::string other = kFeedbackEdit;
  other.replace(other.find("\"n\": 16, \"need\": 12"), 19, "\"n\": 32, \"need\": 30");
  const auto graph = Parsed(kFeedbackEdit, kPrompts);
  EXPECT_EQ(NodeOf(*graph, "feedback").definition,
            NodeOf(*Parsed(other, kPrompts), "feedback").definition);
  EXPECT_NE(NodeOf(*graph, "feedback").definition, NodeOf(*graph, "useful").definition);
}

TEST(GraphFileTest, ReadsALoopAndWhatItCarries) {
  const auto graph = Parsed(R"({"graph": "refine/1", "input": ["messages"],
  "roles": {"w": {"model": "main:m"}, "r": {"model": "reward:m", "kind": "reward"}},
  "nodes": {
    "draft": {"do": "generate", "role": "w", "n": 4, "prompt": "$messages"},
    "refine": {"do": "loop", "each": "$draft", "carry": {"best": "$draft"},
      "body": {
        "best": {"do": "select", "role": "r", "from": ["$best", "$new"], "by": "score"},
        "fb": {"do": "generate", "role": "w", "n": 3,
               "prompt": {"file": "feedback.prompt", "answer": "$best"}},
        "new": {"do": "generate", "role": "w",
                "prompt": {"file": "edit.prompt", "answer": "$best", "feedback": "$fb"}}},
      "stop": {"max_rounds": 4, "when": "gain < 0.1 or unchanged", "patience": 2}},
    "pick": {"do": "select", "role": "r", "from": "$refine", "by": "score",
             "when": "mean($refine.rounds) > 1"}
  },
  "output": "$pick | $refine"})",
                            kPrompts);
  ASSERT_EQ(graph->nodes.size(), 6u);
  const Node& refine = NodeOf(*graph, "refine");
  const Loop& loop = *refine.loop_body;
  EXPECT_EQ(loop.rounds_max, 4);
  EXPECT_EQ(loop.patience, 2);
  EXPECT_THAT(loop.body,
              ElementsAre(IndexOf(*graph, "fb"), IndexOf(*graph, "new"), IndexOf(*graph, "best")));
  ASSERT_EQ(loop.carries.size(), 1u);
  EXPECT_EQ(loop.carries[0].node, IndexOf(*graph, "best"));
  EXPECT_EQ(loop.carries[0].axis, -1);
  EXPECT_EQ(AxesOf(*graph, refine.axes), "draft");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "fb").axes), "draft,refine.round,fb");
  EXPECT_EQ(AxesOf(*graph, NodeOf(*graph, "new").axes), "draft,refine.round");
  // Inside, "$best" is the last round's value.
  const Node& best = NodeOf(*graph, "best");
  EXPECT_EQ(best.from[0].choices[0].target.kind, Target::Kind::kCarry);
  EXPECT_EQ(best.from[1].choices[0].target.kind, Target::Kind::kNode);
  EXPECT_EQ(EdgesInto(*graph, IndexOf(*graph, "fb")).size(), 0u);
}

TEST(GraphFileTest, ReadsASubGraph) {
  const Files files = {{"g/sub/answer.json", R"({"graph": "answer/1", "input": ["question"],
      "roles": {"w": {"model": "main:m"}},
      "nodes": {"a": {"do": "generate", "role": "w", "n": 5,
                      "prompt": {"file": "ask.prompt"}}}, "output": "$a"})"},
                       {"g/sub/ask.prompt", "Q: {{question}}\n"}};
  const auto graph = Parsed(R"({"graph": "outer", "input": ["messages"],
    "roles": {"r": {"model": "reward:m", "kind": "reward"}},
    "nodes": {"answers": {"do": "graph", "file": "sub/answer.json", "with": {"question": "$messages"}},
              "pick": {"do": "select", "role": "r", "from": "$answers", "by": "score"}},
    "output": "$pick"})",
                            files);
  ASSERT_EQ(graph->nodes.size(), 2u);
  ASSERT_NE(graph->nodes[0].graph, nullptr);
  EXPECT_EQ(graph->nodes[0].graph->name, "answer/1");
  EXPECT_EQ(CandidatesMax(*graph, graph->nodes[1]), 5);
  EXPECT_THAT(graph->canonical, HasSubstr("Q: {{question}}"));
}

TEST(GraphFileTest, TellsEverythingThatIsWrongAtOnceInTheOrderOfTheFile) {
  const std::string refusal = Refusal(R"({
  "graph": "x/1",
  "input": ["messages"],
  "roles": {"w": {"model": "main"}},
  "nodes": {
    "a": {"do": "generate", "role": "v", "prompt": "$mesages"},
    "b": {"do": "generate", "role": "w", "prompt": "$a", "nn": 2}
  },
  "output": "$c"
})");
  EXPECT_EQ(refusal,
            "g/graph.json:4:28: \"model\": found \"main\"; expected \"endpoint:model\", such as "
            "\"main:some-model\", with an endpoint of the endpoints file\n"
            "g/graph.json:6:37: found the unknown role \"v\"; did you mean \"w\"?\n"
            "g/graph.json:6:53: found the unknown reference \"$mesages\"; did you mean "
            "\"$messages\"?\n"
            "g/graph.json:7:58: found the key \"nn\", which a node that does \"generate\" does not "
            "have; did you mean \"n\"?\n"
            "g/graph.json:9:14: found the unknown reference \"$c\"; did you mean \"$a\"?");
}

TEST(GraphFileTest, ReadsThePresets) {
  for (const char* name : {"feedback_edit", "best_of_n", "self_refine", "mixture_of_agents",
                           "debate", "generate_select_synthesize"}) {
    const auto graph =
        ReadGraph(std::string(TEMPER_SOURCE_DIR) + "/examples/graphs/" + name + ".json");
    EXPECT_TRUE(graph.ok()) << graph.status();
  }
}

TEST(GraphFileTest, ReadsWhatACriticsWordsSayAndChecksThePatterns) {
  const auto text = [](const std::string& levels) {
    return R"({"graph": "x/1", "input": ["messages"], "roles": {"w": {"model": "main:m"}},
  "nodes": {"a": {"do": "generate", "role": "w", "n": 2, "prompt": "$messages"},
            "best": {"do": "select", "from": "$a", "by": "score"}},
  "output": "$best", "train": {"w": {"levels": )" +
           levels + "}}}";
  };
  const auto graph = Parsed(text(R"({"^right": 1, "wrong": 0.25})"));
  ASSERT_EQ(graph->train.size(), 1u);
  EXPECT_THAT(graph->train[0].levels,
              ElementsAre(std::make_pair("^right", 1.0), std::make_pair("wrong", 0.25)));
  EXPECT_THAT(Refusal(text(R"({"(": 1, "b": 2})")),
              AllOf(HasSubstr("4:49: \"levels\": found the pattern \"(\""),
                    HasSubstr("found 2; expected a number from 0 to 1")));
}

TEST(GraphFileTest, TellsOfAMissingFile) {
  const auto graph = ReadGraph("no/such/graph.json");
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(graph.status().message()), HasSubstr("no/such/graph.json"));
}

}  // namespace
}  // namespace temper::agents
