// Exactly one named option is a choice; words that look like letters are none, and nothing is
// guessed.
#include "reward/text/choice_verifier.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

constexpr char kCapitals[] = R"({"options": ["Berlin", "Madrid", "Paris", "Rome"]})";
constexpr char kGerms[] =
    R"({"choices": {"A": "S. aureus", "B": "mice", "C": "yeast", "D": "flies", "E": "E. coli"}})";

absl::StatusOr<Judgement> Judged(std::string_view response, std::string_view gold,
                                 std::string_view metadata, const std::string& letters = "",
                                 const std::string& extract = "") {
  temper::v1::ChoiceOptions options;
  options.set_letters(letters);
  const auto verifier = ChoiceVerifier::Create(options, extract, "");
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge({.text = response, .gold = gold, .metadata = metadata});
}

// The letter that is chosen, found by trying every gold one; "-" for none.
std::string Chosen(std::string_view response, std::string_view metadata = kCapitals,
                   const std::string& letters = "") {
  const std::string golds = letters.empty() ? (metadata == kGerms ? "ABCDE" : "ABCD") : letters;
  std::string chosen;
  for (const char gold : golds) {
    const auto judgement = Judged(response, std::string(1, gold), metadata, letters);
    EXPECT_TRUE(judgement.ok()) << judgement.status();
    if (judgement.ok() && judgement->score == 1) chosen += gold;
  }
  return chosen.empty() ? "-" : chosen;
}

TEST(ChoiceVerifierTest, ReadsLettersWhereAnswersStand) {
  for (const char* response : {"C",
                               "(C)",
                               "C.",
                               "C)",
                               "**C**",
                               "\\boxed{C}",
                               "\\boxed{\\text{C}}",
                               "$\\boxed{(C)}$",
                               "The answer is C.",
                               "The answer is (C)",
                               "the correct answer is **C**",
                               "Answer: C",
                               "**Answer:** C",
                               "**Answer: C**",
                               "Answer: (C) Paris",
                               "The answer is C because it is.",
                               "I thought A at first.\n\n#### C",
                               "Final answer:\n\nC",
                               "The answer is option C",
                               "Both look fine.\n**C) Paris**",
                               "The correct option is: C",
                               "\\boxed{C. Paris}",
                               "\\boxed{\\textbf{(C)}}",
                               "<think>A or B?</think>C",
                               "So, A is wrong.\nC. Paris",
                               "The answer is A. No, wait: the answer is C.",
                               "The final answer is $\\boxed{C}$.",
                               "The answer is: C",
                               "\\boxed{\\mathrm{C}}",
                               "I choose C",
                               "C: Paris"}) {
    EXPECT_EQ(Chosen(response), "C") << response;
  }
  EXPECT_EQ(Chosen("The answer is A because it is."), "A");
  EXPECT_EQ(Chosen("\\boxed{A}, no: \\boxed{B}, no: so the last is \\boxed{D}"), "D");
}

TEST(ChoiceVerifierTest, ReadsLettersOfOtherAlphabets) {
  EXPECT_EQ(Chosen("\\boxed{Ｃ}"), "C");
  EXPECT_EQ(Chosen("Answer: （Ｃ）"), "C");
  EXPECT_EQ(Chosen("\\boxed{ج}"), "C");
  EXPECT_EQ(Chosen("Answer: গ"), "C");
  EXPECT_EQ(Chosen("Ⓒ"), "C");
}

TEST(ChoiceVerifierTest, TakesTheTextOfExactlyOneOption) {
  EXPECT_EQ(Chosen("\\boxed{Paris}"), "C");
  EXPECT_EQ(Chosen("The answer is paris."), "C");
  EXPECT_EQ(Chosen("Paris"), "C");
  EXPECT_EQ(Chosen("Paris or Rome"), "-");
  EXPECT_EQ(Chosen("\\boxed{x}", R"({"options": ["x", "x", "y", "z"]})"), "-");
  EXPECT_EQ(Chosen("\\boxed{y}", R"({"options": ["A) x", "B) y", "C) z", "D) w"]})"), "B");
}

TEST(ChoiceVerifierTest, ChoosesNothingWhereSeveralAreOffered) {
  for (const char* response :
       {"A or B", "C or D", "\\boxed{C or D}", "The answer is C or D", "\\boxed{C, D}",
        "The answer is C/D", "The answer is both C and D", "The answer is either C or D",
        "The answer is not C", "\\boxed{C} or \\boxed{D}", "Answer: C and D", "\\boxed{(C) or (D)}",
        "**C** or **D**", "The answer is C, or D", "Answer: (C), (D)", "\\boxed{A, B, C, D}"}) {
    EXPECT_EQ(Chosen(response), "-") << response;
  }
}

