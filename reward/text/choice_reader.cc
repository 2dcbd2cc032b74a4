// A letter counts only where it cannot be a word: that is decided by what stands around it.
#include "reward/text/choice_reader.h"

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

// Option letters of other alphabets, in the order of A, B, C, ...
constexpr std::u32string_view kArabic = U"أبجدهو";
constexpr std::u32string_view kBengali = U"কখগঘঙচ";

char32_t PlainLetter(char32_t c) {
  if (c >= U'Ａ' && c <= U'Ｚ') return U'A' + (c - U'Ａ');
  if (c >= U'ａ' && c <= U'ｚ') return U'a' + (c - U'ａ');
  if (c >= U'Ⓐ' && c <= U'Ⓩ') return U'A' + (c - U'Ⓐ');
  constexpr std::pair<char32_t, char32_t> kMarks[] = {
      {U'（', U'('},     {U'）', U')'},     {U'．', U'.'},      {U'：', U':'},
      {U'，', U','},     {U'。', U'.'},     {U'\u2018', U'\''}, {U'\u2019', U'\''},
      {U'\u201C', U'"'}, {U'\u201D', U'"'}, {U'\u2013', U'-'},  {U'\u2014', U'-'},
      {U'\u00A0', U' '}, {U'【', U'['},     {U'】', U']'}};
  for (const auto& [from, to] : kMarks) {
    if (c == from) return to;
  }
  return c;
}

// The letter of `c` in one of the other alphabets, where it stands alone.
char32_t ForeignLetter(char32_t c) {
  if (c == U'ا') return U'A';  // alif without its hamza
  for (const std::u32string_view alphabet : {kArabic, kBengali}) {
    const size_t at = alphabet.find(c);
    if (at != std::u32string_view::npos) return U'A' + static_cast<char32_t>(at);
  }
  return c;
}

bool IsWordByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         static_cast<unsigned char>(c) >= 0x80 || c == '_';
}

