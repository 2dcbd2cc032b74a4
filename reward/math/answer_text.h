// Finds the formula in what was given as an answer: boxes, $...$, a number in a sentence.
#pragma once

#include <string>
#include <string_view>

#include "reward/math/expr.h"
#include "reward/math/token.h"

namespace temper::reward::math {

// What an answer says.
struct Reading {
  ExprPtr formula;      // null where it is words, or cannot be read
  std::string text;     // the part that counts, as written
  std::string problem;  // why there is no formula
  bool found = false;   // false: nothing that could be an answer, `problem` says why
};

// In order, the first that is there: the last box (with the boxes offered beside it: "\boxed{1} and
// \boxed{2}" is a list), what follows the last "####", the last formula between dollars or \( \),
// the whole text, the end of a sentence, the last number. Thinking is left out. Linear but for at
// most 48 attempts to read the last 256 bytes.
Reading ReadAnswer(std::string_view text, const NumberStyle& style);

// Text without dollars, \text{...}, needless blanks, case and a full stop at the end: what two
// texts that cannot be read as formulas are compared by.
std::string PlainText(std::string_view text);

}  // namespace temper::reward::math
