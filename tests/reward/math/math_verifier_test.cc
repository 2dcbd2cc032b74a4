// From a response to a judgement: which answer counts, what settings do, what hostile text cannot.
#include "reward/math/math_verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "reward/registry.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

using ::testing::HasSubstr;

Judgement Judge(const std::string& gold, const std::string& response,
                const temper::v1::RubricPart& settings = {}) {
  temper::v1::RubricPart part = settings;
  part.set_verifier("math");
  auto verifier = MakeVerifier(part);
  EXPECT_TRUE(verifier.ok()) << verifier.status();
  auto judgement = (*verifier)->Judge({.text = response, .gold = gold});
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return *judgement;
}

std::string Verdict(const std::string& gold, const std::string& response) {
  return Judge(gold, response).verdict;
}

TEST(MathVerifierTest, JudgesTheLastBoxOutsideThinking) {
  EXPECT_EQ(Verdict("1/2", "<think>\\boxed{3}</think>So \\boxed{\\frac{1}{2}}."), kEqual);
  EXPECT_EQ(Verdict("5", "<think>\\boxed{5}</think>So \\boxed{6}"), kNotEqual);
  EXPECT_EQ(Verdict("5", "<think>it must be \\boxed{5}"), kNotEqual);
  EXPECT_EQ(Verdict("5", "first \\boxed{4}. No: it is \\boxed{5}."), kEqual);
  EXPECT_EQ(Verdict("5", "\\boxed{5"), kNotEqual);
  EXPECT_EQ(Verdict("5", "it is 5"), kNotEqual);
}

TEST(MathVerifierTest, TakesBoxesOfferedTogetherAsOneList) {
  EXPECT_EQ(Verdict("5", "\\boxed{5} or \\boxed{6}"), kNotEqual);
  EXPECT_EQ(Verdict("6", "\\boxed{5} or \\boxed{6}"), kNotEqual);
  EXPECT_EQ(Verdict("\\{5, 6\\}", "\\boxed{6} and \\boxed{5}"), kEqual);
}

TEST(MathVerifierTest, PaysNothingForHedgesAndEmptiness) {
  for (const char* response : {"\\boxed{5\\text{ or }6}", "\\boxed{5, 6}", "\\boxed{}", ":", ".",
                               "Thought process:", "\\boxed{\\text{the answer}}"}) {
    const Judgement judgement = Judge("5", response);
    EXPECT_EQ(judgement.score, 0) << response;
    EXPECT_EQ(judgement.verdict, kNotEqual) << response;
  }
}

TEST(MathVerifierTest, EvaluatesNothing) {
  EXPECT_EQ(Verdict("\\pi", "\\boxed{\\pi and __import__('os').getpid()}"), kNotEqual);
  EXPECT_EQ(Verdict("5", "\\boxed{eval(\"2+3\")}"), kNotEqual);
}

TEST(MathVerifierTest, EndsTowersOfPowersWithoutComputingThem) {
  const std::string tower = "5^{5^{5^{5^{5^{5}}}}}";
  EXPECT_NE(Verdict("2^{10}", "\\boxed{" + tower + "}"), kEqual);
  EXPECT_NE(Verdict(tower, "\\boxed{2^{10}}"), kEqual);
  EXPECT_NE(Verdict("7", "\\boxed{9999999999!}"), kEqual);
  EXPECT_NE(Verdict("7", "\\boxed{10^{10^{10}}}"), kEqual);
  EXPECT_NE(Verdict("7", "\\boxed{(x+y+z)^{200}(a+b+c)^{200}}"), kEqual);
  EXPECT_NE(Verdict("7", "\\boxed{" + std::string(5000, '(') + "7}"), kEqual);
  EXPECT_NE(Verdict("7", "\\boxed{" + std::string(20000, '7') + "}"), kEqual);
}

