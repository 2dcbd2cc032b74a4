// Conditions and rewards of a graph: arithmetic over recorded values, without calls or state.
//
//   expression := or; or := and {"or" and}; and := not {"and" not}; not := ["not"] comparison
//   comparison := sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
//   sum := product {("+" | "-") product}; product := unary {("*" | "/") unary}
//   unary := ["-"] primary
//   primary := number | "text" | reference | builtin | function "(" expression {"," expression} ")"
//            | "(" expression ")"
//   text: in single or double quotes; reference: as in reference.h, with fields and choices
//   function := min | max | len | count | mean | score | abs
//
// count(x) counts what is present of a list; count(list > 4) compares element by element and counts
// what is true. A comparison or a sum with something absent is absent, and an absent condition is
// false. Pure; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "agents/graph/reference.h"

namespace temper::agents {

struct Absent {};

// What a name stands for, as far as expressions look: a candidate has a text and perhaps a number.
struct Operand {
  using List = std::vector<Operand>;
  std::variant<Absent, double, bool, std::string, List> value;
  // Of a candidate (whose text is the value): its newest score. Comparisons with numbers and
  // arithmetic take it.
  std::optional<double> score;

  bool absent() const { return std::holds_alternative<Absent>(value); }
};

// Where an expression's names are looked up.
class ExpressionScope {
 public:
  virtual ~ExpressionScope() = default;
  virtual Operand Get(const Reference& reference) const = 0;
  // "round", "gain", "unchanged", "spent.tokens", "spent.usd", "spent.seconds", "spent.calls", and
  // in rewards "calibrated", ...: Expression::Parse was told which are known.
  virtual Operand Builtin(std::string_view name) const = 0;
};

class Expression {
 public:
  struct Node;

  // References are parsed, not yet resolved: whoever parses hands each of references() to the
  // checker. `place`: where the text begins in the file. INVALID_ARGUMENT with the column of the
  // error, counted in the file, and the nearest right name.
  static absl::StatusOr<Expression> Parse(std::string_view text, Place place,
                                          const std::vector<std::string>& builtins);

  // INVALID_ARGUMENT, with the column, unless the value is one for all: lists must be made into one
  // by a function, do not meet other lists in a sum, and are not joined by and, or and not.
  absl::Status CheckLists(absl::FunctionRef<bool(const Reference&)> is_list) const;

  // INVALID_ARGUMENT: operands that do not go together ("text" < 4), named.
  absl::StatusOr<Operand> Evaluate(const ExpressionScope& scope) const;
  // As a condition: absent counts as false, a number as true above 0.
  absl::StatusOr<bool> Holds(const ExpressionScope& scope) const;

  // All of them, in the order of the text; to be resolved in place.
  const std::vector<Reference*>& references() const { return references_; }
  const std::string& text() const { return text_; }
  Place place() const { return place_; }

 private:
  std::string text_;
  Place place_;
  std::shared_ptr<Node> root_;
  std::vector<Reference*> references_;
};

}  // namespace temper::agents
