// Boxes and formulas of a text, and which of them are offered together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace temper::reward::math {

// A part of the text and where it stands with its marks.
struct Span {
  size_t begin = 0;
  size_t end = 0;
  std::string_view inside;
};

// Balanced boxes that stand in no other box. `unclosed` becomes true where one never closes.
// Linear: a few boxes that do not close are sought to the end of the text, then no more.
std::vector<Span> Boxes(std::string_view text, bool& unclosed);

// Formulas between $, $$, \( \) and \[ \]. `broken` becomes true where an inline formula holds a
// line end: LaTeX would not set it. Linear.
std::vector<Span> Formulas(std::string_view text, bool& broken);

// What stands between two parts of one answer: "and", "or", a comma, math delimiters, nothing.
bool IsJoint(std::string_view between);

// Between boxes a few more words may stand ("papers and"), but no end of a sentence.
bool JoinsBoxes(std::string_view between);

// The last part with those before it that `joins` joins to it, as one list.
std::string LastJoined(std::string_view text, const std::vector<Span>& spans,
                       bool (*joins)(std::string_view));

}  // namespace temper::reward::math
