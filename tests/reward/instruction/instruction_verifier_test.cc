// Every instruction is made from published arguments, judged strictly or loosely, and cannot be
// hung. That verdicts are the published ones: instruction_golden_test.
#include "reward/instruction/instruction_verifier.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reward/instruction/instruction.h"
#include "reward/text/code_points.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<Judgement> Judged(const std::string& settings, std::string_view text,
                                 const std::string& metadata) {
  temper::v1::InstructionOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = InstructionVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge({.text = text, .metadata = metadata});
}

double Scored(const std::string& settings, std::string_view text, const std::string& metadata) {
  const auto judgement = Judged(settings, text, metadata);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return judgement.ok() ? judgement->score : -1;
}

std::string One(const std::string& id, const json& kwargs = json::object()) {
  return json{{"instruction_id_list", {id}}, {"kwargs", {kwargs}}}.dump();
}

constexpr char kTwo[] = R"({"instruction_id_list": ["punctuation:no_comma", "keywords:existence"],
                            "kwargs": [{"keywords": null}, {"keywords": ["sky"]}]})";

TEST(InstructionVerifierTest, PaysForAllOrByShare) {
  EXPECT_EQ(Scored("", "The sky is blue.", kTwo), 1);
  EXPECT_EQ(Scored("", "The sky, is blue.", kTwo), 0);
  EXPECT_EQ(Scored("fraction: true", "The sky, is blue.", kTwo), 0.5);
  const auto judgement = Judged("", "The sky, is blue.", kTwo);
  EXPECT_EQ(judgement->details, R"({"followed":[false,true],"mode":"strict"})");
  EXPECT_EQ(judgement->reason, "1 of 2 instructions followed; not punctuation:no_comma");
}

TEST(InstructionVerifierTest, TakesAnEmptyResponseForNone) {
  EXPECT_EQ(Scored("fraction: true", "", kTwo), 0);
  EXPECT_EQ(Scored("fraction: true", " \n\t", One("punctuation:no_comma")), 0);
  EXPECT_EQ(Scored("mode: 'loose'", "***", One("punctuation:no_comma")), 1);
  EXPECT_EQ(Scored("", "<think>ok</think>", One("punctuation:no_comma")), 0);
  EXPECT_EQ(Scored("", "<think>a, b</think>ok", One("punctuation:no_comma")), 1);
}

TEST(InstructionVerifierTest, ReadsLooselyInEightWays) {
  EXPECT_EQ(Readings(U"*a*\nb\nc", true).size(), 8);
  EXPECT_EQ(Readings(U"a", true).size(), 2);
  EXPECT_EQ(Readings(U"a", false).size(), 1);
  const std::string metadata = One("startend:quotation");
  EXPECT_EQ(Scored("", "Sure:\n\"Hi.\"", metadata), 0);
  EXPECT_EQ(Scored("mode: 'loose'", "Sure:\n\"Hi.\"", metadata), 1);
  EXPECT_EQ(Scored("mode: 'loose'", "Sure:\n**\"Hi.\"**\nBye", metadata), 1);
  EXPECT_EQ(Scored("mode: 'loose'", "Sure: \"Hi.\"", metadata), 0);
}

TEST(InstructionVerifierTest, NamesWhatIsWrongWithAProblem) {
  const auto refusal = [](const std::string& metadata) {
    const auto judgement = Judged("", "x", metadata);
    EXPECT_EQ(judgement.status().code(), absl::StatusCode::kInvalidArgument) << metadata;
    return std::string(judgement.status().message());
  };
  EXPECT_THAT(refusal(""), HasSubstr("metadata.instruction_id_list"));
  EXPECT_THAT(refusal(R"({"instruction_id_list": []})"), HasSubstr("instruction_id_list"));
  EXPECT_THAT(refusal(R"({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []})"),
              HasSubstr("metadata.kwargs"));
  EXPECT_THAT(refusal(One("punctuation:no_coma")),
              HasSubstr("did you mean \"punctuation:no_comma\""));
  EXPECT_THAT(refusal(One("punctuation:no_comma", {{"x", 1}})), HasSubstr("does not read \"x\""));
  EXPECT_THAT(refusal(One("length_constraints:number_words", {{"num_words", 5}})),
              HasSubstr("metadata.kwargs[0].relation: found \"nothing\""));
  EXPECT_THAT(refusal(One("length_constraints:number_words",
                          {{"num_words", -5}, {"relation", "at least"}})),
              HasSubstr("kwargs[0].num_words: found \"-5\""));
  EXPECT_THAT(refusal(One("keywords:existence", {{"keywords", {"(("}}})), HasSubstr("RE2"));
  EXPECT_THAT(refusal(One("language:response_language", {{"language", "xx"}})),
              HasSubstr("kwargs[0].language"));
  EXPECT_THAT(refusal(One("words:start_verb")), HasSubstr("not supported"));
  EXPECT_THAT(Judged("mode: 'x'", "", "").status().message(), HasSubstr("instruction.mode"));
}

TEST(InstructionVerifierTest, KnowsTheInstructionsOfBothBenchmarks) {
  const std::vector<std::string>& ids = InstructionIds();
  EXPECT_EQ(ids.size(), 25 + 58);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
}

