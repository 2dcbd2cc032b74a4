#include "agents/train/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agents/train/trees.h"

namespace temper::agents {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

std::shared_ptr<const Graph> DraftAndEdit() {
  return ParseOrDie(R"({"graph": "toy", "input": ["messages"],
    "roles": {"drafter": {"model": "policy:m"}, "editor": {"model": "policy:m"}},
    "nodes": {
      "draft": {"do": "generate", "role": "drafter", "n": 2, "prompt": "$messages"},
      "edit": {"do": "generate", "role": "editor", "each": "$draft", "n": 2,
               "prompt": {"text": "Mend: {{answer}}", "answer": "$draft"}},
      "pick": {"do": "select", "from": ["$draft", "$edit"], "by": "vote"}},
    "output": "$pick", "train": {"editor": {"advantage": "dr_grpo"}}})");
}

const std::map<std::string, Said> kSaid = {
    {"draft[] 0", {"2", 1}},       {"draft[] 1", {"3", 0.25}},    {"edit[draft=0] 0", {"2", 1}},
    {"edit[draft=0] 1", {"2", 1}}, {"edit[draft=1] 0", {"4", 0}}, {"edit[draft=1] 1", {"2", 1}},
};

TEST(ExportTest, SftIsWhatWasAskedAndWhatCameOut) {
  const Lines lines = SftLines(*Grow(DraftAndEdit(), kSaid));
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0], Json::parse(R"({"messages": [{"role": "user", "content": "1+1="}],
                                      "response": "2", "score": 1.0})"));
}

TEST(ExportTest, PairsAreTheBestAndTheWorstAnswerWithTheirMargin) {
  const auto execution = Grow(DraftAndEdit(), kSaid);
  const Lines one = PreferenceLines(*execution, {});
  ASSERT_THAT(one, SizeIs(1));
  EXPECT_EQ(one[0], Json::parse(R"({"messages": [{"role": "user", "content": "1+1="}],
                                    "chosen": "2", "rejected": "4", "margin": 1.0})"));
  // 2 before 3 and 4, 3 before 4; the margin of the last is too small.
  EXPECT_THAT(PreferenceLines(*execution, {.choice = PairChoice::kAll}), SizeIs(3));
  EXPECT_THAT(PreferenceLines(*execution, {.choice = PairChoice::kAll, .margin_min = 0.5}),
              SizeIs(2));
}

TEST(ExportTest, TransitionsCarryTheirGroupRewardAndAdvantage) {
  const auto execution = Grow(DraftAndEdit(), kSaid);
  const auto lines = TransitionLines({execution.get(), execution.get()}, {.full_score = 1});
  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_THAT(*lines, SizeIs(8));  // the drafter does not learn
  const Json& idle = (*lines)[0];
  EXPECT_EQ(idle["group"], "0/edit[draft=0]");
  EXPECT_EQ(idle["left_out"], "no variance");
  EXPECT_EQ(idle["advantage"], 0.0);
  const Json& worse = (*lines)[2];
  EXPECT_EQ(worse["lineage"], "draft=1");
  EXPECT_EQ(worse["messages"][0]["content"], "Mend: 3");
  EXPECT_EQ(worse["reward"], -0.25);
  EXPECT_LT(worse["advantage"].get<double>(), 0);
  EXPECT_EQ((*lines)[7]["group"], "1/edit[draft=1]");
  EXPECT_EQ((*lines)[7]["advantage"].get<double>(), -worse["advantage"].get<double>());
  EXPECT_FALSE((*lines)[7].contains("left_out"));
}

TEST(ExportTest, TokensAreThereWhereTheServerToldThem) {
  auto execution =
      *Execution::Create(DraftAndEdit(), {{"messages", "1+1="}},
                         {.identity = [](const Role& role) { return role.model; }, .whole = true});
  RunToEnd(*execution, 1, [](const Want& want) {
    Result result = MadeResult(want);
    result.score = static_cast<double>(want.sample);
    result.prompt_tokens = {7, 8};
    result.tokens = {1, 2};
    result.logprobs = {-0.5f, -1.5f};
    result.version = 12;
    return result;
  });
  const auto lines = TransitionLines({execution.get()}, {});
  ASSERT_TRUE(lines.ok()) << lines.status();
  const Json& line = lines->front();
  EXPECT_EQ(line["prompt_tokens"], Json({7, 8}));
  EXPECT_EQ(line["tokens"], Json({1, 2}));
  EXPECT_EQ(line["logprobs"], Json({-0.5, -1.5}));
  EXPECT_EQ(line["version"], 12);
}

TEST(ExportTest, AContestsStrengthsMakePairs) {
  const auto graph = ParseOrDie(R"({"graph": "toy", "input": ["messages"],
    "roles": {"drafter": {"model": "policy:m"},
              "judge": {"model": "judge:m", "kind": "chat"}},
    "nodes": {
      "draft": {"do": "generate", "role": "drafter", "n": 2, "prompt": "$messages"},
      "pick": {"do": "select", "role": "judge", "from": "$draft", "by": "pairs",
               "prompt": {"text": "{{a}} or {{b}}?", "a": "$first", "b": "$second"},
               "parse": "verdict"}},
    "output": "$pick"})");
  auto execution = *Execution::Create(graph, {{"messages", "1+1="}},
                                      {.identity = [](const Role& role) { return role.model; }});
  RunToEnd(*execution, 1, [](const Want& want) {
    Result result;
    result.text = absl::StrCat("answer ", want.sample);
    if (want.question->path == "pick") {
      const std::string asked = want.question->messages.back()["content"];
      result.text = asked.starts_with("answer 1") ? "[[A>B]]" : "[[B>A]]";
    }
    return result;
  });
  const Lines lines = PreferenceLines(*execution, {});
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0]["chosen"], "answer 1");
  EXPECT_EQ(lines[0]["rejected"], "answer 0");
  EXPECT_GT(lines[0]["margin"].get<double>(), 0);
}

TEST(ExportTest, AFailedExecutionIsNoExample) {
  auto execution =
      *Execution::Create(DraftAndEdit(), {{"messages", "1+1="}},
                         {.identity = [](const Role& role) { return role.model; }, .whole = true});
  RunToEnd(*execution, 1, [](const Want&) {
    Result result;
    result.status = absl::UnavailableError("no route");
    return result;
  });
  EXPECT_TRUE(execution->done());
  EXPECT_THAT(SftLines(*execution), IsEmpty());
  EXPECT_THAT(PreferenceLines(*execution, {}), IsEmpty());
}

}  // namespace
}  // namespace temper::agents
