// Whatever can be wrong with a graph file is told where it stands, in words that help: the cases
// stand in tests/data/agents/graph_refusals.txt.
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "tests/agents/graph/graph_texts.h"

namespace temper::agents {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The nodes of a case follow on line 8; $x is what they put out.
constexpr const char* kHead = R"({"graph": "t/1", "input": ["messages"],
 "roles": {"w": {"model": "main:m"}, "r": {"model": "reward:m", "kind": "reward"},
           "g": {"model": "main:g", "kind": "genrm"}},
 "nodes": {
  "draft": {"do": "generate", "role": "w", "n": 4, "prompt": "$messages"},
  "best": {"do": "select", "role": "r", "from": "$draft", "by": "score"},
  "gen": {"do": "select", "role": "g", "from": "$draft", "by": "knockout"},
  )";
constexpr const char* kTail = "\n }, \"output\": \"$x | $best | $gen\"}\n";

struct Case {
  std::string title;
  std::string text;     // nodes, or a whole graph
  std::string refusal;  // all lines of it
};

std::vector<Case> Cases() {
  const auto file = ReadFile(std::string(TEMPER_TEST_DATA) + "/agents/graph_refusals.txt");
  EXPECT_TRUE(file.ok()) << file.status();
  std::vector<Case> cases;
  std::string title;
  bool open = false;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(file.value_or(""), '\n'))) {
    if (line.substr(0, 2) == "# ") {
      title = line.substr(2);
    } else if (line.substr(0, 3) == "=> ") {
      std::string& refusal = cases.back().refusal;
      refusal += (refusal.empty() ? "" : "\n") + line.substr(3);
      open = false;
    } else if (!line.empty()) {
      if (!open) cases.push_back({.title = title});
      cases.back().text += (open ? "\n" : "") + line;
      open = true;
    }
  }
  return cases;
}

TEST(GraphRefusalsTest, SaysWhatIsWrongAndWhere) {
  const std::vector<Case> cases = Cases();
  EXPECT_GT(cases.size(), 75u);
  for (const Case& one : cases) {
    const bool whole = one.text[0] == '{';
    EXPECT_EQ(Refusal(whole ? one.text : kHead + one.text + kTail), one.refusal)
        << one.title << ": " << one.text;
  }
}

TEST(GraphRefusalsTest, TheGraphAroundTheCasesIsSound) {
  Parsed(std::string(kHead) + R"("x": {"do": "generate", "role": "w", "prompt": "$messages"})" +
         kTail);
}

std::string SubGraph(const std::string& file) {
  return R"({"graph": "o/1", "input": ["messages"], "roles": {},
    "nodes": {"s": {"do": "graph", "file": ")" +
         file + R"(", "with": {"messages": "$messages"}}}, "output": "$s"})";
}

TEST(GraphRefusalsTest, ASubGraphInsideItselfIsRefused) {
  EXPECT_THAT(
      Refusal(SubGraph("b.json"), {{"g/b.json", SubGraph("b.json")}}),
      StartsWith("g/graph.json:2:44: in the sub-graph: g/b.json:2:44: in the sub-graph: found "
                 "g/graph.json -> g/b.json -> g/b.json; expected no graph inside itself"));
  Files deep;
  for (int i = 0; i < 12; ++i) {
    deep["g/" + std::to_string(i) + ".json"] = SubGraph(std::to_string(i + 1) + ".json");
  }
  EXPECT_THAT(Refusal(SubGraph("0.json"), deep), HasSubstr("found sub-graphs over 8 deep"));
}

TEST(GraphRefusalsTest, ASubGraphIsGivenItsInputsAndNoOthers) {
  const Files files = {{"g/s.json", R"({"graph": "s/1", "input": ["question"],
    "roles": {"w": {"model": "main:m"}},
    "nodes": {"x": {"do": "generate", "role": "w", "prompt": "$question"}}, "output": "$x"})"}};
  EXPECT_EQ(
      Refusal(SubGraph("s.json"), files),
      "g/graph.json:2:44: the input \"question\" of s/1 is given nothing; expected it in "
      "\"with\"\n"
      "g/graph.json:2:76: found the input \"messages\", which s/1 does not have; expected one of "
      "question");
  EXPECT_THAT(Refusal(SubGraph("absent.json"), files),
              HasSubstr("in the sub-graph: g/absent.json: cannot open"));
}

TEST(GraphRefusalsTest, SizesAreLimited) {
  EXPECT_THAT(Refusal(std::string(2 << 20, ' ')), HasSubstr("expected at most 1048576"));
  std::string nodes;
  for (int i = 0; i < 1001; ++i) {
    nodes += (i > 0 ? ",\n\"n" : "\"n") + std::to_string(i) +
             R"(": {"do": "generate", "role": "w", "prompt": "$messages"})";
  }
  const std::string refusal = Refusal(kHead + nodes + kTail);
  EXPECT_THAT(refusal, HasSubstr("found over 1000 nodes"));
  std::string loops = R"("x": {"do": "generate", "role": "w", "prompt": "$messages"})";
  for (int i = 0; i < 10; ++i) {
    const std::string name = i < 9 ? "l" + std::to_string(i) : "x";
    loops = "\"" + name + R"(": {"do": "loop", "carry": {"c)" + std::to_string(i) +
            R"(": "$best"}, "stop": {"max_rounds": 1}, "body": {)" + loops + "}}";
  }
  EXPECT_THAT(Refusal(kHead + loops + kTail), HasSubstr("found loops over 8 deep"));
}

TEST(GraphRefusalsTest, NoMoreThanTwentyProblemsAreShown) {
  std::string nodes = R"("x": {"do": "generate", "role": "w", "prompt": "$messages"})";
  for (int i = 0; i < 30; ++i) {
    nodes += ",\n\"n" + std::to_string(i) +
             R"(": {"do": "generate", "role": "w", "prompt": "$nothing"})";
  }
  const std::vector<std::string> lines = absl::StrSplit(Refusal(kHead + nodes + kTail), '\n');
  EXPECT_EQ(lines.size(), 21u);
  EXPECT_EQ(lines.back(), "(10 more)");
}

}  // namespace
}  // namespace temper::agents
