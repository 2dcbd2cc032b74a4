// Reads an answer into a tree: precedence climbing over the tokens, by hand, in bounded depth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/math/expr.h"
#include "reward/math/token.h"

namespace temper::reward::math {

inline constexpr int kDepthMax = 128;

// INVALID_ARGUMENT says what could not be read: an unknown macro, prose, two numbers side by side.
// `text` holds one formula, without the $ around it.
absl::StatusOr<ExprPtr> Parse(std::string_view text, const NumberStyle& style);

// Counts the depth of the recursion: three for each level of brackets.
class Deeper {
 public:
  explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  bool too_deep() const { return depth_ > 3 * kDepthMax; }

 private:
  int& depth_;
};

// The rules, loosest first. Every one returns null after Fail(); callers hand it on.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  absl::StatusOr<ExprPtr> Run();

 private:
  // parser.cc: operators.
  ExprPtr Groups();    // a, b; c, d
  ExprPtr List();      // a, b and c
  ExprPtr Relation();  // a < b <= c, a = b (mod m)
  ExprPtr SetTerm();   // a u b
  ExprPtr Ratio();     // a : b
  ExprPtr Sum();
  ExprPtr Product();
  ExprPtr Factor();   // signs before a factor
  ExprPtr Postfix();  // powers, subscripts, !, %
  ExprPtr Scripts(ExprPtr base);
  ExprPtr Degrees(ExprPtr value);
  ExprPtr Unit(ExprPtr value);
  ExprPtr Modulus(ExprPtr left);
  bool RelationMark(std::string& op) const;
  bool JoinMark(std::string& name);
  bool StartsFactor() const;
  bool StartsUnit(const Expr& left) const;

  // parser_primary.cc: what stands by itself.
  ExprPtr Primary();
  ExprPtr NumberOrMixed();
  ExprPtr Repeating(const std::string& digits);
  ExprPtr Word();
  ExprPtr Macro();
  ExprPtr MarkPrimary();
  ExprPtr Bracketed(const std::string& open);
  ExprPtr Braced();
  ExprPtr Set();
  ExprPtr Between(std::string_view close, const std::string& function);
  ExprPtr Function(const std::string& name);
  ExprPtr FunctionArgument();
  ExprPtr RunningOperator(const std::string& name);
  ExprPtr Environment();
  ExprPtr Decorated(const std::string& name);
  ExprPtr Argument();  // {...}, or one token, or one digit of a number
  bool RawArgument(std::string& raw);

  const Token& Now() const { return tokens_[at_]; }
  const Token& After(size_t ahead = 1) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  // The token taken last; the current one while nothing has been taken.
  const Token& Before() const { return tokens_[at_ == 0 ? 0 : at_ - 1]; }
  bool Is(std::string_view mark) const {
    return Now().kind == TokenKind::kMark && Now().text == mark;
  }
  bool IsMacro(std::string_view name) const {
    return Now().kind == TokenKind::kMacro && Now().text == name;
  }
  void Advance() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool Take(std::string_view mark) {
    if (!Is(mark)) return false;
    Advance();
    return true;
  }
  ExprPtr Fail(std::string why) {
    if (problem_.empty()) problem_ = std::move(why);
    return nullptr;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int bars_ = 0;         // open |
  bool in_set_ = false;  // : and | separate an element from its condition
  std::string problem_;
};

// Names of functions of one argument that Word and Macro know.
bool IsFunctionName(std::string_view name);

// The integer that `digits` (0-9, then letters) spell in base `base`; null when they do not.
ExprPtr NumberInBase(std::string_view digits, long base);

}  // namespace temper::reward::math
