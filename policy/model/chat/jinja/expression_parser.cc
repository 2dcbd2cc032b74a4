// One function a level of precedence.
#include "policy/model/chat/jinja/expression_parser.h"

#include <algorithm>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/nodes.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Kind = Expression::Kind;

int DepthOf(const ExpressionPointer& part) { return part == nullptr ? 0 : part->depth; }

}  // namespace

ExpressionParser::Result ExpressionParser::Make(Expression node) {
  int depth = 0;
  for (const ExpressionPointer& part : node.parts) depth = std::max(depth, DepthOf(part));
  for (const auto& part : node.arguments.positional) depth = std::max(depth, DepthOf(part));
  for (const auto& [name, part] : node.arguments.named) depth = std::max(depth, DepthOf(part));
  depth = std::max({depth, DepthOf(node.arguments.list), DepthOf(node.arguments.dict)});
  node.depth = depth + 1;
  if (node.depth > kSourceNestingMax) {
    return in_.Error(node.at, Words("nested deeper than ", kSourceNestingMax, " levels"));
  }
  return ExpressionPointer(std::make_unique<const Expression>(std::move(node)));
}

ExpressionParser::Result ExpressionParser::Parse(bool conditional) {
  const TokenStream::Level level(in_);
  TEMPER_RETURN_IF_ERROR(level.status());
  const size_t at = in_.current().at;
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, ParseOr());
  while (conditional && in_.TakeName("if")) {
    Expression node = Node(Kind::kConditional, at);
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer condition, ParseOr());
    ExpressionPointer otherwise;
    if (in_.TakeName("else")) {
      TEMPER_ASSIGN_OR_RETURN(otherwise, Parse());
    }
    node.parts.push_back(std::move(condition));
    node.parts.push_back(std::move(value));
    node.parts.push_back(std::move(otherwise));
    TEMPER_ASSIGN_OR_RETURN(value, Make(std::move(node)));
  }
  return value;
}

bool ExpressionParser::AtTupleEnd(std::string_view stop) const {
  const Token& token = in_.current();
  return token.kind == Token::Kind::kVariableEnd || token.kind == Token::Kind::kBlockEnd ||
         token.IsOperator(")") || (!stop.empty() && token.IsName(stop));
}

ExpressionParser::Result ExpressionParser::ParseTuple(bool conditional, std::string_view stop) {
  const size_t at = in_.current().at;
  if (AtTupleEnd(stop)) return in_.Unexpected("an expression");
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer first, Parse(conditional));
  if (!in_.current().IsOperator(",")) return first;
  Expression tuple = NodeOf(Kind::kTuple, at, std::move(first));
  while (in_.TakeOperator(",")) {
    if (AtTupleEnd(stop)) break;
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer part, Parse(conditional));
    tuple.parts.push_back(std::move(part));
  }
  return Make(std::move(tuple));
}

absl::StatusOr<std::string> ExpressionParser::ParseName() {
  if (in_.current().kind != Token::Kind::kName) return in_.Unexpected("a name");
  return in_.Take().text;
}

absl::StatusOr<Target> ExpressionParser::ParseLoneTarget(bool fields) {
  const TokenStream::Level level(in_);
  TEMPER_RETURN_IF_ERROR(level.status());
  if (in_.TakeOperator("(")) {
    TEMPER_ASSIGN_OR_RETURN(Target target, ParseTarget(fields, ""));
    TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(")"));
    return target;
  }
  Target target{.at = in_.current().at};
  TEMPER_ASSIGN_OR_RETURN(target.name, ParseName());
  constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
  if (std::ranges::find(kReserved, target.name) != std::end(kReserved)) {
    return in_.Error(target.at, Words("cannot assign to ", target.name));
  }
  if (fields && in_.TakeOperator(".")) {
    target.kind = Target::Kind::kField;
    TEMPER_ASSIGN_OR_RETURN(target.field, ParseName());
  }
  return target;
}

