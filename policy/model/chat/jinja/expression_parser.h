// Expressions, by recursive descent in the order of Jinja's precedences.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/ast.h"
#include "policy/model/chat/jinja/token_stream.h"

namespace temper::model::jinja {

class ExpressionParser {
 public:
  using Result = absl::StatusOr<ExpressionPointer>;

  explicit ExpressionParser(TokenStream& stream) : in_(stream) {}

  // One expression; `conditional`: may be `a if b else c`.
  Result Parse(bool conditional = true);
  // One expression, or several with commas: a tuple. `stop`: a name that ends it, may be empty.
  Result ParseTuple(bool conditional, std::string_view stop);
  // name, name.field, or several with commas. `fields`: name.field is allowed.
  absl::StatusOr<Target> ParseTarget(bool fields, std::string_view stop);
  absl::StatusOr<std::string> ParseName();
  // name(...)|name ... onto a value that the block gives.
  Result ParseFilters(ExpressionPointer value, bool starts_inside);

  // Names read since the last call; macros look here for `varargs`, `kwargs` and `caller`.
  std::vector<std::string> TakeNamesRead() { return std::move(names_read_); }
  void AddNamesRead(const std::vector<std::string>& names) {
    names_read_.insert(names_read_.end(), names.begin(), names.end());
  }

 private:
  Result ParseOr();
  Result ParseAnd();
  Result ParseNot();
  Result ParseCompare();
  Result ParseSum();
  Result ParseConcat();
  Result ParseProduct();
  Result ParsePower();
  Result ParseUnary(bool filters);
  Result ParsePrimary();
  Result ParseParentheses();
  Result ParseList();
  Result ParseDict();
  Result ParsePostfix(ExpressionPointer value);
  Result ParseFilterChain(ExpressionPointer value);
  Result ParseSubscript(ExpressionPointer value);
  Result ParseDot(ExpressionPointer value);
  Result ParseTest(ExpressionPointer value);
  Result ParseCall(ExpressionPointer value);
  absl::StatusOr<CallArguments> ParseArguments();
  absl::StatusOr<Target> ParseLoneTarget(bool fields);
  bool AtTupleEnd(std::string_view stop) const;

  // Checks the depth of the tree that is made.
  Result Make(Expression expression);

  TokenStream& in_;
  std::vector<std::string> names_read_;
};

}  // namespace temper::model::jinja
