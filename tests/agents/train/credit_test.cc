#include "agents/train/credit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agents/train/trees.h"

namespace temper::agents {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Optional;

constexpr char kDraft[] =
    R"("draft": {"do": "generate", "role": "drafter", "n": 2, "prompt": "$messages"})";
constexpr char kEdit[] = R"("edit": {"do": "generate", "role": "editor", "each": "$draft", "n": 2,
    "prompt": {"text": "Mend: {{answer}}", "answer": "$draft"}})";
constexpr char kPick[] = R"("pick": {"do": "select", "from": ["$draft", "$edit"], "by": "vote"})";
constexpr char kFeedback[] = R"("feedback": {"do": "generate", "role": "critic", "each": "$draft",
    "n": 2, "prompt": {"text": "Judge: {{answer}}", "answer": "$draft"}})";

const std::map<std::string, Said> kDraftsAndEdits = {
    {"draft[] 0", {"2", 1}},       {"draft[] 1", {"3", 0}},       {"edit[draft=0] 0", {" 2\n", 1}},
    {"edit[draft=0] 1", {"4", 0}}, {"edit[draft=1] 0", {"3", 0}}, {"edit[draft=1] 1", {"2", 1}},
};

// The texts name all three roles; two suffice here.
std::string WithoutCritic(std::string text) {
  const std::string critic = R"("critic": {"model": "policy:m"},)";
  return text.erase(text.find(critic), critic.size());
}

std::shared_ptr<const Graph> TwoRoles(const std::string& train) {
  return ParseOrDie(
      WithoutCritic(GraphText(absl::StrCat(kDraft, ",", kEdit, ",", kPick), "$pick", train)));
}

TEST(CreditTest, DefaultsPayADraftForItsEditsAndAnEditForItsGain) {
  const auto execution = Grow(TwoRoles(R"({"drafter": {}, "editor": {}})"), kDraftsAndEdits);
  const auto credit = AssignCredit(*execution, {.unchanged_penalty = 0.25});
  ASSERT_TRUE(credit.ok()) << credit.status();
  const auto named = ByName(*credit);
  EXPECT_THAT(named.at("draft[] 0").reward, Optional(0.5));
  EXPECT_THAT(named.at("draft[] 1").reward, Optional(0.5));
  EXPECT_THAT(named.at("edit[draft=0] 0").reward, Optional(-0.25));  // unchanged
  EXPECT_THAT(named.at("edit[draft=0] 1").reward, Optional(-1.0));
  EXPECT_THAT(named.at("edit[draft=1] 0").reward, Optional(-0.25));  // unchanged
  EXPECT_THAT(named.at("edit[draft=1] 1").reward, Optional(1.0));
  EXPECT_EQ(credit->roles[1].unchanged, 2);
  EXPECT_EQ(credit->roles[0].unchanged, 0);
}

TEST(CreditTest, AnUnchangedEditOfAFlawlessDraftIsCountedAndNotPunished) {
  const auto execution = Grow(TwoRoles(R"({"drafter": {}, "editor": {}})"), kDraftsAndEdits);
  const auto credit = AssignCredit(*execution, {.unchanged_penalty = 0.25, .full_score = 1});
  const auto named = ByName(*credit);
  EXPECT_THAT(named.at("edit[draft=0] 0").reward, Optional(0.0));
  EXPECT_THAT(named.at("edit[draft=1] 0").reward, Optional(-0.25));
  EXPECT_EQ(credit->roles[1].unchanged, 2);
}

TEST(CreditTest, ExpressionsSeeTheSamplesOwnLineage) {
  const auto execution = Grow(
      TwoRoles(R"j({"editor": {"reward": "score($edit) - 0.5 * score($draft) - 0.1 * unchanged"},
                   "drafter": {"reward": "0.5 * score($draft) + 0.5 * mean($edit)"}})j"),
      kDraftsAndEdits);
  const auto credit = AssignCredit(*execution, {});
  ASSERT_TRUE(credit.ok()) << credit.status();
  const auto named = ByName(*credit);
  EXPECT_THAT(named.at("edit[draft=0] 0").reward, Optional(DoubleNear(0.4, 1e-12)));
  EXPECT_THAT(named.at("edit[draft=0] 1").reward, Optional(-0.5));
  EXPECT_THAT(named.at("edit[draft=1] 0").reward, Optional(DoubleNear(-0.1, 1e-12)));
  EXPECT_THAT(named.at("edit[draft=1] 1").reward, Optional(1.0));
  EXPECT_THAT(named.at("draft[] 0").reward, Optional(0.75));
  EXPECT_THAT(named.at("draft[] 1").reward, Optional(0.25));
}

