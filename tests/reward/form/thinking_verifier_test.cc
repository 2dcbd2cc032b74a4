// One thought and then an answer, or no tag at all; tags in the answer do not pass.
#include "reward/form/thinking_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

absl::StatusOr<Judgement> Judged(const std::string& settings, std::string_view response) {
  temper::v1::ThinkingOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = ThinkingVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge({.text = response});
}

std::string Reason(const std::string& settings, std::string_view response) {
  const auto judgement = Judged(settings, response);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  EXPECT_EQ(judgement->score, 0) << response;
  EXPECT_EQ(judgement->verdict, kNotEqual);
  return judgement->reason;
}

double Scored(const std::string& settings, std::string_view response) {
  const auto judgement = Judged(settings, response);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return judgement.ok() ? judgement->score : -1;
}

TEST(ThinkingVerifierTest, WantsOneThoughtAndThenAnAnswer) {
  EXPECT_EQ(Scored("", "<think>a\nb</think>c"), 1);
  EXPECT_EQ(Scored("", "\n <think>a</think>\n\nc\n"), 1);
  EXPECT_THAT(Reason("", "c"), HasSubstr("\"<think>\" 0 times"));
  EXPECT_THAT(Reason("", "<think>a"), HasSubstr("\"</think>\" 0 times"));
  EXPECT_THAT(Reason("", "a</think>c"), HasSubstr("\"<think>\" 0 times"));
  EXPECT_THAT(Reason("", "<think>a<think>b</think>c"), HasSubstr("\"<think>\" 2 times"));
  EXPECT_THAT(Reason("", "<think>a</think>b</think>c"), HasSubstr("\"</think>\" 2 times"));
  EXPECT_THAT(Reason("", "<think>a</think>c<think>b</think>d"), HasSubstr("2 times"));
  EXPECT_THAT(Reason("", "<think>a</think>c </THINK>"), HasSubstr("2 times"));
  EXPECT_THAT(Reason("", "</think>a<think>c"), HasSubstr("wrong order"));
  EXPECT_THAT(Reason("", "x<think>a</think>c"), HasSubstr("before the thought"));
  EXPECT_THAT(Reason("", "<think> \n</think>c"), HasSubstr("the thought is empty"));
  EXPECT_THAT(Reason("", "<think>\xe2\x80\x8b</think>c"), HasSubstr("the thought is empty"));
  EXPECT_THAT(Reason("", "<think>a</think> \n"), HasSubstr("the answer is empty"));
  EXPECT_EQ(Scored("empty_thought: true", "<think></think>c"), 1);
}

TEST(ThinkingVerifierTest, KnowsThatThePromptOpenedTheThought) {
  EXPECT_EQ(Scored("opened_by_prompt: true", "a</think>c"), 1);
  EXPECT_THAT(Reason("opened_by_prompt: true", "<think>a</think>c"), HasSubstr("the prompt has"));
  EXPECT_THAT(Reason("opened_by_prompt: true", "a"), HasSubstr("0 times"));
  EXPECT_THAT(Reason("opened_by_prompt: true", "</think>a"), HasSubstr("thought is empty"));
}

TEST(ThinkingVerifierTest, WantsNoTagWhenThinkingIsOff) {
  EXPECT_EQ(Scored("mode: 'off'", "c"), 1);
  EXPECT_THAT(Reason("mode: 'off'", "<think>a</think>c"), HasSubstr("thinking is off"));
  EXPECT_THAT(Reason("mode: 'off'", "a</Think>c"), HasSubstr("thinking is off"));
  EXPECT_THAT(Reason("mode: 'off'", " \n"), HasSubstr("the answer is empty"));
}

TEST(ThinkingVerifierTest, TakesOtherTags) {
  const std::string tags = "open: '[THINK]' close: '[/THINK]'";
  EXPECT_EQ(Scored(tags, "[THINK]a[/THINK]c"), 1);
  EXPECT_EQ(Scored(tags, "[THINK]a <think>[/THINK]c"), 1);
  EXPECT_EQ(Scored(tags, "<think>a</think>c"), 0);
}

TEST(ThinkingVerifierTest, RefusesSettingsThatMeanNothing) {
  EXPECT_THAT(Judged("mode: 'maybe'", "").status().message(), HasSubstr("thinking.mode"));
  EXPECT_THAT(Judged("open: 'x' close: 'X'", "").status().message(), HasSubstr("told apart"));
  EXPECT_THAT(Judged("open: ' '", "").status().message(), HasSubstr("all blank"));
  EXPECT_FALSE(Judged("open: '" + std::string(65, 'x') + "'", "").ok());
}

TEST(ThinkingVerifierTest, PassesNothingHostile) {
  EXPECT_EQ(Scored("", ""), 0);
  EXPECT_EQ(Scored("", std::string(1 << 20, ' ')), 0);
  EXPECT_EQ(Scored("", "<think>" + std::string(1 << 20, '<') + "/think>"), 0);
  EXPECT_EQ(Scored("", std::string_view("<think>a\0</think>\0", 18)), 0);
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "<think></think>";
  EXPECT_EQ(Scored("", many + "x"), 0);
  EXPECT_EQ(Scored("", "<think>\xff</think>\xfe"), 1) << "bytes that are no text are something";
}

}  // namespace
}  // namespace temper::reward
