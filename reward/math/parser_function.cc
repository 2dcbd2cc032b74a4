// Functions with their arguments, sums, matrices and decorations.
#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/math/parser.h"

namespace temper::reward::math {

ExprPtr Parser::Function(const std::string& name) {
  if (name == "sqrt" && Take("[")) {
    ExprPtr index = Sum();
    if (index == nullptr || !Take("]")) return Fail("a root without an index");
    ExprPtr radicand = Argument();
    return radicand == nullptr ? nullptr : Make(Kind::kFunction, {radicand, index}, "root");
  }
  if (name == "sqrt" || name == "cbrt") {
    ExprPtr radicand = Argument();
    if (radicand == nullptr) return nullptr;
    if (name == "sqrt") return Make(Kind::kFunction, {radicand}, "sqrt");
    return Make(Kind::kFunction, {radicand, Number(3)}, "root");
  }
  ExprPtr base;
  ExprPtr power;
  for (int i = 0; i < 2; ++i) {
    if (base == nullptr && (name == "log" || name == "ln") && Take("_")) {
      base = Argument();
      if (base == nullptr) return nullptr;
    } else if (power == nullptr && Take("^")) {
      const bool minus = Take("-");
      power = Argument();
      if (power == nullptr) return nullptr;
      if (minus) power = Make(Kind::kNegate, {power});
    }
  }
  ExprPtr argument = FunctionArgument();
  if (argument == nullptr) return nullptr;
  std::vector<ExprPtr> args{argument};
  if (argument->kind == Kind::kBracketed && argument->name == "()") args = argument->args;
  std::string known = name;
  if (name == "asin" || name == "acos" || name == "atan") known = "arc" + name.substr(1);
  if (name == "asinh" || name == "acosh" || name == "atanh") known = "arc" + name.substr(1);
  if (name == "ceiling") known = "ceil";
  if (name == "binomial") known = "binom";
  if (name == "sign") known = "sgn";
  if (name == "lg") known = "log";
  if (known == "frac" && args.size() == 2) return Make(Kind::kDivide, args);
  if (known == "det" && args[0]->kind == Kind::kMatrix) {
    ExprPtr determinant = Determinant(*args[0]);
    return determinant != nullptr ? determinant : Fail("a determinant that is too large");
  }
  if (base != nullptr) args.push_back(base);
  const bool inverse =
      power != nullptr && power->kind == Kind::kNegate && IsNumber(*power->args[0], 1);
  if (inverse && (known.size() == 3 || known.back() == 'h') && base == nullptr) {
    return Make(Kind::kFunction, std::move(args), "arc" + known);
  }
  ExprPtr applied = Make(Kind::kFunction, std::move(args), known);
  return power == nullptr ? applied : Make(Kind::kPower, {applied, power});
}

// What follows a function: brackets, or factors up to the next function or sign.
ExprPtr Parser::FunctionArgument() {
  if (Is("(") || Is("{") || Is("[") || Is("(|") || Is("|")) {
    return Primary();
  }
  std::vector<ExprPtr> factors;
  if (Is("-")) {
    Advance();
    ExprPtr operand = Postfix();
    return operand == nullptr ? nullptr : Make(Kind::kNegate, {operand});
  }
  do {
    ExprPtr factor = Postfix();
    if (factor == nullptr) return nullptr;
    const bool applied = factor->kind == Kind::kFunction && factors.empty();
    factors.push_back(std::move(factor));
    if (applied) break;
    const Token& next = Now();
    const bool plain = next.kind == TokenKind::kWord || next.kind == TokenKind::kMacro ||
                       (next.kind == TokenKind::kNumber && Before().kind != TokenKind::kNumber);
    if (!plain || !StartsFactor() || StartsUnit(*factors.back()) || IsFunctionName(next.text) ||
        IsMacro("bmod")) {
      break;
    }
  } while (true);
  return factors.size() == 1 ? factors[0] : Make(Kind::kMul, std::move(factors));
}

// \sum_{k=1}^{n} body
ExprPtr Parser::RunningOperator(const std::string& name) {
  ExprPtr from;
  ExprPtr to;
  for (int i = 0; i < 2; ++i) {
    if (from == nullptr && Take("_")) {
      from = Argument();
      if (from == nullptr) return nullptr;
    } else if (to == nullptr && Take("^")) {
      to = Argument();
      if (to == nullptr) return nullptr;
    }
  }
  ExprPtr body = Product();
  if (body == nullptr) return nullptr;
  const bool counted = from != nullptr && to != nullptr && from->kind == Kind::kRelation &&
                       from->ops.size() == 1 && from->ops[0] == "=" &&
                       from->args[0]->kind != Kind::kNumber;
  if (!counted) {
    std::vector<ExprPtr> args{body};
    if (from != nullptr) args.push_back(from);
    if (to != nullptr) args.push_back(to);
    return Make(Kind::kFunction, std::move(args), absl::StrCat("open ", name));
  }
  ExprPtr index = from->args[0];
  if (IsConstant(*index, "i") || IsConstant(*index, "e")) {
    // As an index it is a letter like any other.
    struct Rename {
      static ExprPtr In(const ExprPtr& tree, const std::string& letter) {
        if (IsConstant(*tree, letter)) return Symbol(letter);
        auto copy = std::make_shared<Expr>(*tree);
        for (ExprPtr& arg : copy->args) arg = In(arg, letter);
        return copy;
      }
    };
    body = Rename::In(body, index->name);
    index = Symbol(index->name);
  }
  if (index->kind != Kind::kSymbol) return Fail("a sum over no symbol");
  return Make(Kind::kFunction, {body, index, from->args[1], to}, name);
}

ExprPtr Parser::Environment() {
  const std::string name = Now().text;
  Advance();
  const bool matrix = name.ends_with("matrix") || name == "array" || name == "tabular";
  std::vector<ExprPtr> cells;
  std::vector<ExprPtr> rows;
  int columns = 0;
  int in_row = 0;
  while (!IsMacro("end")) {
    if (Now().kind == TokenKind::kEnd) return Fail("\\begin without \\end");
    if (Take("\\\\")) {
      if (in_row > 0) {
        if (columns != 0 && columns != in_row && matrix) return Fail("a ragged matrix");
        columns = in_row;
      }
      in_row = 0;
      continue;
    }
    if (!matrix) {
      while (Take("&") || Take(",") || Take(".")) {
      }
      if (Is("\\\\") || IsMacro("end")) continue;
      ExprPtr row = Relation();
      if (row == nullptr) return nullptr;
      rows.push_back(std::move(row));
      while (Take("&") || Take(",") || Take(";") || Take(".")) {
      }
      continue;
    }
    ExprPtr cell = Relation();
    if (cell == nullptr) return nullptr;
    cells.push_back(std::move(cell));
    ++in_row;
    if (!Take("&") && !Is("\\\\") && !IsMacro("end")) return Fail("a matrix that cannot be read");
  }
  Advance();
  Advance();
  if (!matrix) {
    if (rows.empty()) return Fail("an empty environment");
    return rows.size() == 1 ? rows[0] : Make(Kind::kList, std::move(rows), "and");
  }
  if (in_row > 0 && columns != 0 && columns != in_row) return Fail("a ragged matrix");
  if (columns == 0) columns = in_row;
  if (columns == 0) return Fail("an empty matrix");
  auto made = std::make_shared<Expr>();
  made->kind = Kind::kMatrix;
  made->args = std::move(cells);
  made->columns = columns;
  if (name != "vmatrix") return made;
  ExprPtr determinant = Determinant(*made);
  return determinant != nullptr ? determinant : Fail("a determinant that is too large");
}

// A bar over digits writes a number; any other decoration makes another symbol.
ExprPtr Parser::Decorated(const std::string& name) {
  ExprPtr inside = Argument();
  if (inside == nullptr) return nullptr;
  if (name == "overline" && inside->kind == Kind::kNumber) return inside;
  const std::string mark = name == "overrightarrow"               ? "vec"
                           : name == "bar" || name == "underline" ? "overline"
                           : name == "widehat"                    ? "hat"
                                                                  : name;
  return Symbol(absl::StrCat(mark, "(", Key(*inside), ")"));
}

}  // namespace temper::reward::math
