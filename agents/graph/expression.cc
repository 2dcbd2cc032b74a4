// What an expression is worth, and whether lists stand only where they may.
#include "agents/graph/expression.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agents/graph/expression_node.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace temper::agents {
namespace {

using Node = Expression::Node;
using Kind = Node::Kind;
using List = Operand::List;

absl::Status Wrong(const Node& node, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(node.place.line, ":", node.place.column, ": ", std::string(what)));
}

std::string Shown(const Operand& operand) {
  if (const auto* text = std::get_if<std::string>(&operand.value)) {
    return absl::StrCat("the text \"", ValidUtf8(text->substr(0, 40)),
                        text->size() > 40 ? "...\"" : "\"");
  }
  if (const auto* number = std::get_if<double>(&operand.value)) return absl::StrCat(*number);
  if (const auto* truth = std::get_if<bool>(&operand.value)) return *truth ? "true" : "false";
  if (operand.absent()) return "something absent";
  return absl::StrCat("a list of ", std::get<List>(operand.value).size());
}

// Nothing for what is absent.
absl::StatusOr<std::optional<double>> Number(const Node& node, const Operand& operand) {
  if (operand.absent()) return std::optional<double>();
  if (operand.score.has_value()) return operand.score;
  if (const auto* number = std::get_if<double>(&operand.value)) return *number;
  if (const auto* truth = std::get_if<bool>(&operand.value)) return *truth ? 1.0 : 0.0;
  double number = 0;
  if (const auto* text = std::get_if<std::string>(&operand.value);
      text != nullptr && absl::SimpleAtod(*text, &number) && std::isfinite(number)) {
    return number;
  }
  return Wrong(node, absl::StrCat("found ", Shown(operand), "; \"", node.word,
                                  "\" expects a number or a text that has a score"));
}

// Nothing for what is absent.
absl::StatusOr<std::optional<bool>> Truth(const Node& node, const Operand& operand) {
  if (operand.absent()) return std::optional<bool>();
  if (const auto* truth = std::get_if<bool>(&operand.value)) return *truth;
  if (const auto* number = std::get_if<double>(&operand.value)) return *number > 0;
  return Wrong(node, absl::StrCat("found ", Shown(operand), "; expected a condition"));
}

bool Ordered(std::string_view sign, double left, double right) {
  if (sign == "<") return left < right;
  if (sign == "<=") return left <= right;
  if (sign == ">") return left > right;
  if (sign == ">=") return left >= right;
  return (left == right) == (sign == "==");
}

absl::StatusOr<Operand> Compare(const Node& node, const Operand& left, const Operand& right) {
  if (left.absent() || right.absent()) return Operand{};
  const auto* left_text = std::get_if<std::string>(&left.value);
  const auto* right_text = std::get_if<std::string>(&right.value);
  if (left_text != nullptr && right_text != nullptr && (node.word == "==" || node.word == "!=")) {
    return Operand{(*left_text == *right_text) == (node.word == "==")};
  }
  TEMPER_ASSIGN_OR_RETURN(const std::optional<double> a, Number(node, left));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<double> b, Number(node, right));
  return Operand{Ordered(node.word, *a, *b)};
}

absl::StatusOr<Operand> Calculate(const Node& node, const Operand& left, const Operand& right) {
  TEMPER_ASSIGN_OR_RETURN(const std::optional<double> a, Number(node, left));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<double> b, Number(node, right));
  if (!a.has_value() || !b.has_value()) return Operand{};
  const char sign = node.word[0];
  if (sign == '/' && *b == 0) return Wrong(node, absl::StrCat("divides ", *a, " by 0"));
  const double value = sign == '+'   ? *a + *b
                       : sign == '-' ? *a - *b
                       : sign == '*' ? *a * *b
                                     : *a / *b;
  if (!std::isfinite(value)) return Wrong(node, absl::StrCat("\"", node.word, "\" overflows"));
  return Operand{value};
}

using Pairwise = absl::StatusOr<Operand> (*)(const Node&, const Operand&, const Operand&);