TEST(ChoiceVerifierTest, TakesNoWordForALetter) {
  EXPECT_EQ(Chosen("The answer is E. coli", kGerms), "E") << "the text of an option";
  EXPECT_EQ(Chosen("The answer is E. coli bacteria", R"({"choices": ["a", "b", "c", "d", "e"]})",
                   "ABCDE"),
            "-");
  EXPECT_EQ(Chosen("The answer is E. coli", "", "ABCDE"), "-");
  const std::string ten = "ABCDEFGHIJ";
  EXPECT_EQ(Chosen("I cannot answer that.", "", ten), "-");
  EXPECT_EQ(Chosen("I'm sorry, but I can't help with that.", "", ten), "-");
  EXPECT_EQ(Chosen("The answer is I do not know", "", ten), "-");
  EXPECT_EQ(Chosen("The answer is I", "", ten), "I");
  EXPECT_EQ(Chosen("A refusal is all I have", "", ten), "-");
  EXPECT_EQ(Chosen("The answer is A large number"), "-");
  EXPECT_EQ(Chosen("Canada"), "-");
  EXPECT_EQ(Chosen("The answer is clear."), "-");
  EXPECT_EQ(Chosen("\\boxed{42}"), "-");
  EXPECT_EQ(Chosen("\\boxed{C"), "-");
  EXPECT_EQ(Chosen("The answer is C. \\boxed{"), "-");
  EXPECT_EQ(Chosen("\\boxed{H}"), "-");
  EXPECT_EQ(Chosen("<think>The answer is C"), "-");
  EXPECT_EQ(Chosen(""), "-");
  EXPECT_EQ(Chosen("A, B, C and D are the options. Let me see"), "-");
}

TEST(ChoiceVerifierTest, TakesTheGoldAsALetterOrAText) {
  EXPECT_EQ(Judged("C", "Paris", kCapitals)->score, 1);
  EXPECT_EQ(Judged("C", "C", kCapitals)->score, 1);
  EXPECT_EQ(Judged("C", "(C)", "")->score, 1);
  EXPECT_EQ(Judged("B", "Paris", kCapitals)->score, 0);
  EXPECT_EQ(Judged("C", "London", kCapitals).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Judged("C", "", kCapitals).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Judged("C", "H", kCapitals).status().message(), HasSubstr("ABCD"));
}

TEST(ChoiceVerifierTest, ReadsOnlyWhereTheSpecSays) {
  EXPECT_EQ(Judged("The answer is C", "C", kCapitals, "", "boxed")->score, 0);
  EXPECT_EQ(Judged("\\boxed{C}", "C", kCapitals, "", "boxed")->score, 1);
}

TEST(ChoiceVerifierTest, RefusesWrongSettingsAndOptions) {
  EXPECT_THAT(Judged("", "A", "", "ABA").status().message(), HasSubstr("choice.letters"));
  EXPECT_THAT(Judged("", "A", "", "abc").status().message(), HasSubstr("choice.letters"));
  EXPECT_THAT(Judged("", "A", R"({"options": [1, 2]})").status().message(),
              HasSubstr("metadata.options[0]: found \"1\", expected a string"));
  EXPECT_THAT(Judged("", "A", R"({"options": []})").status().message(), HasSubstr("0 options"));
  EXPECT_THAT(Judged("", "A", R"({"options": {"x": "y"}})").status().message(),
              HasSubstr("metadata.options"));
  EXPECT_FALSE(Judged("", "A", "[1]").ok());
  EXPECT_FALSE(Judged("", "A", "{").ok());
}

TEST(ChoiceVerifierTest, PaysNothingForHostileResponses) {
  const std::vector<std::string> hostile = {std::string(1 << 20, ' '),
                                            std::string(100000, 'C'),
                                            std::string(100000, '*'),
                                            std::string("C\0", 2) + "x",
                                            "\xff\xfe",
                                            "\\boxed{" + std::string(100000, '{') + "C",
                                            std::string(50000, 'A') + " answer is",
                                            [] {
                                              std::string many;
                                              for (int i = 0; i < 20000; ++i) many += "answer is ";
                                              return many;
                                            }()};
  for (const std::string& response : hostile) {
    const auto judgement = Judged(response, "C", kCapitals);
    ASSERT_TRUE(judgement.ok());
    EXPECT_EQ(judgement->score, 0) << response.substr(0, 40);
    for (const char c : judgement->reason) EXPECT_TRUE(c >= ' ' && c <= '~');
  }
}

}  // namespace
}  // namespace temper::reward
