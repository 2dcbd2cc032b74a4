// Citations name passages that were given, and quotations stand in what they cite.
#include "reward/text/citation_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

constexpr char kNumbered[] =
    R"({"passages": ["The sky is blue.", "Grass is green\nand soft.", "Coal is black."]})";
constexpr char kNamed[] =
    R"({"documents": [{"id": "doc1", "text": "Blue sky"}, {"id": "doc2", "text": "Green grass"}]})";

absl::StatusOr<Judgement> Judged(const std::string& settings, std::string_view text,
                                 std::string_view metadata = kNumbered) {
  temper::v1::CitationOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = CitationVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge({.text = text, .metadata = metadata});
}

double Scored(const std::string& settings, std::string_view text,
              std::string_view metadata = kNumbered) {
  const auto judgement = Judged(settings, text, metadata);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return judgement.ok() ? judgement->score : -1;
}

TEST(CitationVerifierTest, WantsGivenPassagesCited) {
  EXPECT_EQ(Scored("", "It is blue [1]."), 1);
  EXPECT_EQ(Scored("", "Blue [1] and green [2, 3]."), 1);
  EXPECT_EQ(Scored("", "It is blue."), 0);
  EXPECT_EQ(Scored("min: 2", "Blue [1][1]."), 0);
  EXPECT_EQ(Scored("min: 2", "Blue [1][2]."), 1);
  EXPECT_EQ(Scored("min: 0", "Blue."), 1);
  EXPECT_EQ(Scored("", "<think>[1]</think>Blue."), 0);
}

TEST(CitationVerifierTest, RefusesPassagesThatWereNotGiven) {
  EXPECT_EQ(Scored("", "Blue [1], old [4]."), 0);
  EXPECT_EQ(Scored("", "Blue [1, 17]."), 0);
  EXPECT_THAT(Judged("", "Blue [4].")->reason, HasSubstr("\"4\"] was not given"));
  EXPECT_EQ(Scored("", "Blue [doc1], old [doc7].", kNamed), 0);
  EXPECT_EQ(Scored("", "Blue [doc1], [sic] [see below] a[i] [1].", kNamed), 1);
}

TEST(CitationVerifierTest, LooksQuotationsUp) {
  EXPECT_EQ(Scored("", "It says \"grass is  green and SOFT\" [2]."), 1);
  EXPECT_EQ(Scored("", "It says “the sky is blue.” [1]"), 1);
  EXPECT_EQ(Scored("", "It says \"grass is red\" [2]."), 0);
  EXPECT_EQ(Scored("", "It says \"the sky is blue\" [2]."), 0);
  EXPECT_EQ(Scored("", "It says \"the sky is blue\" [2][1]."), 1);
  EXPECT_EQ(Scored("check_quotes: false", "It says \"grass is red\" [2]."), 1);
  EXPECT_EQ(Scored("require_quote: true", "Blue [1]."), 0);
  EXPECT_EQ(Scored("require_quote: true", "\"blue\" [1]."), 1);
  EXPECT_EQ(Scored("require_quote: true", "\"\" [1]."), 0);
}

TEST(CitationVerifierTest, ReadsPassagesInTheirThreeForms) {
  EXPECT_EQ(Scored("", "x [a-1]", R"({"passages": {"a-1": "x", "b-2": "y"}})"), 1);
  EXPECT_EQ(Scored("", "x [7]", R"({"passages": [{"id": 7, "text": "x"}]})"), 1);
  EXPECT_EQ(Scored("", "x [2]", R"({"passages": [{"text": "x"}, {"text": "y"}]})"), 1);
}

TEST(CitationVerifierTest, RefusesWrongPassages) {
  const auto refusal = [](std::string_view metadata) {
    const auto judgement = Judged("", "x", metadata);
    EXPECT_EQ(judgement.status().code(), absl::StatusCode::kInvalidArgument) << metadata;
    return std::string(judgement.status().message());
  };
  EXPECT_THAT(refusal(""), HasSubstr("passages"));
  EXPECT_THAT(refusal(R"({"passages": []})"), HasSubstr("metadata.passages"));
  EXPECT_THAT(refusal(R"({"passages": [5]})"), HasSubstr("metadata.passages[0]"));
  EXPECT_THAT(refusal(R"({"passages": [{"id": "a"}]})"), HasSubstr("\"text\""));
  EXPECT_THAT(refusal(R"({"passages": [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]})"),
              HasSubstr("no other passage"));
  EXPECT_THAT(refusal(R"({"passages": {"a]b": "x"}})"), HasSubstr("in brackets"));
  EXPECT_THAT(Judged("min: -1", "").status().message(), HasSubstr("citation.min"));
  EXPECT_THAT(Judged("check_quotes: false require_quote: true", "").status().message(),
              HasSubstr("require_quote"));
}

TEST(CitationVerifierTest, StaysBoundedOnHostileResponses) {
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "\"blue\" [1]";
  EXPECT_EQ(Scored("", many), 1);
  EXPECT_EQ(Scored("", std::string(1 << 20, '[')), 0);
  EXPECT_EQ(Scored("", std::string(1 << 20, ' ')), 0);
  EXPECT_EQ(Scored("", std::string("[1\0]", 4)), 0);
  EXPECT_EQ(Scored("", "[\xff]"), 0);
  std::string passage(100000, 'a');
  const std::string metadata = R"({"passages": [")" + passage + R"("]})";
  std::string quotes;
  for (int i = 0; i < 20000; ++i) quotes += "\"aaaaaaa\" [1]";
  EXPECT_EQ(Judged("", quotes, metadata)->verdict, kUndecided);
}

}  // namespace
}  // namespace temper::reward