absl::StatusOr<Target> ExpressionParser::ParseTarget(bool fields, std::string_view stop) {
  Target tuple{.kind = Target::Kind::kTuple, .at = in_.current().at};
  TEMPER_ASSIGN_OR_RETURN(Target first, ParseLoneTarget(fields));
  if (!in_.current().IsOperator(",")) return first;
  tuple.parts.push_back(std::move(first));
  while (in_.TakeOperator(",")) {
    if (AtTupleEnd(stop) || in_.current().IsOperator("=")) break;
    TEMPER_ASSIGN_OR_RETURN(Target part, ParseLoneTarget(fields));
    tuple.parts.push_back(std::move(part));
  }
  return tuple;
}

ExpressionParser::Result ExpressionParser::ParseOr() {
  const size_t at = in_.current().at;
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer first, ParseAnd());
  if (!in_.current().IsName("or")) return first;
  Expression node = NodeOf(Kind::kOr, at, std::move(first));
  while (in_.TakeName("or")) {
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer part, ParseAnd());
    node.parts.push_back(std::move(part));
  }
  return Make(std::move(node));
}

ExpressionParser::Result ExpressionParser::ParseAnd() {
  const size_t at = in_.current().at;
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer first, ParseNot());
  if (!in_.current().IsName("and")) return first;
  Expression node = NodeOf(Kind::kAnd, at, std::move(first));
  while (in_.TakeName("and")) {
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer part, ParseNot());
    node.parts.push_back(std::move(part));
  }
  return Make(std::move(node));
}

ExpressionParser::Result ExpressionParser::ParseNot() {
  const size_t at = in_.current().at;
  int negations = 0;
  while (in_.TakeName("not")) ++negations;
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, ParseCompare());
  for (; negations > 0; --negations) {
    TEMPER_ASSIGN_OR_RETURN(value, Make(NodeOf(Kind::kNot, at, std::move(value))));
  }
  return value;
}

ExpressionParser::Result ExpressionParser::ParseCompare() {
  const size_t at = in_.current().at;
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer first, ParseSum());
  Expression node = NodeOf(Kind::kCompare, at, std::move(first));
  constexpr std::string_view kSigns[] = {"==", "!=", "<", "<=", ">", ">="};
  for (;;) {
    const Token& token = in_.current();
    if (token.kind == Token::Kind::kOperator &&
        std::ranges::find(kSigns, token.text) != std::end(kSigns)) {
      node.signs.push_back(in_.Take().text);
    } else if (in_.TakeName("in")) {
      node.signs.push_back("in");
    } else if (token.IsName("not") && in_.next().IsName("in")) {
      in_.Take();
      in_.Take();
      node.signs.push_back("not in");
    } else {
      break;
    }
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer part, ParseSum());
    node.parts.push_back(std::move(part));
  }
  if (node.signs.empty()) return std::move(node.parts[0]);
  return Make(std::move(node));
}

ExpressionParser::Result ExpressionParser::ParseSum() {
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, ParseConcat());
  while (in_.current().IsOperator("+") || in_.current().IsOperator("-")) {
    const Token sign = in_.Take();
    Expression node = NodeOf(Kind::kBinary, sign.at, std::move(value), sign.text);
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer right, ParseConcat());
    node.parts.push_back(std::move(right));
    TEMPER_ASSIGN_OR_RETURN(value, Make(std::move(node)));
  }
  return value;
}

ExpressionParser::Result ExpressionParser::ParseConcat() {
  const size_t at = in_.current().at;
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer first, ParseProduct());
  if (!in_.current().IsOperator("~")) return first;
  Expression node = NodeOf(Kind::kConcat, at, std::move(first));
  while (in_.TakeOperator("~")) {
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer part, ParseProduct());
    node.parts.push_back(std::move(part));
  }
  return Make(std::move(node));
}

ExpressionParser::Result ExpressionParser::ParseProduct() {
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, ParsePower());
  constexpr std::string_view kSigns[] = {"*", "/", "//", "%"};
  while (in_.current().kind == Token::Kind::kOperator &&
         std::ranges::find(kSigns, in_.current().text) != std::end(kSigns)) {
    const Token sign = in_.Take();
    Expression node = NodeOf(Kind::kBinary, sign.at, std::move(value), sign.text);
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer right, ParsePower());
    node.parts.push_back(std::move(right));
    TEMPER_ASSIGN_OR_RETURN(value, Make(std::move(node)));
  }
  return value;
}

