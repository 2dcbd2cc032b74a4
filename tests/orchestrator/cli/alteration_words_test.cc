// What `temper set` understands, and what it says of the rest.
#include "orchestrator/cli/alteration_words.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

v1::Alteration Read(const std::vector<std::string>& words) {
  const auto parsed = ParseAlteration(words);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->alteration : v1::Alteration();
}

std::string Refusal(const std::vector<std::string>& words) {
  const auto parsed = ParseAlteration(words);
  EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << parsed.status();
  return std::string(parsed.status().message());
}

TEST(AlterationWordsTest, ReadsEveryFieldOfAnAlteration) {
  const v1::Alteration alteration =
      Read({"learning_rate=1e-4", "kl=0.01", "clip_low=0.1", "clip_high=0.28", "temperature=0.9",
            "max_tokens=64", "group_size=4", "staleness=0", "evaluate.every=20",
            "mixture={\"algebra\": 3, \"code\": 1}"});
  EXPECT_DOUBLE_EQ(alteration.learning_rate(), 1e-4);
  EXPECT_DOUBLE_EQ(alteration.clip_high(), 0.28);
  EXPECT_EQ(alteration.max_tokens(), 64);
  EXPECT_EQ(alteration.evaluate_every(), 20);
  EXPECT_EQ(alteration.mixture().shares().at("algebra"), 3);
  // A field that was added to the schema is one that `set` must know.
  const auto& descriptor = *v1::Alteration::descriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    EXPECT_TRUE(alteration.GetReflection()->HasField(alteration, descriptor.field(i)))
        << descriptor.field(i)->name();
  }
}

TEST(AlterationWordsTest, ClipIsBothSides) {
  const v1::Alteration alteration = Read({"clip=0.15"});
  EXPECT_DOUBLE_EQ(alteration.clip_low(), 0.15);
  EXPECT_DOUBLE_EQ(alteration.clip_high(), 0.15);
  EXPECT_THAT(Refusal({"clip=0.1", "clip_low=0.2"}), HasSubstr("sets clip_low a second time"));
}

TEST(AlterationWordsTest, NamesTheNearestKey) {
  EXPECT_THAT(Refusal({"learning_rat=1"}), HasSubstr("did you mean \"learning_rate\""));
  EXPECT_THAT(Refusal({"lr=1"}), HasSubstr("did you mean \"learning_rate\""));
  EXPECT_THAT(Refusal({"bananas=1"}), HasSubstr("expected one of learning_rate, kl, clip"));
}

TEST(AlterationWordsTest, SaysWhyAFieldStaysAndTheWayRound) {
  EXPECT_THAT(Refusal({"seed=4"}),
              AllOf(HasSubstr("cannot change while a run lives"), HasSubstr("submit another run")));
  EXPECT_THAT(Refusal({"optimizer.beta1=0.8"}),
              HasSubstr("temper fork RUN --at STEP --set optimizer.beta1=VALUE"));
  EXPECT_THAT(Refusal({"warm_start.steps=3"}), Not(HasSubstr("fork")));
  EXPECT_THAT(Refusal({"fleet.rollout_workers=3"}), HasSubstr("cordon"));
}

TEST(AlterationWordsTest, RefusesValuesOfAnotherType) {
  EXPECT_THAT(Refusal({"temperature=warm"}),
              HasSubstr("temperature=warm: found \"warm\", expected a number"));
  EXPECT_THAT(Refusal({"max_tokens=1.5"}), HasSubstr("expected a whole number"));
  EXPECT_THAT(Refusal({"temperature"}), HasSubstr("expected key=value"));
  EXPECT_THAT(Refusal({"mixture=3"}), HasSubstr("expected mixture.TASK=SHARE"));
}

TEST(AlterationWordsTest, LaysSharesOverTheMixtureInForce) {
  v1::RunSpec spec;
  (*spec.mutable_dataset()->mutable_mixture())["algebra"] = 3;
  (*spec.mutable_dataset()->mutable_mixture())["code"] = 1;
  auto parsed = ParseAlteration({"mixture.code=0", "dataset.mixture.logic=2"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  LayOverMixture(spec, *parsed);
  EXPECT_THAT(parsed->alteration.mixture().shares(),
              UnorderedElementsAre(Pair("algebra", 3), Pair("logic", 2)));
  EXPECT_THAT(Refusal({"mixture={\"a\": 1}", "mixture.b=1"}), HasSubstr("beside each other"));
}

}  // namespace
}  // namespace temper::cli