// Element by element where one side is a list.
absl::StatusOr<Operand> Spread(const Node& node, const Operand& left, const Operand& right,
                               Pairwise apply) {
  const auto* left_list = std::get_if<List>(&left.value);
  const auto* right_list = std::get_if<List>(&right.value);
  if (left_list != nullptr && right_list != nullptr) {
    return Wrong(node, absl::StrCat("found a list on both sides of \"", node.word, "\""));
  }
  if (left_list == nullptr && right_list == nullptr) return apply(node, left, right);
  List list;
  for (const Operand& element : left_list != nullptr ? *left_list : *right_list) {
    TEMPER_ASSIGN_OR_RETURN(Operand value, left_list != nullptr
                                               ? Spread(node, element, right, apply)
                                               : Spread(node, left, element, apply));
    list.push_back(std::move(value));
  }
  return Operand{std::move(list)};
}

// Calls `each` for what is present, of lists for their elements.
absl::Status ForPresent(const Operand& operand,
                        absl::FunctionRef<absl::Status(const Operand&)> each) {
  if (operand.absent()) return absl::OkStatus();
  const auto* list = std::get_if<List>(&operand.value);
  if (list == nullptr) return each(operand);
  for (const Operand& element : *list) TEMPER_RETURN_IF_ERROR(ForPresent(element, each));
  return absl::OkStatus();
}

double Characters(std::string_view text) {
  return static_cast<double>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

absl::StatusOr<Operand> Count(const Operand& operand) {
  double count = 0;
  TEMPER_RETURN_IF_ERROR(ForPresent(operand, [&](const Operand& element) {
    const auto* truth = std::get_if<bool>(&element.value);
    count += truth == nullptr || *truth ? 1 : 0;
    return absl::OkStatus();
  }));
  return Operand{count};
}

absl::StatusOr<Operand> Length(const Node& node, const Operand& operand) {
  if (operand.absent()) return Operand{};
  if (const auto* text = std::get_if<std::string>(&operand.value))
    return Operand{Characters(*text)};
  if (!std::holds_alternative<List>(operand.value)) {
    return Wrong(node, absl::StrCat("found ", Shown(operand), "; len expects a text or a list"));
  }
  double length = 0;
  TEMPER_RETURN_IF_ERROR(ForPresent(operand, [&](const Operand&) {
    ++length;
    return absl::OkStatus();
  }));
  return Operand{length};
}

// score and abs, of lists for each element.
absl::StatusOr<Operand> OfEach(const Node& node, const Operand& operand) {
  if (const auto* elements = std::get_if<List>(&operand.value)) {
    List list;
    for (const Operand& element : *elements) {
      TEMPER_ASSIGN_OR_RETURN(Operand value, OfEach(node, element));
      list.push_back(std::move(value));
    }
    return Operand{std::move(list)};
  }
  // What nobody scored has no score: absent, not wrong.
  if (node.word == "score" && std::holds_alternative<std::string>(operand.value)) {
    return operand.score.has_value() ? Operand{*operand.score} : Operand{};
  }
  TEMPER_ASSIGN_OR_RETURN(const std::optional<double> number, Number(node, operand));
  if (!number.has_value()) return Operand{};
  return Operand{node.word == "abs" ? std::abs(*number) : *number};
}

// min, max and mean of all that is present.
absl::StatusOr<Operand> OfAll(const Node& node, const std::vector<Operand>& operands) {
  std::vector<double> numbers;
  for (const Operand& operand : operands) {
    TEMPER_RETURN_IF_ERROR(ForPresent(operand, [&](const Operand& element) -> absl::Status {
      TEMPER_ASSIGN_OR_RETURN(const std::optional<double> number, Number(node, element));
      numbers.push_back(*number);
      return absl::OkStatus();
    }));
  }
  if (numbers.empty()) return Operand{};
  if (node.word == "min") return Operand{*std::min_element(numbers.begin(), numbers.end())};
  if (node.word == "max") return Operand{*std::max_element(numbers.begin(), numbers.end())};
  double sum = 0;
  for (const double number : numbers) sum += number;
  return Operand{sum / static_cast<double>(numbers.size())};
}

absl::StatusOr<Operand> ValueOf(const Node& node, const ExpressionScope& scope);

absl::StatusOr<Operand> OfFunction(const Node& node, const ExpressionScope& scope) {
  std::vector<Operand> operands;
  for (const Node& operand : node.operands) {
    TEMPER_ASSIGN_OR_RETURN(Operand value, ValueOf(operand, scope));
    operands.push_back(std::move(value));
  }
  if (node.word == "count") return Count(operands[0]);
  if (node.word == "len") return Length(node, operands[0]);
  if (node.word == "score" || node.word == "abs") return OfEach(node, operands[0]);
  return OfAll(node, operands);
}

// An absent side leaves the answer open unless the other one decides it.
absl::StatusOr<Operand> Logic(const Node& node, const ExpressionScope& scope) {
  const bool decides = node.word == "or";
  TEMPER_ASSIGN_OR_RETURN(const Operand left, ValueOf(node.operands[0], scope));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<bool> a, Truth(node, left));
  if (a == decides) return Operand{decides};
  TEMPER_ASSIGN_OR_RETURN(const Operand right, ValueOf(node.operands[1], scope));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<bool> b, Truth(node, right));
  if (b == decides) return Operand{decides};
  if (!a.has_value() || !b.has_value()) return Operand{};
  return Operand{!decides};
}

