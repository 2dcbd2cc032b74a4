// Recursive descent; what is read is a small tree that cannot fail.
#include "reward/expression.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace temper::reward {
namespace {

constexpr size_t kBytesMax = 1024;
constexpr int kDepthMax = 32;

bool IsNamePart(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

}  // namespace

class ExpressionParser {
 public:
  using Node = Expression::Node;
  using Kind = Expression::Kind;

  ExpressionParser(std::string_view text, const std::vector<std::string>& names)
      : text_(text), names_(names), used_(names.size(), false) {}

  absl::StatusOr<Expression> Parse() {
    if (text_.size() > kBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("found ", text_.size(), " bytes, expected at most ", kBytesMax));
    }
    TEMPER_ASSIGN_OR_RETURN(Node root, Formula(0));
    Skip();
    if (at_ < text_.size()) return Unexpected("an operator or the end");
    for (size_t i = 0; i < names_.size(); ++i) {
      if (!used_[i]) {
        return absl::InvalidArgumentError(
            absl::StrCat("does not name the part \"", names_[i], "\"; use it or remove the part"));
      }
    }
    return Expression(std::move(root));
  }

 private:
  absl::StatusOr<Node> Formula(int depth) {
    if (depth > kDepthMax) {
      return absl::InvalidArgumentError(absl::StrCat("is nested over ", kDepthMax, " levels"));
    }
    TEMPER_ASSIGN_OR_RETURN(Node value, Sum(depth));
    if (!TakeWord("if")) return value;
    TEMPER_ASSIGN_OR_RETURN(Node condition, Sum(depth));
    if (!TakeWord("else")) return Unexpected("\"else\"");
    TEMPER_ASSIGN_OR_RETURN(Node otherwise, Formula(depth + 1));
    return Make(Kind::kIf, std::move(value), std::move(condition), std::move(otherwise));
  }

  absl::StatusOr<Node> Sum(int depth) {
    TEMPER_ASSIGN_OR_RETURN(Node left, Product(depth));
    while (true) {
      const bool adds = Take('+');
      if (!adds && !Take('-')) return left;
      TEMPER_ASSIGN_OR_RETURN(Node right, Product(depth));
      left = Make(adds ? Kind::kAdd : Kind::kSubtract, std::move(left), std::move(right));
    }
  }

  absl::StatusOr<Node> Product(int depth) {
    TEMPER_ASSIGN_OR_RETURN(Node left, Factor(depth));
    while (true) {
      if (Take('*')) {
        TEMPER_ASSIGN_OR_RETURN(Node right, Factor(depth));
        left = Make(Kind::kMultiply, std::move(left), std::move(right));
      } else if (Take('/')) {
        const std::optional<double> number = Number();
        if (!number.has_value() || *number == 0) return Unexpected("a number other than 0");
        Node inverse{Kind::kNumber};
        inverse.number = 1 / *number;
        left = Make(Kind::kMultiply, std::move(left), std::move(inverse));
      } else {
        return left;
      }
    }
  }