TEST(CreditTest, EffectsOfANestedTreeAddUpToItsSpread) {
  std::map<std::string, Said> said = kDraftsAndEdits;
  said["edit[draft=0] 1"].score = 0.75;
  const auto credit = AssignCredit(*Grow(TwoRoles(R"({"editor": {}})"), said), {});
  // Leaves 1, 0.75 | 0, 1: mean 0.6875, spread 0.671875. Drafts: means 0.875 and 0.5, each of 2.
  EXPECT_DOUBLE_EQ(credit->spread, 0.671875);
  EXPECT_DOUBLE_EQ(credit->roles[0].effect, 2 * (0.1875 * 0.1875) * 2);
  EXPECT_DOUBLE_EQ(credit->roles[1].effect, 0.03125 + 0.5);
  EXPECT_DOUBLE_EQ(credit->roles[0].effect + credit->roles[1].effect, credit->spread);
  // Within drafts the edits spread by 0.53125 over 2 degrees of freedom: more than the drafts do.
  EXPECT_EQ(CausalShare(credit->roles[0], credit->spread), 0);
  EXPECT_DOUBLE_EQ(CausalShare(credit->roles[1], credit->spread), 0.53125 / 0.671875);
}

TEST(CreditTest, AShareIsWhatExceedsChance) {
  std::map<std::string, Said> said = kDraftsAndEdits;
  said["edit[draft=0] 1"].score = 0.75;
  said["edit[draft=1] 1"].score = 0.25;
  const auto credit = AssignCredit(*Grow(TwoRoles(R"({"editor": {}})"), said), {});
  // Leaves 1, 0.75 | 0, 0.25: drafts spread by 0.5625 where chance gives 0.0625 / 2.
  EXPECT_DOUBLE_EQ(credit->spread, 0.625);
  EXPECT_DOUBLE_EQ(CausalShare(credit->roles[0], credit->spread), (0.5625 - 0.03125) / 0.625);
  EXPECT_DOUBLE_EQ(CausalShare(credit->roles[1], credit->spread), 0.0625 / 0.625);
}

std::shared_ptr<const Graph> WithFeedback(const std::string& edit, const std::string& train) {
  return ParseOrDie(
      GraphText(absl::StrCat(kDraft, ",", kFeedback, ",", edit, ",", kPick), "$pick", train));
}

TEST(CreditTest, AFeedbackIsPaidForTheEditsThatUsedItAgainstTheOthers) {
  const auto graph = WithFeedback(
      R"("edit": {"do": "generate", "role": "editor", "each": "$feedback", "n": 2,
        "prompt": {"text": "{{advice}} {{answer}}", "advice": "$feedback", "answer": "$draft"}})",
      R"({"critic": {"reward": "gain"}, "editor": {}, "drafter": {}})");
  EXPECT_THAT(PartsOf(*graph),
              ElementsAre(Part::kDraft, Part::kFeedback, Part::kEdit, Part::kDraft));
  const auto execution = Grow(graph, {{"draft[] 0", {"a", 0}},
                                      {"draft[] 1", {"b", 1}},
                                      {"feedback[draft=0] 0", {"good", 0}},
                                      {"feedback[draft=0] 1", {"bad", 0}},
                                      {"feedback[draft=1] 0", {"bad", 0}},
                                      {"feedback[draft=1] 1", {"bad", 0}},
                                      {"edit[draft=0 feedback=0] 0", {"c", 1}},
                                      {"edit[draft=0 feedback=0] 1", {"c", 1}},
                                      {"edit[draft=0 feedback=1] 0", {"c", 1}},
                                      {"edit[draft=0 feedback=1] 1", {"d", 0}},
                                      {"edit[draft=1 feedback=0] 0", {"b", 1}},
                                      {"edit[draft=1 feedback=0] 1", {"d", 0}},
                                      {"edit[draft=1 feedback=1] 0", {"d", 0}},
                                      {"edit[draft=1 feedback=1] 1", {"d", 0}}});
  const auto credit = AssignCredit(*execution, {});
  ASSERT_TRUE(credit.ok()) << credit.status();
  const auto named = ByName(*credit);
  // Gains 1, 1 with the first and 1, 0 with the second.
  EXPECT_THAT(named.at("feedback[draft=0] 0").reward, Optional(0.5));
  EXPECT_THAT(named.at("feedback[draft=0] 1").reward, Optional(-0.5));
  // Gains 0, -1 and -1, -1.
  EXPECT_THAT(named.at("feedback[draft=1] 0").reward, Optional(0.5));
  EXPECT_THAT(named.at("feedback[draft=1] 1").reward, Optional(-0.5));
  EXPECT_EQ(credit->roles[1].pooled, 0);
  // Drafts: final 0.75 and 0.25.
  EXPECT_THAT(named.at("draft[] 0").reward, Optional(0.75));
  EXPECT_THAT(named.at("draft[] 1").reward, Optional(0.25));
}