TEST(InstructionVerifierTest, TellsLanguagesWithoutChance) {
  const std::string english = One("change_case:english_capital");
  EXPECT_EQ(Scored("", "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG.", english), 1);
  EXPECT_EQ(Scored("", "DER SCHNELLE BRAUNE FUCHS SPRINGT ÜBER DEN FAULEN HUND.", english), 0);
  EXPECT_EQ(Scored("", "The quick brown fox jumps over the lazy dog.", english), 0);
  const std::string lower = One("change_case:english_lowercase");
  EXPECT_EQ(Scored("", "the quick brown fox jumps over the lazy dog.", lower), 1);
  const auto language = [](const char* code) {
    return One("language:response_language", {{"language", code}});
  };
  EXPECT_EQ(Scored("", "यह एक छोटा सा वाक्य है और मैं इसे हिंदी में लिख रहा हूँ।", language("hi")), 1);
  EXPECT_EQ(Scored("", "The quick brown fox jumps over the lazy dog.", language("hi")), 0);
  EXPECT_EQ(Scored("", "ఇది తెలుగులో ఒక చిన్న వాక్యం.", language("te")), 1);
  EXPECT_EQ(Scored("", "12345", language("hi")), 1) << "nothing to tell a language by";
}

// Arguments that every instruction takes.
json UsualArguments(const std::string& id) {
  static const json& all = *new json{{"keywords", {"sky"}},
                                     {"keyword", "sky"},
                                     {"frequency", 2},
                                     {"relation", "at least"},
                                     {"forbidden_words", {"sea"}},
                                     {"letter", "a"},
                                     {"let_frequency", 3},
                                     {"let_relation", "less than"},
                                     {"language", "en"},
                                     {"num_sentences", 3},
                                     {"num_paragraphs", 2},
                                     {"num_words", 10},
                                     {"nth_paragraph", 1},
                                     {"first_word", "the"},
                                     {"num_placeholders", 1},
                                     {"postscript_marker", "P.S."},
                                     {"num_bullets", 2},
                                     {"num_highlights", 1},
                                     {"section_spliter", "Section"},
                                     {"num_sections", 2},
                                     {"prompt_to_repeat", "Say a b c"},
                                     {"end_phrase", "the end"},
                                     {"capital_frequency", 1},
                                     {"capital_relation", "at least"},
                                     {"min_words", 1},
                                     {"max_words", 9},
                                     {"N", 2},
                                     {"percentage", 20},
                                     {"small_n", 2},
                                     {"reference_text", "a b c d"},
                                     {"options", "yes/no"},
                                     {"word", "sky"},
                                     {"sep", "-"},
                                     {"keyword1", "a"},
                                     {"keyword2", "b"},
                                     {"keyword3", "c"},
                                     {"keyword4", "d"},
                                     {"keyword5", "e"},
                                     {"n", 1},
                                     {"m", 2},
                                     {"n_start", 1},
                                     {"n_end", 2}};
  json arguments = json::object();
  for (int tries = 0; tries < 10; ++tries) {
    const auto made = MakeInstruction(id, arguments, "kwargs");
    if (made.ok()) return arguments;
    const std::string message(made.status().message());
    if (message.rfind("kwargs.", 0) != 0) break;
    const std::string key = message.substr(7, message.find(':') - 7);
    EXPECT_TRUE(all.contains(key)) << message;
    if (!all.contains(key)) break;
    arguments[key] = all[key];
  }
  return arguments;
}

TEST(InstructionVerifierTest, NoInstructionCanBeHung) {
  std::vector<std::string> hostile = {std::string(1 << 20, ' '), std::string(100000, '\0'),
                                      std::string(100000, '\xff'), std::string(100000, '{')};
  for (const char* piece :
       {"\n",       " \n",       "*",   "**",   "* a\n",  "***",        "<<",         ">>",
        "\"",       "'",         "[",   "(",    ")",      ". ",         "a. ",        "? ",
        "sky ",     "Section 1", "p. ", "a,",   "\",",    "Question 1", "Zimbabwe\n", "1",
        "- ",       "/",         "A",   "日本", "😀. ",    "<i>",        "</i>",       "<think>",
        "</think>", "``",        "\r",  "\t",   "- a\n\n"}) {
    std::string text;
    while (text.size() < 100000) text += piece;
    hostile.push_back(text.substr(0, 5000));
    hostile.push_back(std::move(text));
  }
  int made = 0;
  for (const std::string& id : InstructionIds()) {
    if (id == "words:start_verb") continue;
    const std::string metadata = One(id, UsualArguments(id));
    ++made;
    for (const std::string& response : hostile) {
      const bool loose = response.size() < 10000;
      const auto judgement = Judged(loose ? "mode: 'loose'" : "", response, metadata);
      ASSERT_TRUE(judgement.ok()) << id << judgement.status();
      for (const char c : judgement->reason) ASSERT_TRUE(c >= ' ' && c <= '~') << id;
    }
  }
  EXPECT_EQ(made, 82);
}

}  // namespace
}  // namespace temper::reward