  absl::StatusOr<Node> Factor(int depth) {
    if (Take('-')) {
      if (depth > kDepthMax) {
        return absl::InvalidArgumentError(absl::StrCat("is nested over ", kDepthMax, " levels"));
      }
      TEMPER_ASSIGN_OR_RETURN(Node operand, Factor(depth + 1));
      return Make(Kind::kNegate, std::move(operand));
    }
    if (Take('(')) {
      TEMPER_ASSIGN_OR_RETURN(Node inner, Formula(depth + 1));
      if (!Take(')')) return Unexpected("\")\"");
      return inner;
    }
    if (const std::optional<double> number = Number()) {
      Node node{Kind::kNumber};
      node.number = *number;
      return node;
    }
    const std::string name(Word());
    if (name.empty()) return Unexpected("a number, a part's name or \"(\"");
    if (Take('(')) return Call(name, depth);
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("names \"", name, "\", expected one of ",
                                                     absl::StrJoin(names_, ", "),
                                                     Suggestion(name, names_)));
    }
    Node node{Kind::kPart};
    node.part = static_cast<size_t>(found - names_.begin());
    used_[node.part] = true;
    return node;
  }

  absl::StatusOr<Node> Call(const std::string& name, int depth) {
    Node node{name == "min" ? Kind::kMin : name == "max" ? Kind::kMax : Kind::kClip};
    if (name != "min" && name != "max" && name != "clip") {
      return absl::InvalidArgumentError(
          absl::StrCat("calls \"", name, "\", expected min, max or clip"));
    }
    do {
      TEMPER_ASSIGN_OR_RETURN(Node operand, Formula(depth + 1));
      node.operands.push_back(std::move(operand));
    } while (Take(','));
    if (!Take(')')) return Unexpected("\",\" or \")\"");
    if (name == "clip" && node.operands.size() != 3) {
      return absl::InvalidArgumentError(absl::StrCat("clip takes a value and two bounds, found ",
                                                     node.operands.size(), " operands"));
    }
    return node;
  }

  template <class... Operands>
  static Node Make(Kind kind, Operands... operands) {
    Node node{kind};
    (node.operands.push_back(std::move(operands)), ...);
    return node;
  }

  void Skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Take(char c) {
    Skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view Word() {
    Skip();
    size_t end = at_;
    while (end < text_.size() && IsNamePart(text_[end])) ++end;
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    return word;
  }
  bool TakeWord(std::string_view wanted) {
    const size_t before = at_;
    if (Word() == wanted) return true;
    at_ = before;
    return false;
  }
  std::optional<double> Number() {
    Skip();
    size_t end = at_;
    while (end < text_.size() && (absl::ascii_isdigit(text_[end]) || text_[end] == '.')) ++end;
    double value = 0;
    if (end == at_ || !absl::SimpleAtod(absl::string_view(text_.data() + at_, end - at_), &value) ||
        !std::isfinite(value)) {
      return std::nullopt;
    }
    at_ = end;
    return value;
  }
  absl::Status Unexpected(std::string_view wanted) {
    Skip();
    return absl::InvalidArgumentError(absl::StrCat(
        "column ", at_ + 1, ": found ",
        at_ == text_.size() ? "the end"
                            : absl::StrCat("\"", std::string(text_.substr(at_, 1)), "\""),
        ", expected ", std::string(wanted)));
  }

  const std::string_view text_;
  const std::vector<std::string>& names_;
  std::vector<bool> used_;
  size_t at_ = 0;
};

absl::StatusOr<Expression> Expression::Parse(std::string_view text,
                                             const std::vector<std::string>& names) {
  return ExpressionParser(text, names).Parse();
}

double Expression::ValueOf(const Node& node, std::span<const double> values) {
  const auto operand = [&](size_t i) { return ValueOf(node.operands[i], values); };
  switch (node.kind) {
    case Kind::kNumber:
      return node.number;
    case Kind::kPart:
      return values[node.part];
    case Kind::kAdd:
      return operand(0) + operand(1);
    case Kind::kSubtract:
      return operand(0) - operand(1);
    case Kind::kMultiply:
      return operand(0) * operand(1);
    case Kind::kNegate:
      return -operand(0);
    case Kind::kIf:
      return operand(1) > 0 ? operand(0) : operand(2);
    case Kind::kClip:
      return std::min(std::max(operand(0), operand(1)), operand(2));
    case Kind::kMin:
    case Kind::kMax:
      break;
  }
  double best = operand(0);
  for (size_t i = 1; i < node.operands.size(); ++i) {
    best = node.kind == Kind::kMin ? std::min(best, operand(i)) : std::max(best, operand(i));
  }
  return best;
}

double Expression::Value(std::span<const double> values) const {
  const double value = ValueOf(root_, values);
  return std::isnan(value) ? 0 : std::clamp(value, 0.0, 1.0);
}

}  // namespace temper::reward
