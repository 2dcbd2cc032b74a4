// One pass each.
#include "reward/math/answer_spans.h"

#include <algorithm>

#include "reward/math/characters.h"

namespace temper::reward::math {
namespace {

// Place of the brace that closes the one at `open`; npos when none does.
size_t ClosingBrace(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

constexpr std::string_view kBoxes[] = {"\\boxed", "\\fbox"};

}  // namespace

std::vector<Span> Boxes(std::string_view text, bool& unclosed) {
  std::vector<Span> boxes;
  size_t at = 0;
  int failures = 0;
  while (at < text.size()) {
    size_t begin = std::string_view::npos;
    size_t after = 0;
    for (const std::string_view name : kBoxes) {
      const size_t found = text.find(name, at);
      if (found < begin) {
        begin = found;
        after = found + name.size();
      }
    }
    if (begin == std::string_view::npos) break;
    size_t open = after;
    while (open < text.size() && IsBlank(text[open])) ++open;
    if (open >= text.size()) {
      unclosed = true;
      break;
    }
    if (text[open] != '{') {  // "\boxed 5"
      const size_t end = std::min(text.find_first_of(" \n$.,", open), text.size());
      boxes.push_back({begin, end, text.substr(open, end - open)});
      at = end;
      continue;
    }
    // Few attempts: each may read to the end of the text.
    const size_t close = failures < 16 ? ClosingBrace(text, open) : std::string_view::npos;
    if (close == std::string_view::npos) {
      unclosed = true;
      ++failures;
      at = open + 1;
      continue;
    }
    boxes.push_back({begin, close + 1, text.substr(open + 1, close - open - 1)});
    at = close + 1;
  }
  return boxes;
}

// Formulas between $, $$, \( \) and \[ \]. `broken` becomes true where an inline formula holds a
// line end: LaTeX would not set it.
std::vector<Span> Formulas(std::string_view text, bool& broken) {
  std::vector<Span> formulas;
  const auto closing = [&](size_t from, std::string_view mark) {
    for (size_t i = from; i + mark.size() <= text.size(); ++i) {
      if (text.substr(i).starts_with(mark)) return i;
      if (text[i] == '\\') ++i;
    }
    return std::string_view::npos;
  };
  std::string_view
      missing;  // \) or \] or $$ that was sought in vain: it does not come later either
  for (size_t i = 0; i < text.size(); ++i) {
    std::string_view open;
    std::string_view close;
    if (text.substr(i).starts_with("$$")) {
      open = close = "$$";
    } else if (text[i] == '$') {
      open = close = "$";
    } else if (text.substr(i).starts_with("\\(")) {
      open = "\\(";
      close = "\\)";
    } else if (text.substr(i).starts_with("\\[")) {
      open = "\\[";
      close = "\\]";
    } else {
      if (text[i] == '\\') ++i;
      continue;
    }
    if (close == missing) continue;
    const size_t end = closing(i + open.size(), close);
    if (end == std::string_view::npos) {
      missing = close;
      continue;
    }
    const std::string_view inside = text.substr(i + open.size(), end - i - open.size());
    const bool inline_formula = open == "$" || open == "\\(";
    const std::string_view trimmed = Trimmed(inside);
    if (inline_formula && inside.find('\n') != std::string_view::npos) {
      broken = true;
    } else if (!trimmed.empty()) {
      formulas.push_back({i, end + close.size(), trimmed});
    }
    i = end + close.size() - 1;
  }
  return formulas;
}

bool IsJoint(std::string_view between) {
  constexpr size_t kLongest = 48;
  if (between.size() > kLongest) return false;
  std::string words;
  for (const char c : between) {
    if (c == '=' || c == '.' || c == ':') return false;
    if (IsLetter(c) || IsDigit(c)) words += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  for (const std::string_view known : {"", "and", "or", "textand", "textor", "quad", "qquad",
                                       "quadtextandquad", "quadtextorquad", "quadand"}) {
    if (words == known) return true;
  }
  return false;
}

bool JoinsBoxes(std::string_view between) {
  constexpr size_t kLongest = 64;
  if (between.size() > kLongest) return false;
  if (Contains(between, ". ") || Contains(between, "\n\n")) return false;
  // Words that are no LaTeX need an "and", an "or" or a comma.
  bool words = false;
  for (size_t i = 0; i < between.size(); ++i) {
    if (between[i] == '\\') {
      while (i + 1 < between.size() && IsLetter(between[i + 1])) ++i;
    } else if (IsLetter(between[i])) {
      words = true;
    }
  }
  const std::string lower = Lower(between);
  if (words && !Contains(lower, "and") && !Contains(lower, "or") && !Contains(lower, ","))
    return false;
  for (const std::string_view word :
       {"not", "wait", "instead", "correct", "actually", "so ", "thus", "hence", "therefore"}) {
    if (Contains(lower, word)) return false;
  }
  return true;
}

std::string LastJoined(std::string_view text, const std::vector<Span>& spans,
                       bool (*joins)(std::string_view)) {
  size_t first = spans.size() - 1;
  while (first > 0 && spans.size() - first < 64 &&
         joins(text.substr(spans[first - 1].end, spans[first].begin - spans[first - 1].end))) {
    --first;
  }
  std::string joined(spans[first].inside);
  std::vector<std::string_view> parts{spans[first].inside};
  for (size_t i = first + 1; i < spans.size(); ++i) {
    const std::string_view part = spans[i].inside;
    if (std::find(parts.begin(), parts.end(), part) != parts.end()) continue;
    parts.push_back(part);
    const std::string_view between =
        text.substr(spans[i - 1].end, spans[i].begin - spans[i - 1].end);
    const bool either = Contains(between, "or");
    joined += either ? " \\text{ or } " : ", ";
    joined += part;
  }
  return joined;
}

}  // namespace temper::reward::math