constexpr char kPooledEdit[] =
    R"("edit": {"do": "generate", "role": "editor", "each": "$draft", "n": 2,
       "prompt": {"text": "{{answer}} {{advice}}", "answer": "$draft", "advice": "$feedback"}})";

std::map<std::string, Said> PooledTree() {
  std::map<std::string, Said> said = kDraftsAndEdits;
  said["feedback[draft=0] 0"] = {"it is right", 0};
  said["feedback[draft=0] 1"] = {"it is wrong", 0};
  said["feedback[draft=1] 0"] = {"it is wrong", 0};
  said["feedback[draft=1] 1"] = {"hm", 0};
  return said;
}

TEST(CreditTest, WhereEveryEditUsedAllFeedbackTheyShareOneCredit) {
  const auto execution =
      Grow(WithFeedback(kPooledEdit, R"({"critic": {"reward": "gain"}})"), PooledTree());
  const auto credit = AssignCredit(*execution, {});
  ASSERT_TRUE(credit.ok()) << credit.status();
  const auto named = ByName(*credit);
  EXPECT_THAT(named.at("feedback[draft=0] 0").reward, Optional(-0.5));
  EXPECT_THAT(named.at("feedback[draft=0] 1").reward, Optional(-0.5));
  EXPECT_THAT(named.at("feedback[draft=1] 1").reward, Optional(0.5));
  EXPECT_EQ(credit->roles[1].pooled, 4);
  EXPECT_DOUBLE_EQ(credit->roles[1].effect, 0);
}

TEST(CreditTest, ACriticIsPaidForSayingWhatIsTrueOfItsSubject) {
  const auto execution = Grow(WithFeedback(kPooledEdit, R"({"critic": {"reward": "calibrated",
                                     "levels": {"right$": 1, "wrong$": 0}}})"),
                              PooledTree());
  const auto credit = AssignCredit(*execution, {});
  ASSERT_TRUE(credit.ok()) << credit.status();
  const auto named = ByName(*credit);
  EXPECT_THAT(named.at("feedback[draft=0] 0").reward, Optional(1.0));
  EXPECT_THAT(named.at("feedback[draft=0] 1").reward, Optional(0.0));
  EXPECT_THAT(named.at("feedback[draft=1] 0").reward, Optional(1.0));
  EXPECT_THAT(named.at("feedback[draft=1] 1").reward, Optional(0.0));  // says nothing
}

TEST(CreditTest, TheDefaultOfACriticTakesBothWhereALevelIsSaid) {
  std::map<std::string, Said> said = PooledTree();
  said["feedback[draft=0] 0"].text = "The response is mostly helpful. It adds up.";
  said["feedback[draft=0] 1"].text = "Nothing to say.";
  const auto credit = AssignCredit(*Grow(WithFeedback(kPooledEdit, R"({"critic": {}})"), said), {});
  const auto named = ByName(*credit);
  EXPECT_THAT(named.at("feedback[draft=0] 0").reward, Optional(0.5 * -0.5 + 0.5 * 0.75));
  EXPECT_THAT(named.at("feedback[draft=0] 1").reward, Optional(0.5 * -0.5));
  EXPECT_THAT(named.at("feedback[draft=1] 0").reward, Optional(0.5));  // no sibling says a level
}

