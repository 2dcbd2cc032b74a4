// Each rule below looks at the text once.
#include "reward/math/answer_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "reward/answer_extractor.h"
#include "reward/math/answer_spans.h"
#include "reward/math/characters.h"
#include "reward/math/parser.h"
#include "reward/math/unit.h"

namespace temper::reward::math {
namespace {

std::string_view Stripped(std::string_view text) {
  text = Trimmed(text);
  while (!text.empty() && (text.back() == '.' || text.back() == ',' || text.back() == ';')) {
    if (text.ends_with("\\,") || text.ends_with("\\;") || text.ends_with("...")) {
      break;
    }
    text.remove_suffix(1);
    text = Trimmed(text);
  }
  return text;
}

// A percent sign, a degree sign or a unit right behind a box or a formula belongs to it.
std::string UnitBehind(std::string_view rest) {
  while (!rest.empty() && (IsBlank(rest.front()) || rest.front() == '$')) rest.remove_prefix(1);
  if (Consume(rest, "\\)") || Consume(rest, "\\]")) {
    rest = Trimmed(rest);
  }
  if (rest.starts_with("%") || rest.starts_with("\\%")) return "\\%";
  for (const std::string_view degree : {"^\\circ", "^{\\circ}", "°"}) {
    if (rest.starts_with(degree)) return "^\\circ";
  }
  size_t end = 0;
  while (end < rest.size() && IsLetter(rest[end])) ++end;
  const std::string_view word = rest.substr(0, end);
  if (word.size() < 2 || word == "in" || word == "min") return "";
  if (IsPercentWord(word)) return "\\%";
  if (ReadUnit(word).has_value() || word == "degrees") {
    return absl::StrCat("\\text{ ", std::string(word), "}");
  }
  return "";
}

std::string WithoutDollars(std::string_view formula) {
  std::string kept;
  for (size_t i = 0; i < formula.size(); ++i) {
    if (formula[i] == '\\' && i + 1 < formula.size()) {
      kept += formula.substr(i, 2);
      ++i;
    } else if (formula[i] != '$') {
      kept += formula[i];
    } else {
      kept += ' ';
    }
  }
  return kept;
}

Reading Read(std::string text, const NumberStyle& style) {
  Reading reading;
  reading.found = true;
  std::string_view written = Stripped(text);
  if (written.starts_with("=")) written.remove_prefix(1);
  auto formula = Parse(written, style);
  if (formula.ok()) {
    reading.formula = *std::move(formula);
  } else {
    reading.problem = std::string(formula.status().message());
  }
  reading.text = std::move(text);
  return reading;
}

// Units written close behind a number in prose ("1,000.99m²") become text.
std::string MarkUnit(std::string_view text) {
  size_t at = text.size();
  while (at > 0 && !IsDigit(text[at - 1])) --at;
  while (at > 0 && at < text.size() && at > 1 && text[at - 2] == '^') {
    at -= 2;
    while (at > 0 && !IsDigit(text[at - 1])) --at;
  }
  const std::string_view behind = Trimmed(text.substr(at));
  if (at == 0 || behind.empty() || !ReadUnit(behind).has_value()) return std::string(text);
  return absl::StrCat(std::string(text.substr(0, at)), "\\text{", std::string(behind), "}");
}

// Prose has a word among its blanks, two where there is LaTeX; "((5", "5 6" and "\int f(x) dx" are
// only formulas that cannot be read.
bool IsProse(std::string_view text) {
  int wanted = Contains(text, "\\") ? 2 : 1;
  bool blank = false;
  size_t letters = 0;
  bool pure = true;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !IsBlank(text[i])) {
      const bool last = i + 1 == text.size() || IsBlank(text[i + 1]);
      const bool stop = last && (text[i] == '.' || text[i] == ',' || text[i] == ':');
      letters += IsLetter(text[i]) ? 1 : 0;
      pure = pure && (IsLetter(text[i]) || stop || text[i] == '\'');
      continue;
    }
    blank = blank || i < text.size();
    if (pure && letters > 1) --wanted;
    letters = 0;
    pure = true;
  }
  return blank && wanted <= 0;
}

bool HasDigit(std::string_view text) { return std::any_of(text.begin(), text.end(), IsDigit); }