TEST(MathVerifierTest, SaysTheSameAgain) {
  const Judgement first = Judge("\\sin^2 x + \\cos^2 x", "\\boxed{1}");
  for (int i = 0; i < 20; ++i) {
    const Judgement again = Judge("\\sin^2 x + \\cos^2 x", "\\boxed{1}");
    EXPECT_EQ(again.verdict, first.verdict);
    EXPECT_EQ(again.reason, first.reason);
    EXPECT_EQ(again.details, first.details);
  }
}

TEST(MathVerifierTest, TellsProofFromOverwhelmingProbability) {
  EXPECT_THAT(Judge("(x+1)^2", "\\boxed{x^2+2x+1}").details, HasSubstr("\"proven\":true"));
  EXPECT_THAT(Judge("\\cos 2x", "\\boxed{1-2\\sin^2 x}").details, Not(HasSubstr("proven")));
  EXPECT_THAT(Judge("\\cos 2x", "\\boxed{1-2\\sin^2 x}").reason, HasSubstr("probability"));
  EXPECT_THAT(Judge("\\cos 2x", "\\boxed{1-3\\sin^2 x}").details, HasSubstr("\"proven\":true"));
  EXPECT_THAT(Judge("1+\\sqrt{2}", "\\boxed{\\sqrt{3+2\\sqrt{2}}}").reason,
              HasSubstr("separation bound"));
  EXPECT_EQ(Judge("\\sqrt2+\\sqrt3", "\\boxed{\\sqrt{5+2\\sqrt6}+10^{-300}}").verdict, kNotEqual);
}

TEST(MathVerifierTest, SaysWhatItCannotDecide) {
  const Judgement unread = Judge("\\int_0^1 f(x) dx", "\\boxed{7}");
  EXPECT_EQ(unread.verdict, kUndecided);
  EXPECT_EQ(unread.score, 0);
  EXPECT_EQ(Verdict("\\int_0^1 f(x) dx", "\\boxed{\\int_0^1 f(x) dx}"), kEqual);
  EXPECT_EQ(Verdict("1/0", "\\boxed{7}"), kUndecided);
}

TEST(MathVerifierTest, KeepsPercentPolicies) {
  temper::v1::RubricPart part;
  const auto verdict = [&part](const char* gold, const char* answer) {
    return Judge(gold, std::string("\\boxed{") + answer + "}", part).verdict;
  };
  EXPECT_EQ(verdict("28\\%", "28"), kEqual);
  EXPECT_EQ(verdict("28\\%", "0.28"), kEqual);
  EXPECT_EQ(verdict("0.28", "28"), kNotEqual);
  part.mutable_math()->set_percent("fraction");
  EXPECT_EQ(verdict("28\\%", "28"), kNotEqual);
  EXPECT_EQ(verdict("28\\%", "0.28"), kEqual);
  part.mutable_math()->set_percent("strict");
  EXPECT_EQ(verdict("28\\%", "0.28"), kNotEqual);
  EXPECT_EQ(verdict("28\\%", "28\\%"), kEqual);
}

TEST(MathVerifierTest, KeepsUnitPolicies) {
  temper::v1::RubricPart part;
  const auto verdict = [&part](const char* gold, const char* answer) {
    return Judge(gold, std::string("\\boxed{") + answer + "}", part).verdict;
  };
  EXPECT_EQ(verdict("5\\text{ cm}", "5"), kEqual);
  EXPECT_EQ(verdict("5\\text{ cm}", "5\\text{ m}"), kNotEqual);
  EXPECT_EQ(verdict("1\\text{ m}", "100\\text{ cm}"), kEqual);
  part.mutable_math()->set_units("required");
  EXPECT_EQ(verdict("5\\text{ cm}", "5"), kNotEqual);
  EXPECT_EQ(verdict("5\\text{ cm}", "50\\text{ mm}"), kEqual);
  part.mutable_math()->set_units("ignored");
  EXPECT_EQ(verdict("5\\text{ cm}", "5\\text{ m}"), kEqual);
}

