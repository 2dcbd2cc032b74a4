// Looks for the chosen letter where an answer may stand, the most explicit place first.
#include "reward/text/choice_verifier.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/text/metadata.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kUsualLetters = "ABCDEFGHIJ";
constexpr size_t kAlternativesMax = 64;  // phrases that are looked at, from the last one

std::string Lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lowered;
}

std::string_view LineAt(std::string_view text, size_t begin) {
  return text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
}

// The last phrase of the text that says an answer: "the answer is C", "Answer: C".
Choice AfterPhrase(std::string_view text, const Choices& choices) {
  constexpr std::array<std::string_view, 8> kPhrases = {"answer is", "answer:",   "option is",
                                                        "choice is", "answer**:", "answer:**",
                                                        "i choose",  "i pick"};
  const std::string lowered = Lower(text);
  std::vector<size_t> places;
  for (const std::string_view phrase : kPhrases) {
    size_t before = lowered.size();
    for (size_t i = 0; i < kAlternativesMax && before > 0; ++i) {
      const size_t at = lowered.rfind(phrase, before - 1);
      if (at == std::string::npos) break;
      places.push_back(at + phrase.size());
      before = at;
    }
  }
  std::sort(places.rbegin(), places.rend());
  for (const size_t place : places) {
    std::string_view said = LineAt(text, place);
    // "The answer is:" may be followed by the answer on a line of its own.
    if (said.find_first_not_of(" \t:*_") == std::string_view::npos) {
      const size_t next = text.find_first_not_of(" \t:*_\r\n", place);
      if (next == std::string_view::npos) continue;
      said = LineAt(text, next);
    }
    const Choice choice = ReadChoiceBeforeProse(said, choices);
    if (choice.kind != Choice::kNothing) return choice;
  }
  return {};
}

// "**C** or " and the like: what stands before is not the only offer.
bool OfferedBehindAnother(std::string_view before) {
  const size_t close = before.rfind("**");
  if (close == std::string_view::npos) return false;
  const std::string between = FoldedChoice(before.substr(close));
  return between == " or " || between == "or" || between == "and" || between == "/" ||
         between == " or" || between == " and";
}

// The last piece in bold that is a choice and nothing else.
Choice LastBold(std::string_view text, const Choices& choices) {
  size_t close = text.rfind("**");
  for (size_t i = 0; i < kAlternativesMax && close != std::string_view::npos && close >= 2; ++i) {
    const size_t open = text.rfind("**", close - 2);
    if (open == std::string_view::npos) break;
    const std::string_view inside = text.substr(open + 2, close - open - 2);
    if (inside.find('\n') == std::string_view::npos) {
      const Choice choice = ReadChoice(inside, choices);
      if (choice.kind != Choice::kNothing) {
        return OfferedBehindAnother(text.substr(0, open)) ? Choice{Choice::kAmbiguous, 0} : choice;
      }
    }
    close = open;
  }
  return {};
}

Choice LastLine(std::string_view text, const Choices& choices) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return {};
  const size_t begin = text.rfind('\n', end);
  return ReadChoice(text.substr(begin == text.npos ? 0 : begin + 1, end - (begin + 1) + 1),
                    choices);
}

// "A) Paris" is "Paris" behind A, when every option begins with its own letter.
void DropLabels(std::vector<std::string>& texts, const std::string& letters) {
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string& text = texts[i];
    if (text.size() < 2 || text[0] != letters[i] || (text[1] != ')' && text[1] != '.')) return;
  }
  for (std::string& text : texts) text = text.substr(2);
}

Judgement NotChosen(const char* reason) { return {std::string(kNotEqual), 0, reason}; }

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> ChoiceVerifier::Create(
    const temper::v1::ChoiceOptions& options, const std::string& extract,
    const std::string& marker) {
  auto verifier = std::unique_ptr<ChoiceVerifier>(new ChoiceVerifier);
  for (const char letter : options.letters()) {
    const bool again = verifier->letters_.find(letter) != std::string::npos;
    if (kAlphabet.find(letter) == std::string_view::npos || again) {
      return absl::InvalidArgumentError(
          absl::StrCat("choice.letters: found ", Quoted(options.letters()),
                       ", expected capital letters, each at most once, e.g. \"ABCD\""));
    }
    verifier->letters_ += letter;
  }
  if (options.has_option_text()) verifier->option_text_ = options.option_text();
  if (!extract.empty() && extract != "auto") {
    TEMPER_ASSIGN_OR_RETURN(verifier->extractor_, AnswerExtractor::Create(extract, marker));
  } else if (!marker.empty()) {
    return AnswerExtractor::Create(extract, marker).status();
  }
  return verifier;
}

