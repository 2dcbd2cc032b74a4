// Sums and products of matrices, and vectors written in other ways.
#include <utility>

#include "reward/math/comparer.h"

namespace temper::reward::math {

namespace {

bool HasMatrix(const Expr& expr) {
  return Any(expr, [](const Expr& e) { return e.kind == Kind::kMatrix; });
}

// A column or a row is a vector, as is a tuple.
bool IsVector(const Expr& matrix) {
  return matrix.columns == 1 || static_cast<size_t>(matrix.columns) == matrix.args.size();
}

ExprPtr Matrix(std::vector<ExprPtr> cells, int columns) {
  auto made = std::make_shared<Expr>();
  made->kind = Kind::kMatrix;
  made->args = std::move(cells);
  made->columns = columns;
  return made;
}

ExprPtr Product(const Expr& a, const Expr& b, Fuel& fuel) {
  const size_t inner = static_cast<size_t>(a.columns);
  const size_t columns = static_cast<size_t>(b.columns);
  if (b.args.size() != inner * columns) return nullptr;
  const size_t rows = a.args.size() / inner;
  if (!fuel.Spend(static_cast<long>(rows * inner * columns))) return nullptr;
  std::vector<ExprPtr> cells;
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) {
      std::vector<ExprPtr> terms;
      for (size_t k = 0; k < inner; ++k) {
        terms.push_back(Make(Kind::kMul, {a.args[i * inner + k], b.args[k * columns + j]}));
      }
      cells.push_back(terms.size() == 1 ? terms[0] : Make(Kind::kAdd, std::move(terms)));
    }
  }
  return Matrix(std::move(cells), b.columns);
}

ExprPtr Scaled(const ExprPtr& by, const Expr& matrix, Kind kind) {
  std::vector<ExprPtr> cells;
  for (const ExprPtr& cell : matrix.args) {
    cells.push_back(kind == Kind::kDivide ? Make(kind, {cell, by}) : Make(kind, {by, cell}));
  }
  return Matrix(std::move(cells), matrix.columns);
}

}  // namespace

ExprPtr AsMatrix(const ExprPtr& expr, Fuel& fuel) {
  if (!fuel.Spend(1)) return nullptr;
  if (expr->kind == Kind::kMatrix) return expr;
  if (expr->kind == Kind::kNegate || (expr->kind == Kind::kDivide && !HasMatrix(*expr->args[1]))) {
    const ExprPtr inner = AsMatrix(expr->args[0], fuel);
    if (inner == nullptr) return nullptr;
    return expr->kind == Kind::kNegate ? Scaled(Number(-1), *inner, Kind::kMul)
                                       : Scaled(expr->args[1], *inner, Kind::kDivide);
  }
  if (expr->kind == Kind::kAdd) {
    ExprPtr total;
    for (const ExprPtr& arg : expr->args) {
      const ExprPtr next = AsMatrix(arg, fuel);
      if (next == nullptr) return nullptr;
      if (total == nullptr) {
        total = next;
        continue;
      }
      if (total->columns != next->columns || total->args.size() != next->args.size())
        return nullptr;
      std::vector<ExprPtr> cells;
      for (size_t i = 0; i < next->args.size(); ++i) {
        cells.push_back(Make(Kind::kAdd, {total->args[i], next->args[i]}));
      }
      total = Matrix(std::move(cells), total->columns);
    }
    return total;
  }
  if (expr->kind == Kind::kMul) {
    ExprPtr total;
    std::vector<ExprPtr> scalars;
    for (const ExprPtr& arg : expr->args) {
      if (!HasMatrix(*arg)) {
        scalars.push_back(arg);
        continue;
      }
      const ExprPtr next = AsMatrix(arg, fuel);
      if (next == nullptr) return nullptr;
      total = total == nullptr ? next : Product(*total, *next, fuel);
      if (total == nullptr) return nullptr;
    }
    if (total == nullptr) return nullptr;
    for (const ExprPtr& scalar : scalars) total = Scaled(scalar, *total, Kind::kMul);
    return total;
  }
  return nullptr;
}

Finding Comparer::CompareMatrices(const Expr& gold_in, const Expr& answer_in) {
  const auto vector = [this](const Expr& expr) -> ExprPtr {
    if (expr.kind == Kind::kBracketed) return Matrix(expr.args, 1);
    return AsMatrix(std::make_shared<Expr>(expr), fuel_);
  };
  const ExprPtr gold = vector(gold_in);
  const ExprPtr answer = vector(answer_in);
  if (gold == nullptr || answer == nullptr) {
    if (Key(gold_in) == Key(answer_in)) return {Verdict::kEqual, true, "the same expression"};
    return {Verdict::kNotEqual, false, "a matrix against another kind of answer"};
  }
  const bool tuple = gold_in.kind == Kind::kBracketed || answer_in.kind == Kind::kBracketed;
  if (tuple ? !IsVector(*gold) || !IsVector(*answer) : gold->columns != answer->columns) {
    return {Verdict::kNotEqual, false, "a matrix of another shape"};
  }
  return CompareOrdered(gold->args, answer->args, "matrix");
}

}  // namespace temper::reward::math