TEST(MathVerifierTest, KeepsDecimalCommaPolicies) {
  temper::v1::RubricPart part;
  const auto verdict = [&part](const char* gold, const char* answer) {
    return Judge(gold, std::string("\\boxed{") + answer + "}", part).verdict;
  };
  EXPECT_EQ(verdict("1.5", "1,5"), kEqual);
  EXPECT_EQ(verdict("1, 5", "1,5"), kEqual);
  part.mutable_math()->set_decimal_comma("never");
  EXPECT_EQ(verdict("1.5", "1,5"), kNotEqual);
  part.mutable_math()->set_decimal_comma("always");
  EXPECT_EQ(verdict("3/2", "1,5"), kEqual);
  EXPECT_EQ(verdict("1234,5", "1.234,5"), kEqual);
}

TEST(MathVerifierTest, KeepsTolerance) {
  temper::v1::RubricPart part;
  const auto verdict = [&part](const char* gold, const char* answer) {
    return Judge(gold, std::string("\\boxed{") + answer + "}", part).verdict;
  };
  EXPECT_EQ(verdict("1.618", "\\frac{1+\\sqrt5}{2}"), kEqual);
  EXPECT_EQ(verdict("\\frac{1+\\sqrt5}{2}", "1.618"), kNotEqual);
  EXPECT_EQ(verdict("3.14", "\\pi"), kNotEqual);
  EXPECT_EQ(verdict("0.125", "0.12"), kNotEqual);
  part.mutable_math()->set_gold_places_min(2);
  EXPECT_EQ(verdict("3.14", "\\pi"), kEqual);
  part.mutable_math()->set_gold_places_min(-1);
  EXPECT_EQ(verdict("1.618", "\\frac{1+\\sqrt5}{2}"), kNotEqual);
  part.mutable_math()->set_relative_tolerance(0.01);
  EXPECT_EQ(verdict("100", "100.9"), kEqual);
  EXPECT_EQ(verdict("100", "101.1"), kNotEqual);
}

TEST(MathVerifierTest, KeepsOrderPolicies) {
  temper::v1::RubricPart part;
  const auto verdict = [&part](const char* gold, const char* answer) {
    return Judge(gold, std::string("\\boxed{") + answer + "}", part).verdict;
  };
  EXPECT_EQ(verdict("1, 2", "2, 1"), kEqual);
  EXPECT_EQ(verdict("(1, 2)", "\\{1, 2\\}"), kNotEqual);
  EXPECT_EQ(verdict("(1, 2)", "1 < x < 2"), kNotEqual);
  part.mutable_math()->set_ordered_lists(true);
  EXPECT_EQ(verdict("1, 2", "2, 1"), kNotEqual);
  EXPECT_EQ(verdict("\\{1, 2\\}", "\\{2, 1\\}"), kEqual);
  part.mutable_math()->set_tuples_as_sets(true);
  EXPECT_EQ(verdict("(1, 2)", "\\{1, 2\\}"), kEqual);
  EXPECT_EQ(verdict("(1, 2)", "(2, 1)"), kEqual);
  part.mutable_math()->set_relation_for_set(true);
  EXPECT_EQ(verdict("(1, 2)", "1 < x < 2"), kEqual);
}

TEST(MathVerifierTest, RefusesWordsItDoesNotKnow) {
  temper::v1::RubricPart part;
  part.set_verifier("math");
  part.mutable_math()->set_percent("often");
  EXPECT_THAT(MakeVerifier(part).status().message(), HasSubstr("math.percent: found \"often\""));
  part.mutable_math()->set_percent("");
  part.mutable_math()->set_relative_tolerance(-1);
  EXPECT_THAT(MakeVerifier(part).status().message(), HasSubstr("math.relative_tolerance"));
  part.mutable_math()->set_relative_tolerance(0);
  part.set_pattern("x");
  EXPECT_THAT(MakeVerifier(part).status().message(), HasSubstr("pattern"));
}

TEST(MathVerifierTest, NeedsAGold) {
  temper::v1::RubricPart part;
  part.set_verifier("math");
  EXPECT_THAT((*MakeVerifier(part))->Judge({.text = "\\boxed{1}"}).status().message(),
              HasSubstr("needs a gold answer"));
}

}  // namespace
}  // namespace temper::reward