absl::StatusOr<Choices> ChoiceVerifier::ReadChoices(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json metadata, ParseMetadata(response.metadata));
  Choices choices{.letters = letters_};
  const nlohmann::json* listed = FindKey(metadata, {"options", "choices"});
  if (listed == nullptr) {
    if (choices.letters.empty()) choices.letters = kUsualLetters;
    return choices;
  }
  const char* key = metadata.contains("options") ? "options" : "choices";
  std::vector<std::string> texts;
  if (listed->is_object()) {
    choices.letters.clear();
    for (const auto& [letter, text] : listed->items()) {
      if (letter.size() != 1 || kAlphabet.find(letter[0]) == kAlphabet.npos || !text.is_string()) {
        return WrongValue(key, *listed, "capital letters with the texts of the options");
      }
      choices.letters += letter;
      texts.push_back(text.get<std::string>());
    }
  } else {
    TEMPER_ASSIGN_OR_RETURN(texts, ReadStrings(*listed, key));
    if (choices.letters.empty()) choices.letters = kAlphabet.substr(0, texts.size());
  }
  if (texts.empty() || texts.size() != choices.letters.size()) {
    return absl::InvalidArgumentError(absl::StrCat("metadata.", key, ": found ", texts.size(),
                                                   " options for ", choices.letters.size(),
                                                   " letters, expected one for each"));
  }
  DropLabels(texts, choices.letters);
  if (!option_text_) return choices;
  for (const std::string& text : texts) {
    choices.texts.push_back(FoldedChoice(WithPlainLetters(text)));
  }
  return choices;
}

Choice ChoiceVerifier::Chosen(std::string_view text, const Choices& choices) const {
  if (extractor_.has_value()) {
    const Extraction extraction = extractor_->Extract(text);
    return extraction.found ? ReadChoice(WithPlainLetters(extraction.answer), choices) : Choice{};
  }
  const std::string said = WithPlainLetters(WithoutThinking(text));
  // A box, or a last line after "####", is where this model puts answers: nothing else counts then.
  const Extraction extraction = AnswerExtractor::Create("", "")->Extract(said);
  if (extraction.found) return ReadChoice(extraction.answer, choices);
  if (said.find("\\boxed") != std::string::npos) return {};
  for (const auto look : {AfterPhrase, LastBold, LastLine}) {
    const Choice choice = look(said, choices);
    if (choice.kind != Choice::kNothing) return choice;
  }
  return ReadChoice(said, choices);
}

absl::StatusOr<Judgement> ChoiceVerifier::Judge(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const Choices choices, ReadChoices(response));
  const Choice gold = ReadChoice(WithPlainLetters(response.gold), choices);
  if (gold.kind != Choice::kLetter) {
    return absl::InvalidArgumentError(
        absl::StrCat("answer: found ", Quoted(response.gold), ", expected one of the letters ",
                     choices.letters, choices.texts.empty() ? "" : ", or the text of one option"));
  }
  const Choice chosen = response.extracted ? ReadChoice(WithPlainLetters(response.text), choices)
                                           : Chosen(response.text, choices);
  if (chosen.kind == Choice::kNothing) return NotChosen("no option is named");
  if (chosen.kind == Choice::kAmbiguous) return NotChosen("not exactly one option is named");
  const bool right = chosen.letter == gold.letter;
  return Judgement{
      std::string(right ? kEqual : kNotEqual), right ? 1.0 : 0.0,
      absl::StrCat(std::string(1, chosen.letter), right ? " is" : " is not", " the right option"),
      absl::StrCat("{\"answer\":\"", std::string(1, chosen.letter), "\"}")};
}

}  // namespace temper::reward