// The last run of digits with its sign, separators and fraction bar.
std::string LastNumber(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !IsDigit(text[end - 1])) --end;
  if (end == 0) return "";
  size_t begin = end;
  while (begin > 0 && (IsDigit(text[begin - 1]) || text[begin - 1] == '.' ||
                       text[begin - 1] == ',' || text[begin - 1] == '/')) {
    --begin;
  }
  while (begin < end && !IsDigit(text[begin]) && text[begin] != '.') ++begin;
  // Not a part of a name or of a formula.
  const auto among = [](std::string_view set, char c) { return set.find(c) != set.npos; };
  if (begin > 0 && !among(" \t\n$(=:*~-", text[begin - 1]) &&
      static_cast<unsigned char>(text[begin - 1]) < 0x80) {
    return "";
  }
  if (end < text.size() && among("}{^_\\", text[end])) return "";
  const bool sign = begin > 0 && text[begin - 1] == '-' && (begin == 1 || IsBlank(text[begin - 2]));
  return std::string(text.substr(begin - (sign ? 1 : 0), end - begin + (sign ? 1 : 0)));
}

constexpr std::string_view kLeads[] = {"answer is:", "answer is", "answer:", "Answer:"};

// Words right before a number that take it back: "43, not 42", "5 or maybe 6".
bool Retracts(std::string_view before) {
  constexpr size_t kNear = 16;
  if (before.size() > kNear) before.remove_prefix(before.size() - kNear);
  const std::string near = " " + Lower(Trimmed(before)) + " ";
  return near.ends_with(" not ") || Contains(near, " or ") || Contains(near, "(or ");
}

// The longest end of a sentence that can be read and holds a number; else its last number.
Reading FromProse(std::string_view text, const NumberStyle& style) {
  for (const std::string_view lead : kLeads) {
    const size_t at = text.rfind(lead);
    if (at == std::string_view::npos) continue;
    std::string_view rest = Trimmed(text.substr(at + lead.size()));
    rest = Stripped(rest.substr(0, rest.find('\n')));
    if (rest.empty()) continue;
    Reading reading = Read(std::string(rest), style);
    if (reading.formula != nullptr || !HasDigit(rest)) return reading;
  }
  constexpr size_t kTailBytes = 256;
  constexpr int kAttempts = 48;
  std::string_view tail = Stripped(text);
  if (tail.size() > kTailBytes) tail.remove_prefix(tail.size() - kTailBytes);
  int attempts = 0;
  for (size_t i = 0; i < tail.size() && attempts < kAttempts; ++i) {
    const bool starts =
        !IsBlank(tail[i]) && (i == 0 ? tail.size() < kTailBytes : IsBlank(tail[i - 1]));
    if (!starts) continue;
    const std::string_view rest = tail.substr(i);
    if (!HasDigit(rest)) break;
    ++attempts;
    if (Retracts(tail.substr(0, i))) break;
    const std::string marked = MarkUnit(rest);
    Reading reading = Read(marked, style);
    if (reading.formula != nullptr) return reading;
  }
  std::string number = LastNumber(tail);
  if (!number.empty() && Retracts(tail.substr(0, tail.rfind(number)))) number.clear();
  if (!number.empty()) return Read(std::move(number), style);
  Reading words;
  words.found = true;
  words.text = std::string(Stripped(text));
  words.problem = "it is words";
  return words;
}

// Words before the number that a solution ends with.
bool Concludes(std::string_view text) {
  const std::string lower = Lower(text);
  for (const std::string_view word : {"therefore", "thus", "hence", "answer is", "there are"}) {
    if (Contains(lower, word)) return true;
  }
  return false;
}

// The formulas right behind the last "answer is", with what is joined to them; all where there is
// none.
std::vector<Span> Announced(std::string_view text, const std::vector<Span>& formulas) {
  constexpr std::string_view kLead = "answer is";
  const size_t at = text.rfind(kLead);
  if (at == std::string_view::npos) return formulas;
  const size_t from = at + kLead.size();
  std::vector<Span> announced;
  for (const Span& formula : formulas) {
    if (formula.begin < from) continue;
    const size_t before = announced.empty() ? from : announced.back().end;
    const std::string_view between = text.substr(before, formula.begin - before);
    const bool first = announced.empty();
    const bool beside = std::none_of(between.begin(), between.end(), IsLetter);
    if (first ? !beside : !IsJoint(between)) break;
    announced.push_back(formula);
  }
  return announced.empty() ? formulas : announced;
}

