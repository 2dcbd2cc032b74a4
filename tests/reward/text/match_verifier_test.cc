// Exact means exact, a number is a fraction, a pattern is RE2's.
#include "reward/text/match_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

absl::StatusOr<Judgement> Judged(const std::string& settings, const Response& response,
                                 const std::string& extract = "") {
  temper::v1::MatchOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = MatchVerifier::Create(options, extract, "");
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge(response);
}

double Scored(const std::string& settings, std::string_view gold, std::string_view text,
              const std::string& extract = "") {
  const auto judgement = Judged(settings, {.text = text, .gold = gold}, extract);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return judgement.ok() ? judgement->score : -1;
}

std::string Refusal(const std::string& settings, const Response& response = {}) {
  const auto judgement = Judged(settings, response);
  EXPECT_EQ(judgement.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(judgement.status().message());
}

TEST(MatchVerifierTest, ComparesTextByItsPolicies) {
  EXPECT_EQ(Scored("", "New York", " New\n York "), 1);
  EXPECT_EQ(Scored("", "New York", "new york"), 0);
  EXPECT_EQ(Scored("ignore_case: true", "NEW YÖRK", "new yörk"), 1);
  EXPECT_EQ(Scored("normalise_blanks: false", "a b", "a  b"), 0);
  EXPECT_EQ(Scored("normalise_blanks: false", "a b", "a b"), 1);
  EXPECT_EQ(Scored("", "a", "a b"), 0);
  EXPECT_EQ(Scored("", "b", "<think>a</think>b"), 1);
  EXPECT_EQ(Scored("", "b", "<think>b"), 0);
}

TEST(MatchVerifierTest, FindsTextInText) {
  EXPECT_EQ(Scored("mode: 'contains'", "is  blue", "The sky is\nblue."), 1);
  EXPECT_EQ(Scored("mode: 'contains'", "red", "The sky is blue."), 0);
}

TEST(MatchVerifierTest, ComparesNumbersExactlyOrWithinATolerance) {
  EXPECT_EQ(Scored("mode: 'numeric'", "1000", "1,000.0"), 1);
  EXPECT_EQ(Scored("mode: 'numeric'", "1/3", "0.333333"), 0);
  EXPECT_EQ(Scored("mode: 'numeric' tolerance: 0.001", "1/3", "0.333333"), 1);
  EXPECT_EQ(Scored("mode: 'numeric' tolerance: 0.5", "2", "2.5"), 1);
  EXPECT_EQ(Scored("mode: 'numeric' tolerance: 0.5", "2", "2.500000000000000000001"), 0);
  EXPECT_EQ(Scored("mode: 'numeric' relative_tolerance: 0.5", "-200", "-300"), 1);
  EXPECT_EQ(Scored("mode: 'numeric' relative_tolerance: 0.5", "-200", "-301"), 0);
  EXPECT_EQ(Scored("mode: 'numeric' tolerance: 1", "50%", "50"), 0);
  EXPECT_EQ(Scored("mode: 'numeric'", "5", "nan"), 0);
  EXPECT_EQ(Scored("mode: 'numeric'", "5", std::string(1 << 20, '5')), 0);
  EXPECT_EQ(Scored("mode: 'numeric' tolerance: 1e300", "5", "1e400"), 0);
}

TEST(MatchVerifierTest, RunsPatternsInLinearTime) {
  EXPECT_EQ(Scored("mode: 'regex'", "a+b", "aab"), 1);
  EXPECT_EQ(Scored("mode: 'regex'", "a+b", "xaab"), 0);
  EXPECT_EQ(Scored("mode: 'regex' partial: true", "a+b", "xaab"), 1);
  EXPECT_EQ(Scored("mode: 'regex' ignore_case: true", "a+B", "AAb"), 1);
  EXPECT_EQ(Scored("mode: 'regex'", "(a+)+b", std::string(1 << 20, 'a')), 0);
  const std::string huge = "(((x{50}){10})*y?)*z";
  const std::string text(8 << 20, 'x');
  EXPECT_EQ(Judged("mode: 'regex'", {.text = text, .gold = huge})->verdict, kUndecided);
}

TEST(MatchVerifierTest, TakesAnyOfTheGolds) {
  const Response response{.text = "b", .metadata = R"({"answers": ["a", "b"]})"};
  EXPECT_EQ(Judged("", response)->score, 1);
  EXPECT_EQ(Judged("", {.text = "c", .gold = "c", .metadata = R"({"answers": ["a"]})"})->score, 1);
  EXPECT_EQ(Judged("", {.text = "d", .gold = "c", .metadata = R"({"answers": ["a"]})"})->score, 0);
}

TEST(MatchVerifierTest, LooksWhereTheSpecSays) {
  EXPECT_EQ(Scored("", "Paris", "So \\boxed{Paris}", "boxed"), 1);
  EXPECT_EQ(Scored("", "Paris", "Paris", "boxed"), 0);
  EXPECT_EQ(Scored("mode: 'regex'", ".*", "Paris", "boxed"), 0);
}

TEST(MatchVerifierTest, RefusesWhatCannotBeCompared) {
  EXPECT_THAT(Refusal("mode: 'fuzzy'"), HasSubstr("match.mode: found \"fuzzy\""));
  EXPECT_THAT(Refusal("partial: true"), HasSubstr("match.partial"));
  EXPECT_THAT(Refusal("tolerance: 1"), HasSubstr("match.tolerance"));
  EXPECT_THAT(Refusal("mode: 'numeric' tolerance: -1"), HasSubstr("expected 0 or more"));
  EXPECT_THAT(Refusal("mode: 'numeric' tolerance: nan"), HasSubstr("match.tolerance"));
  EXPECT_THAT(Refusal("", {.text = "x"}), HasSubstr("answer: missing"));
  EXPECT_THAT(Refusal("", {.text = "x", .gold = " "}), HasSubstr("blanks"));
  EXPECT_THAT(Refusal("mode: 'numeric'", {.text = "1", .gold = "one"}), HasSubstr("a number"));
  EXPECT_THAT(Refusal("mode: 'regex'", {.text = "1", .gold = "("}), HasSubstr("RE2"));
  EXPECT_THAT(Refusal("", {.text = "x", .metadata = R"({"answers": "x"})"}),
              HasSubstr("metadata.answers: found"));
  EXPECT_THAT(Refusal("", {.text = "x", .metadata = R"({"answers": []})"}), HasSubstr("missing"));
}

TEST(MatchVerifierTest, QuotesNothingUnprintable) {
  const auto judgement = Judged("", {.text = "\x1b[2J\xff\0", .gold = "x"});
  for (const char c : judgement->reason) EXPECT_TRUE(c >= ' ' && c <= '~') << judgement->reason;
  EXPECT_EQ(Scored("", "x", std::string(1 << 20, ' ')), 0);
}

}  // namespace
}  // namespace temper::reward
