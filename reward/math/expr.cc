// Makes, names and rewrites trees.
#include "reward/math/expr.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace temper::reward::math {

ExprPtr Make(Kind kind, std::vector<ExprPtr> args, std::string name) {
  auto made = std::make_shared<Expr>();
  made->kind = kind;
  made->args = std::move(args);
  made->name = std::move(name);
  return made;
}

ExprPtr Number(mpq_class value) {
  auto made = std::make_shared<Expr>();
  made->value = std::move(value);
  return made;
}

ExprPtr Symbol(std::string name) { return Make(Kind::kSymbol, {}, std::move(name)); }

ExprPtr Constant(std::string name) { return Make(Kind::kConstant, {}, std::move(name)); }

bool IsNumber(const Expr& expr, long value) {
  return expr.kind == Kind::kNumber && expr.value == value;
}

bool IsConstant(const Expr& expr, std::string_view name) {
  return expr.kind == Kind::kConstant && expr.name == name;
}

namespace {

// The terms of nested sums (or factors of nested products) as one list of keys.
void Flatten(const Expr& expr, Kind kind, std::vector<std::string>& keys) {
  for (const ExprPtr& arg : expr.args) {
    if (arg->kind == kind) {
      Flatten(*arg, kind, keys);
    } else {
      keys.push_back(Key(*arg));
    }
  }
}

}  // namespace

std::string Key(const Expr& expr) {
  if (expr.kind == Kind::kNumber) return expr.value.get_str();
  if (expr.kind == Kind::kSymbol) return absl::StrCat("$", expr.name);
  if (expr.kind == Kind::kConstant) return absl::StrCat("%", expr.name);
  if (expr.kind == Kind::kText) return absl::StrCat("'", expr.name, "'");
  std::vector<std::string> keys;
  if (expr.kind == Kind::kAdd || expr.kind == Kind::kMul) {
    Flatten(expr, expr.kind, keys);
    std::sort(keys.begin(), keys.end());
  } else {
    for (const ExprPtr& arg : expr.args) keys.push_back(Key(*arg));
    if (expr.kind == Kind::kSet) std::sort(keys.begin(), keys.end());
  }
  std::string out = absl::StrCat(static_cast<int>(expr.kind), expr.name);
  if (!expr.ops.empty()) absl::StrAppend(&out, absl::StrJoin(expr.ops, ","));
  if (expr.columns > 0) absl::StrAppend(&out, expr.columns);
  return absl::StrCat(out, "(", absl::StrJoin(keys, ";"), ")");
}

namespace {

void Gather(const Expr& expr, std::vector<std::string>& names) {
  if (expr.kind == Kind::kSymbol &&
      std::find(names.begin(), names.end(), expr.name) == names.end()) {
    names.push_back(expr.name);
  }
  for (const ExprPtr& arg : expr.args) Gather(*arg, names);
}

// Copies the node with other arguments.
ExprPtr With(const Expr& expr, std::vector<ExprPtr> args) {
  auto made = std::make_shared<Expr>(expr);
  made->args = std::move(args);
  return made;
}

ExprPtr TakeSign(const ExprPtr& expr, bool upper) {
  std::vector<ExprPtr> args;
  bool changed = false;
  for (const ExprPtr& arg : expr->args) {
    args.push_back(TakeSign(arg, upper));
    changed = changed || args.back() != arg;
  }
  if (expr->kind == Kind::kPlusMinus) {
    const bool plus = (expr->name == "+-") == upper;
    if (!plus) args.back() = Make(Kind::kNegate, {args.back()});
    if (args.size() == 1) return args[0];
    return Make(Kind::kAdd, std::move(args));
  }
  return changed ? With(*expr, std::move(args)) : expr;
}

}  // namespace

ExprPtr Determinant(const Expr& matrix) {
  constexpr size_t kRowsMax = 4;
  const size_t n = static_cast<size_t>(matrix.columns);
  if (n == 0 || n > kRowsMax || matrix.args.size() != n * n) return nullptr;
  if (n == 1) return matrix.args[0];
  std::vector<ExprPtr> terms;
  for (size_t column = 0; column < n; ++column) {
    Expr minor{.kind = Kind::kMatrix};
    minor.columns = static_cast<int>(n - 1);
    for (size_t i = n; i < n * n; ++i) {
      if (i % n != column) minor.args.push_back(matrix.args[i]);
    }
    const ExprPtr term = Make(Kind::kMul, {matrix.args[column], Determinant(minor)});
    terms.push_back(column % 2 == 0 ? term : Make(Kind::kNegate, {term}));
  }
  return Make(Kind::kAdd, std::move(terms));
}

std::vector<std::string> SymbolsOf(const Expr& expr) {
  std::vector<std::string> names;
  Gather(expr, names);
  return names;
}

ExprPtr Substitute(const ExprPtr& expr, const std::string& name, const ExprPtr& by) {
  if (expr->kind == Kind::kSymbol) return expr->name == name ? by : expr;
  std::vector<ExprPtr> args;
  bool changed = false;
  for (const ExprPtr& arg : expr->args) {
    args.push_back(Substitute(arg, name, by));
    changed = changed || args.back() != arg;
  }
  return changed ? With(*expr, std::move(args)) : expr;
}

std::vector<ExprPtr> BothSigns(const ExprPtr& expr) {
  if (!Any(*expr, [](const Expr& e) { return e.kind == Kind::kPlusMinus; })) return {expr};
  return {TakeSign(expr, true), TakeSign(expr, false)};
}

}  // namespace temper::reward::math