absl::StatusOr<Operand> OfOperator(const Node& node, const ExpressionScope& scope) {
  if (node.word == "and" || node.word == "or") return Logic(node, scope);
  TEMPER_ASSIGN_OR_RETURN(const Operand left, ValueOf(node.operands[0], scope));
  if (node.word == "not") {
    TEMPER_ASSIGN_OR_RETURN(const std::optional<bool> truth, Truth(node, left));
    return truth.has_value() ? Operand{!*truth} : Operand{};
  }
  if (node.operands.size() == 1) return Spread(node, Operand{0.0}, left, Calculate);
  TEMPER_ASSIGN_OR_RETURN(const Operand right, ValueOf(node.operands[1], scope));
  const bool calculates = std::string_view("+-*/").find(node.word) != std::string_view::npos;
  return Spread(node, left, right, calculates ? Calculate : Compare);
}

absl::StatusOr<Operand> ValueOf(const Node& node, const ExpressionScope& scope) {
  switch (node.kind) {
    case Kind::kNumber:
      return Operand{node.number};
    case Kind::kText:
      return Operand{node.word};
    case Kind::kReference:
      return scope.Get(node.reference);
    case Kind::kBuiltin:
      return scope.Builtin(node.word);
    case Kind::kFunction:
      return OfFunction(node, scope);
    case Kind::kOperator:
      break;
  }
  return OfOperator(node, scope);
}

absl::StatusOr<bool> IsList(const Node& node, absl::FunctionRef<bool(const Reference&)> is_list) {
  if (node.kind == Kind::kReference) return is_list(node.reference);
  int lists = 0;
  for (const Node& operand : node.operands) {
    TEMPER_ASSIGN_OR_RETURN(const bool list, IsList(operand, is_list));
    lists += list ? 1 : 0;
    if (list && (node.word == "and" || node.word == "or" || node.word == "not")) {
      return Wrong(operand, absl::StrCat("found a list; \"", node.word,
                                         "\" expects one value, such as count(...) > 0"));
    }
  }
  if (node.kind == Kind::kFunction)
    return lists > 0 && (node.word == "score" || node.word == "abs");
  if (lists > 1) {
    return Wrong(node, absl::StrCat("found a list on both sides of \"", node.word,
                                    "\"; expected one of them to be one value, such as max(...)"));
  }
  return lists > 0;
}

}  // namespace

absl::StatusOr<Operand> Expression::Evaluate(const ExpressionScope& scope) const {
  return ValueOf(*root_, scope);
}

absl::StatusOr<bool> Expression::Holds(const ExpressionScope& scope) const {
  TEMPER_ASSIGN_OR_RETURN(const Operand value, Evaluate(scope));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<bool> truth, Truth(*root_, value));
  return truth.value_or(false);
}

absl::Status Expression::CheckLists(absl::FunctionRef<bool(const Reference&)> is_list) const {
  TEMPER_ASSIGN_OR_RETURN(const bool list, IsList(*root_, is_list));
  if (!list) return absl::OkStatus();
  return Wrong(*root_, absl::StrCat("found a list where one value is expected; count(", text_,
                                    "), min, max or mean make one of it"));
}

}  // namespace temper::agents