TEST(CreditTest, FeedbackThatNoEditReadHasNoReward) {
  const auto graph = ParseOrDie(GraphText(
      absl::StrCat(kDraft, ",", kFeedback, R"(,
        "useful": {"do": "filter", "each": "$draft", "from": "$feedback", "by": "keep", "keep": 1},)",
                   R"("edit": {"do": "generate", "role": "editor", "each": "$draft", "n": 2,
          "prompt": {"text": "{{answer}} {{advice}}", "answer": "$draft", "advice": "$useful"}},)",
                   kPick),
      "$pick", R"({"critic": {"reward": "gain"}})"));
  const auto credit = AssignCredit(*Grow(graph, PooledTree()), {});
  const auto named = ByName(*credit);
  EXPECT_THAT(named.at("feedback[draft=0] 0").reward, Optional(-0.5));
  EXPECT_EQ(named.at("feedback[draft=0] 1").reward, std::nullopt);
  EXPECT_EQ(credit->roles[1].rewarded, 2);
}

TEST(CreditTest, InALoopEveryEditIsPaidForWhatItDidToTheCarriedAnswer) {
  const auto graph = ParseOrDie(R"({"graph": "refine", "input": ["messages"],
    "roles": {"drafter": {"model": "policy:m"}, "critic": {"model": "policy:m"},
              "editor": {"model": "policy:m"}},
    "nodes": {
      "draft": {"do": "generate", "role": "drafter", "n": 1, "prompt": "$messages"},
      "refine": {"do": "loop", "carry": {"best": "$draft"},
        "body": {
          "fb": {"do": "generate", "role": "critic", "n": 1,
                 "prompt": {"text": "Judge {{best}}", "best": "$best"}},
          "new": {"do": "generate", "role": "editor", "n": 2,
                  "prompt": {"text": "Mend {{best}}: {{advice}}", "best": "$best", "advice": "$fb"}},
          "best": {"do": "select", "from": ["$best", "$new"], "by": "score"}},
        "stop": {"max_rounds": 2}}},
    "output": "$refine", "train": {"editor": {}}})");
  EXPECT_EQ(PartsOf(*graph)[2], Part::kFeedback);
  const auto execution = Grow(graph, {{"draft[] 0", {"a", 0}},
                                      {"refine/fb[refine.round#0] 0", {"wrong", 0}},
                                      {"refine/new[refine.round#0] 0", {"b", 0.5}},
                                      {"refine/new[refine.round#0] 1", {"a", 0}},
                                      {"refine/fb[refine.round#1] 0", {"better", 0}},
                                      {"refine/new[refine.round#1] 0", {"c", 1}},
                                      {"refine/new[refine.round#1] 1", {"d", 0.25}}});
  EXPECT_EQ(OutputText(*execution), "c|");
  const auto named = ByName(*AssignCredit(*execution, {}));
  EXPECT_THAT(named.at("refine/new[refine.round#0] 0").reward, Optional(0.5));
  EXPECT_THAT(named.at("refine/new[refine.round#0] 1").reward, Optional(-0.1));
  EXPECT_THAT(named.at("refine/new[refine.round#1] 0").reward, Optional(0.5));
  EXPECT_THAT(named.at("refine/new[refine.round#1] 1").reward, Optional(-0.25));
  // What became of the draft: the edit of the first round that nobody took up, and those of the
  // second.
  EXPECT_THAT(named.at("draft[] 0").reward, Optional(DoubleNear((0 + 1 + 0.25) / 3, 1e-12)));
}

TEST(CreditTest, TheOrderOfArrivalChangesNoReward) {
  const auto graph = TwoRoles(R"({"drafter": {}, "editor": {}})");
  std::vector<double> first;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto credit = AssignCredit(*Grow(graph, kDraftsAndEdits, seed), {});
    std::vector<double> rewards;
    for (const Transition& one : credit->transitions) rewards.push_back(one.reward.value_or(-9));
    if (seed == 0) first = rewards;
    EXPECT_EQ(rewards, first);
  }
}

TEST(CreditTest, ARewardThatIsNoNumberIsToldWithItsPlace) {
  const auto execution = Grow(
      TwoRoles(R"j({"editor": {"reward": "score($edit) / score($draft)"}})j"), kDraftsAndEdits);
  const auto credit = AssignCredit(*execution, {});
  EXPECT_NE(std::string(credit.status().message()).find("divides 0 by 0"), std::string::npos)
      << credit.status();
}

}  // namespace
}  // namespace temper::agents
