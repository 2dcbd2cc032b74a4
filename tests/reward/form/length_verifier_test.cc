// DAPO's overlong shaping, moved into [0, 1]; what we cut off ourselves is nobody's fault.
#include "reward/form/length_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

absl::StatusOr<Judgement> Judged(const std::string& settings, const Response& response) {
  temper::v1::LengthOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = LengthVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge(response);
}

double Scored(const std::string& settings, const Response& response) {
  const auto judgement = Judged(settings, response);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return judgement.ok() ? judgement->score : -1;
}

double OfTokens(const std::string& settings, int tokens) {
  return Scored(settings, {.text = "x", .tokens = tokens, .tokens_max = 100});
}

std::string Refusal(const std::string& settings) {
  return std::string(Judged(settings, {.text = "x", .tokens = 1}).status().message());
}

TEST(LengthVerifierTest, FallsOverTheBufferAsDapoDoes) {
  const std::string settings = "max: 100 buffer: 20";
  EXPECT_EQ(OfTokens(settings, 1), 1);
  EXPECT_EQ(OfTokens(settings, 80), 1);
  EXPECT_EQ(OfTokens(settings, 81), 0.95);
  EXPECT_EQ(OfTokens(settings, 90), 0.5);
  EXPECT_EQ(OfTokens(settings, 100), 0);
  EXPECT_EQ(OfTokens(settings, 1000), 0);
  EXPECT_EQ(Judged(settings, {.text = "x", .tokens = 90})->verdict, "overlong");
  EXPECT_EQ(OfTokens("buffer: 20", 90), 0.5) << "max is what the response could have";
}

TEST(LengthVerifierTest, IsAStepWithoutABuffer) {
  EXPECT_EQ(OfTokens("max: 10", 10), 1);
  EXPECT_EQ(OfTokens("max: 10", 11), 0);
  EXPECT_EQ(OfTokens("", 100), 1);
  EXPECT_EQ(OfTokens("", 101), 0);
  EXPECT_EQ(OfTokens("min: 5", 4), 0);
  EXPECT_EQ(OfTokens("min: 5", 5), 1);
}

TEST(LengthVerifierTest, CountsWordsAndCharacters) {
  EXPECT_EQ(Scored("unit: 'words' min: 2 max: 3", {.text = " a  b\nc "}), 1);
  EXPECT_EQ(Scored("unit: 'words' min: 2 max: 3", {.text = "a b c d"}), 0);
  EXPECT_EQ(Scored("unit: 'characters' max: 3", {.text = "日本語"}), 1);
  EXPECT_EQ(Scored("unit: 'characters' max: 3", {.text = "日本語!"}), 0);
  EXPECT_EQ(Scored("unit: 'characters' max: 4 buffer: 4", {.text = "ab"}), 0.5);
  EXPECT_EQ(Scored("unit: 'characters' max: 1", {.text = "\xff"}), 1);
  EXPECT_EQ(Scored("unit: 'words' max: 1", {.text = std::string(1 << 20, ' ')}), 1);
  EXPECT_EQ(Scored("unit: 'characters' max: 1", {.text = std::string(1 << 20, ' ')}), 0);
}

TEST(LengthVerifierTest, MasksWhatWeCutOffAndPunishesWhatRanOut) {
  const Response aborted{.text = "x", .tokens = 90, .tokens_max = 100, .truncated = true};
  const auto masked = Judged("max: 50", aborted);
  EXPECT_EQ(masked->verdict, "masked");
  EXPECT_EQ(masked->score, 1);
  const Response ran_out{.text = "x", .tokens = 100, .tokens_max = 100, .truncated = true};
  EXPECT_EQ(Scored("buffer: 20", ran_out), 0);
}

TEST(LengthVerifierTest, HasNoVerdictOnTokensThatNobodyCounted) {
  EXPECT_EQ(Judged("max: 5", {.text = "x"}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Scored("max: 5", {.text = ""}), 1);
}

TEST(LengthVerifierTest, RefusesSettingsThatMeanNothing) {
  EXPECT_THAT(Refusal("unit: 'bytes'"), HasSubstr("length.unit"));
  EXPECT_THAT(Refusal("min: -1"), HasSubstr("length.min"));
  EXPECT_THAT(Refusal("min: 3 max: 2"), HasSubstr("length.max: found 2, expected at least min, 3"));
  EXPECT_THAT(Refusal("max: 3 buffer: 4"), HasSubstr("length.buffer"));
  EXPECT_THAT(Refusal("unit: 'words' min: 1 buffer: 4"), HasSubstr("length.buffer"));
  EXPECT_THAT(Refusal("unit: 'words'"), HasSubstr("neither"));
}

}  // namespace
}  // namespace temper::reward