Reading FromFormulas(std::string_view text, const std::vector<Span>& formulas,
                     const NumberStyle& style) {
  const std::string_view behind = text.substr(formulas.back().end);
  const std::string unit = UnitBehind(behind);
  // "The largest $n$ is 34."
  const std::string number = unit.empty() ? LastNumber(behind) : "";
  const bool bare_name = formulas.back().inside.size() < 24 && !HasDigit(formulas.back().inside);
  if (!number.empty() && (bare_name || Concludes(behind))) return Read(number, style);
  std::string joined = LastJoined(text, formulas, IsJoint);
  return Read(absl::StrCat(WithoutDollars(joined), unit), style);
}

}  // namespace

std::string PlainText(std::string_view text) {
  std::string plain;
  std::string_view at = Stripped(text);
  constexpr std::string_view kWrappers[] = {"\\text{",   "\\textbf{",     "\\mathrm{",
                                            "\\textit{", "\\mbox{",       "\\textrm{",
                                            "\\mathbf{", "\\textnormal{", "\\operatorname{"};
  std::vector<bool> wrapped;  // open braces: whether each is a wrapper's
  bool blank = false;
  while (!at.empty()) {
    bool opened = false;
    for (const std::string_view wrapper : kWrappers) {
      if (!Consume(at, wrapper)) continue;
      wrapped.push_back(true);
      opened = true;
      break;
    }
    if (opened) continue;
    if (Consume(at, "\\left") || Consume(at, "\\right")) continue;
    if (Consume(at, "\\,") || Consume(at, "\\!") || Consume(at, "\\ ") || Consume(at, "~")) {
      blank = true;
      continue;
    }
    const char c = at.front();
    at.remove_prefix(1);
    if (IsBlank(c) || c == '$') {
      blank = true;
      continue;
    }
    if (c == '{') wrapped.push_back(false);
    if (c == '}' && !wrapped.empty()) {
      const bool ours = wrapped.back();
      wrapped.pop_back();
      if (ours) continue;
    }
    const auto word = [](char b) {
      return IsLetter(b) || IsDigit(b) || static_cast<unsigned char>(b) > 127;
    };
    if (blank && !plain.empty() && word(plain.back()) && word(c)) plain += ' ';
    blank = false;
    plain += c;
  }
  return plain;
}

Reading ReadAnswer(std::string_view whole, const NumberStyle& style) {
  const std::string said = WithoutThinking(whole);
  std::string_view text = Trimmed(said);
  while (text.size() > 4 && text.starts_with("**") && text.ends_with("**")) {
    text = Trimmed(text.substr(2, text.size() - 4));
  }
  Reading nothing;
  bool unclosed = false;
  const std::vector<Span> boxes = Boxes(text, unclosed);
  if (!boxes.empty()) {
    std::string joined = LastJoined(text, boxes, JoinsBoxes);
    if (Trimmed(joined).empty()) {
      nothing.problem = "the answer is empty";
      return nothing;
    }
    const std::string unit = UnitBehind(text.substr(boxes.back().end));
    return Read(absl::StrCat(WithoutDollars(joined), unit), style);
  }
  if (unclosed) {
    nothing.problem = "a box that never closes";
    return nothing;
  }
  if (const size_t hash = text.rfind("####"); hash != std::string_view::npos) {
    text = Trimmed(text.substr(hash + 4));
    text = text.substr(0, text.find('\n'));
  }
  if (text.empty()) {
    nothing.problem = "the answer is empty";
    return nothing;
  }
  bool broken = false;
  const std::vector<Span> formulas = Formulas(text, broken);
  if (!formulas.empty()) return FromFormulas(text, Announced(text, formulas), style);
  if (broken) {
    nothing.problem = "a line end inside $...$";
    return nothing;
  }
  Reading direct = Read(std::string(text), style);
  if (direct.formula != nullptr) return direct;
  if (text.find('\\') != std::string_view::npos && text.find(' ') == std::string_view::npos) {
    return direct;
  }
  if (!IsProse(text)) return direct;
  Reading prose = FromProse(text, style);
  return prose.formula != nullptr || prose.problem == "it is words" ? prose : direct;
}

}  // namespace temper::reward::math
