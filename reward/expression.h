// A rubric's formula over the scores of its parts.
//
//   formula := sum ["if" sum "else" formula]         sum := product {("+" | "-") product}
//   product := factor {"*" factor | "/" number}      factor := ["-"] (number | name | call | "("
//   formula ")") call    := ("min" | "max") "(" formula {"," formula} ")" | "clip" "(" formula ","
//   formula "," formula ")"
//
// "x if y else z" is x where y > 0. Division is by a number other than 0, so every formula has a
// value for all scores.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::reward {

class Expression {
 public:
  // `names` are the parts; INVALID_ARGUMENT with the column for a syntax error, an unknown name
  // (with the known ones), a part that is not named at all, more than 1 KiB or 32 levels.
  static absl::StatusOr<Expression> Parse(std::string_view text,
                                          const std::vector<std::string>& names);

  // values[i] belongs to names[i]. Clipped to [0, 1].
  double Value(std::span<const double> values) const;

 private:
  friend class ExpressionParser;
  enum class Kind { kNumber, kPart, kAdd, kSubtract, kMultiply, kNegate, kMin, kMax, kClip, kIf };
  struct Node {
    Kind kind;
    double number = 0;
    size_t part = 0;
    std::vector<Node> operands;
  };
  explicit Expression(Node root) : root_(std::move(root)) {}
  static double ValueOf(const Node& node, std::span<const double> values);

  Node root_;
};

}  // namespace temper::reward