bool IsBlank(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

std::string_view WithoutFront(std::string_view text, std::string_view set) {
  while (!text.empty() && (IsBlank(text.front()) || set.find(text.front()) != set.npos)) {
    text.remove_prefix(1);
  }
  return text;
}

// Takes `word` and what cannot belong to it from the front.
bool ConsumeWord(std::string_view& text, std::string_view word) {
  if (text.size() < word.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (absl::ascii_tolower(static_cast<unsigned char>(text[i])) != word[i]) return false;
  }
  if (text.size() > word.size() && IsWordByte(text[word.size()])) return false;
  text.remove_prefix(word.size());
  return true;
}

// Takes markup, brackets and words like "option" from the front.
std::string_view AtLetter(std::string_view text) {
  constexpr std::string_view kFront = "*_`\"'$:({[-=#~>\\";
  constexpr std::array<std::string_view, 16> kWords = {
      "option", "choice", "answer",       "letter", "text", "textbf", "mathrm",  "mathbf",
      "boxed",  "bf",     "operatorname", "textit", "is",   "the",    "correct", "most likely"};
  for (bool more = true; more;) {
    text = WithoutFront(text, kFront);
    more = false;
    for (const std::string_view word : kWords) more = more || ConsumeWord(text, word);
  }
  return text;
}

// True when another letter is offered right behind: " or D", ", D", "/D", " and D".
bool OffersAnother(std::string_view rest, char letter, const Choices& choices) {
  constexpr std::string_view kMarkup = "*_`\"'$)}]\\";
  rest = WithoutFront(rest, kMarkup);
  const size_t before = rest.size();
  for (const std::string_view word : {"or", "and", "nor", "and/or"}) {
    if (ConsumeWord(rest, word)) break;
  }
  if (rest.size() == before) {
    rest = WithoutFront(rest, ",/&;|+");
    if (rest.size() == before) return false;
    for (const std::string_view word : {"or", "and"}) ConsumeWord(rest, word);
  }
  rest = AtLetter(rest);
  if (rest.empty() || !choices.Has(rest[0]) || rest[0] == letter) return false;
  if (rest.size() == 1 || !IsWordByte(rest[1])) {
    // ", I think" goes on; " or I" offers.
    const std::string_view after = rest.substr(1);
    const bool word = (rest[0] == 'I' || rest[0] == 'A') && after.size() > 1 && after[0] == ' ' &&
                      absl::ascii_islower(static_cast<unsigned char>(after[1]));
    return !word;
  }
  return false;
}

// Whether prose may follow the bare letter: "A large one" and "I think" are no letters.
bool ProseMayFollow(char letter, std::string_view rest) {
  if (letter != 'A' && letter != 'I') return true;
  rest = WithoutFront(rest, "");
  for (const std::string_view word : {"because", "since", "as", "for", "due", "which", "is"}) {
    std::string_view copy = rest;
    if (ConsumeWord(copy, word)) return true;
  }
  return rest.empty() || !IsWordByte(rest[0]);
}

Choice Letter(char letter) { return {Choice::kLetter, letter}; }

// What `folded` says is the text of exactly one option.
Choice FromText(std::string_view folded, const Choices& choices) {
  Choice found;
  for (size_t i = 0; i < choices.texts.size(); ++i) {
    if (choices.texts[i].empty() || choices.texts[i] != folded) continue;
    if (found.kind == Choice::kLetter) return {Choice::kAmbiguous, 0};
    found = Letter(choices.letters[i]);
  }
  return found;
}

bool SaysTextOf(char letter, std::string_view rest, const Choices& choices) {
  if (choices.texts.empty()) return false;
  const std::string& text = choices.texts[choices.letters.find(letter)];
  const std::string said = FoldedChoice(rest);
  return !text.empty() && (said == text || said.rfind(text + " ", 0) == 0);
}

// `rest` stands behind "C.": text of the option, or at least nothing that makes of both a name.
bool TextMayFollowStop(char letter, std::string_view rest, const Choices& choices) {
  rest = WithoutFront(rest, "*_`\"'$)}]");
  if (rest.empty() || SaysTextOf(letter, rest, choices)) return true;
  return choices.texts.empty() && !absl::ascii_islower(static_cast<unsigned char>(rest[0]));
}

Choice Read(std::string_view text, const Choices& choices, bool prose) {
  if (const Choice named = FromText(FoldedChoice(text), choices); named.kind != Choice::kNothing) {
    return named;
  }
  std::string_view at = AtLetter(text);
  for (const std::string_view word : {"not", "neither", "none", "either", "both"}) {
    std::string_view copy = at;
    if (ConsumeWord(copy, word)) return {Choice::kAmbiguous, 0};
  }
  if (at.empty()) return {};
  const char letter = at[0];
  const bool bracketed = at.data() > text.data() && at.data()[-1] == '(';
  if (!choices.Has(letter) || (at.size() > 1 && IsWordByte(at[1]))) return {};
  if (at.size() > 1 && (at[1] == '\'' || at[1] == '-' || at[1] == '+') && at.size() > 2 &&
      IsWordByte(at[2])) {
    return {};  // I'm, A-level
  }
  std::string_view rest = at.substr(1);
  if (OffersAnother(rest, letter, choices)) return {Choice::kAmbiguous, 0};
  constexpr std::string_view kMarkup = "*_`\"'$}]\\";
  std::string_view behind = WithoutFront(rest, kMarkup);
  if (behind.empty()) return Letter(letter);
  if (behind[0] == ')' || behind[0] == ':') {
    behind.remove_prefix(1);
    if (OffersAnother(behind, letter, choices)) return {Choice::kAmbiguous, 0};
    return Letter(letter);
  }
  if (behind[0] == '.' || behind[0] == ',' || behind[0] == '!' || behind[0] == ';') {
    const bool stop = behind[0] == '.';
    behind.remove_prefix(1);
    if (OffersAnother(behind, letter, choices)) return {Choice::kAmbiguous, 0};
    if (!stop) return prose ? Letter(letter) : Choice{};
    return TextMayFollowStop(letter, behind, choices) ? Letter(letter) : Choice{};
  }
  if (SaysTextOf(letter, behind, choices) || bracketed) return Letter(letter);
  if (behind[0] == '-' || behind[0] == '=') return Letter(letter);
  return prose && ProseMayFollow(letter, rest) ? Letter(letter) : Choice{};
}

}  // namespace

std::string WithPlainLetters(std::string_view text) {
  std::u32string points = Decoded(text);
  for (size_t i = 0; i < points.size(); ++i) {
    points[i] = PlainLetter(points[i]);
    const bool alone = (i == 0 || !IsWordChar(points[i - 1])) &&
                       (i + 1 == points.size() || !IsWordChar(points[i + 1]));
    if (alone) points[i] = ForeignLetter(points[i]);
  }
  return Encoded(points);
}

std::string FoldedChoice(std::string_view text) {
  constexpr std::string_view kMarkup = "*`$";
  std::string folded;
  for (const char c : text) {
    if (IsBlank(c)) {
      if (!folded.empty() && folded.back() != ' ') folded += ' ';
    } else if (kMarkup.find(c) == kMarkup.npos) {
      folded += absl::ascii_tolower(static_cast<unsigned char>(c));
    }
  }
  while (!folded.empty() && (folded.back() == ' ' || folded.back() == '.')) folded.pop_back();
  constexpr std::string_view kText = "\\text{";
  if (folded.rfind(kText, 0) == 0 && folded.back() == '}') {
    return folded.substr(kText.size(), folded.size() - kText.size() - 1);
  }
  return folded;
}

Choice ReadChoice(std::string_view text, const Choices& choices) {
  return Read(text, choices, /*prose=*/false);
}

Choice ReadChoiceBeforeProse(std::string_view text, const Choices& choices) {
  return Read(text, choices, /*prose=*/true);
}

}  // namespace temper::reward
