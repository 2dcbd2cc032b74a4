// Cuts an answer, LaTeX or plain text, into tokens; what means only spacing or size is left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::reward::math {

inline constexpr size_t kAnswerBytesMax = 16 << 10;
inline constexpr size_t kTokensMax = 4096;

enum class TokenKind {
  kNumber,  // digits with at most one point and one exponent: "1000.99", "1.5e-3"
  kWord,    // letters in a row
  kMacro,   // name without backslash, synonyms as one: \dfrac and \tfrac are "frac"
  kMark,    // an operator, bracket or sign: "+", "<=", "\\{", "in", ...
  kText,    // what \text{...} and its like hold
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  bool space_before = false;
};

struct NumberStyle {
  // "1,234" is one thousand two hundred and thirty-four; else a list of two.
  bool thousands = true;
  // "1,5" is one and a half, "1.234" one thousand two hundred and thirty-four.
  bool decimal_comma = false;
};

// INVALID_ARGUMENT: too long, an unclosed \text{ or a character that is none of ours. The last
// token is kEnd. Linear.
absl::StatusOr<std::vector<Token>> Tokenise(std::string_view text, const NumberStyle& style);

}  // namespace temper::reward::math