// Jinja's power groups to the left, unlike Python's.
ExpressionParser::Result ExpressionParser::ParsePower() {
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, ParseUnary(/*filters=*/true));
  while (in_.current().IsOperator("**")) {
    const Token sign = in_.Take();
    Expression node = NodeOf(Kind::kBinary, sign.at, std::move(value), sign.text);
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer right, ParseUnary(/*filters=*/true));
    node.parts.push_back(std::move(right));
    TEMPER_ASSIGN_OR_RETURN(value, Make(std::move(node)));
  }
  return value;
}

ExpressionParser::Result ExpressionParser::ParseUnary(bool filters) {
  const TokenStream::Level level(in_);
  TEMPER_RETURN_IF_ERROR(level.status());
  const size_t at = in_.current().at;
  ExpressionPointer value;
  if (in_.TakeOperator("-")) {
    TEMPER_ASSIGN_OR_RETURN(value, ParseUnary(/*filters=*/false));
    TEMPER_ASSIGN_OR_RETURN(value, Make(NodeOf(Kind::kNegative, at, std::move(value))));
  } else if (in_.TakeOperator("+")) {
    TEMPER_ASSIGN_OR_RETURN(value, ParseUnary(/*filters=*/false));
    TEMPER_ASSIGN_OR_RETURN(value, Make(NodeOf(Kind::kPositive, at, std::move(value))));
  } else {
    TEMPER_ASSIGN_OR_RETURN(value, ParsePrimary());
  }
  TEMPER_ASSIGN_OR_RETURN(value, ParsePostfix(std::move(value)));
  if (!filters) return value;
  return ParseFilterChain(std::move(value));
}

ExpressionParser::Result ExpressionParser::ParsePrimary() {
  const Token& token = in_.current();
  const size_t at = token.at;
  switch (token.kind) {
    case Token::Kind::kInteger:
      return Make(ConstantNode(at, Value::Int(in_.Take().integer)));
    case Token::Kind::kFloat:
      return Make(ConstantNode(at, Value::Float(in_.Take().real)));
    case Token::Kind::kString: {
      std::string text = in_.Take().text;
      while (in_.current().kind == Token::Kind::kString) text += in_.Take().text;
      return Make(ConstantNode(at, Value::String(text)));
    }
    case Token::Kind::kName: {
      const std::string name = in_.Take().text;
      if (name == "true" || name == "True") return Make(ConstantNode(at, Value::Bool(true)));
      if (name == "false" || name == "False") return Make(ConstantNode(at, Value::Bool(false)));
      if (name == "none" || name == "None") return Make(ConstantNode(at, Value()));
      names_read_.push_back(name);
      return Make(Node(Kind::kName, at, name));
    }
    default:
      break;
  }
  if (token.IsOperator("(")) return ParseParentheses();
  if (token.IsOperator("[")) return ParseList();
  if (token.IsOperator("{")) return ParseDict();
  return in_.Unexpected("an expression");
}

ExpressionParser::Result ExpressionParser::ParseParentheses() {
  const size_t at = in_.Take().at;
  if (in_.TakeOperator(")")) return Make(Node(Kind::kTuple, at));
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, ParseTuple(/*conditional=*/true, ""));
  TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(")"));
  return value;
}

ExpressionParser::Result ExpressionParser::ParseList() {
  Expression node = Node(Kind::kList, in_.Take().at);
  while (!in_.TakeOperator("]")) {
    if (!node.parts.empty()) {
      TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(","));
      if (in_.TakeOperator("]")) break;
    }
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer part, Parse());
    node.parts.push_back(std::move(part));
  }
  return Make(std::move(node));
}

ExpressionParser::Result ExpressionParser::ParseDict() {
  Expression node = Node(Kind::kDict, in_.Take().at);
  while (!in_.TakeOperator("}")) {
    if (!node.parts.empty()) {
      TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(","));
      if (in_.TakeOperator("}")) break;
    }
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer key, Parse());
    TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(":"));
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, Parse());
    node.parts.push_back(std::move(key));
    node.parts.push_back(std::move(value));
  }
  return Make(std::move(node));
}

}  // namespace temper::model::jinja
