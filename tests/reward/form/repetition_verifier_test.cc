// Repeated n-grams cost what the formula says, in any script, and long texts cost no time.
#include "reward/form/repetition_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

absl::StatusOr<Judgement> Judged(const std::string& settings, std::string_view response) {
  temper::v1::RepetitionOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = RepetitionVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge({.text = response});
}

double Scored(const std::string& settings, std::string_view response) {
  const auto judgement = Judged(settings, response);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return judgement.ok() ? judgement->score : -1;
}

TEST(RepetitionVerifierTest, FollowsItsFormula) {
  // a b, b a, a b, b c: 4 bigrams, 3 of them different.
  EXPECT_DOUBLE_EQ(Scored("n: 2 free_share: 0", "a b a b c"), 0.75);
  EXPECT_DOUBLE_EQ(Scored("n: 2 free_share: 0.2", "a b a b c"), 1 - 0.05 / 0.8);
  EXPECT_DOUBLE_EQ(Scored("n: 2 free_share: 0.25", "a b a b c"), 1);
  EXPECT_DOUBLE_EQ(Scored("n: 1 free_share: 0", "a a a a"), 0.25);
  // Three 3-grams of five words that are all the same.
  EXPECT_DOUBLE_EQ(Scored("n: 3 free_share: 0", "x x x x x"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(Scored("n: 5 free_share: 0", "a b c d e a b c d e"), 5.0 / 6);
  EXPECT_EQ(Judged("n: 2 free_share: 0", "a b a b c")->reason, "1 of 4 2-grams are repeated");
}

TEST(RepetitionVerifierTest, TakesWordsForTheSameWhateverTheirCaseAndMarks) {
  EXPECT_DOUBLE_EQ(Scored("n: 1 free_share: 0", "Ja, ja! JA?"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(Scored("n: 1 free_share: 0", "--- --- ---"), 1.0 / 3);
}

TEST(RepetitionVerifierTest, CountsCharactersWhereAScriptHasNoBlanks) {
  EXPECT_DOUBLE_EQ(Scored("n: 2 free_share: 0", "日本日本日本"), 2.0 / 5);
}

TEST(RepetitionVerifierTest, FindsNothingInShortTexts) {
  EXPECT_EQ(Scored("", ""), 1);
  EXPECT_EQ(Scored("", "a a a a"), 1);
  EXPECT_LT(Scored("", "a a a a a"), 1);
}

TEST(RepetitionVerifierTest, PunishesLoopsInLinearTime) {
  std::string loop;
  for (int i = 0; i < 100000; ++i) loop += "I said so. ";
  EXPECT_LT(Scored("", loop), 0.001);
  EXPECT_LT(Scored("n: 1000", loop), 0.001);
  EXPECT_EQ(Scored("", std::string(1 << 20, ' ')), 1);
  EXPECT_EQ(Scored("", std::string(1 << 20, 'a')), 1);
  EXPECT_LT(Scored("n: 1", std::string_view("\0 \0 \0", 5)), 1);
  EXPECT_LT(Scored("n: 1", "\xff \xff \xff"), 1);
}

TEST(RepetitionVerifierTest, RefusesSettingsThatMeanNothing) {
  EXPECT_THAT(Judged("n: 0", "").status().message(), HasSubstr("repetition.n: found 0"));
  EXPECT_THAT(Judged("n: 1001", "").status().message(), HasSubstr("repetition.n"));
  EXPECT_THAT(Judged("free_share: 1", "").status().message(), HasSubstr("free_share"));
  EXPECT_THAT(Judged("free_share: nan", "").status().message(), HasSubstr("free_share"));
}

}  // namespace
}  // namespace temper::reward
