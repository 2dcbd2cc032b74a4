// What follows a value: attributes, items, calls, filters and tests.
#include "base/status_macros.h"
#include "policy/model/chat/jinja/expression_parser.h"
#include "policy/model/chat/jinja/nodes.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Kind = Expression::Kind;

}  // namespace

ExpressionParser::Result ExpressionParser::ParsePostfix(ExpressionPointer value) {
  for (;;) {
    const Token& token = in_.current();
    if (token.IsOperator(".")) {
      TEMPER_ASSIGN_OR_RETURN(value, ParseDot(std::move(value)));
    } else if (token.IsOperator("[")) {
      TEMPER_ASSIGN_OR_RETURN(value, ParseSubscript(std::move(value)));
    } else if (token.IsOperator("(")) {
      TEMPER_ASSIGN_OR_RETURN(value, ParseCall(std::move(value)));
    } else {
      return value;
    }
  }
}

ExpressionParser::Result ExpressionParser::ParseFilterChain(ExpressionPointer value) {
  for (;;) {
    const Token& token = in_.current();
    if (token.IsOperator("|")) {
      TEMPER_ASSIGN_OR_RETURN(value, ParseFilters(std::move(value), false));
    } else if (token.IsName("is")) {
      TEMPER_ASSIGN_OR_RETURN(value, ParseTest(std::move(value)));
    } else if (token.IsOperator("(")) {
      TEMPER_ASSIGN_OR_RETURN(value, ParseCall(std::move(value)));
    } else {
      return value;
    }
  }
}

ExpressionParser::Result ExpressionParser::ParseDot(ExpressionPointer value) {
  const size_t at = in_.Take().at;
  if (in_.current().kind == Token::Kind::kInteger) {
    Expression node = NodeOf(Kind::kItem, at, std::move(value));
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer index, ParsePrimary());
    node.parts.push_back(std::move(index));
    return Make(std::move(node));
  }
  TEMPER_ASSIGN_OR_RETURN(std::string name, ParseName());
  return Make(NodeOf(Kind::kAttribute, at, std::move(value), std::move(name)));
}

ExpressionParser::Result ExpressionParser::ParseSubscript(ExpressionPointer value) {
  const size_t at = in_.Take().at;
  Expression node = NodeOf(Kind::kItem, at, std::move(value));
  for (int place = 0; place < 3; ++place) {
    ExpressionPointer part;
    const bool left_out = in_.current().IsOperator(":") || in_.current().IsOperator("]");
    if (left_out && place == 0 && in_.current().IsOperator("]")) {
      return in_.Unexpected("an index");
    }
    if (!left_out) {
      TEMPER_ASSIGN_OR_RETURN(part, Parse());
    }
    node.parts.push_back(std::move(part));
    if (!in_.TakeOperator(":")) break;
    node.kind = Kind::kSlice;
  }
  if (node.kind == Kind::kSlice) node.parts.resize(4);
  TEMPER_RETURN_IF_ERROR(in_.ExpectOperator("]"));
  return Make(std::move(node));
}

absl::StatusOr<CallArguments> ExpressionParser::ParseArguments() {
  TEMPER_RETURN_IF_ERROR(in_.ExpectOperator("("));
  CallArguments arguments;
  for (bool first = true; !in_.TakeOperator(")"); first = false) {
    if (!first) {
      TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(","));
      if (in_.TakeOperator(")")) break;
    }
    const size_t at = in_.current().at;
    if (in_.TakeOperator("*")) {
      if (arguments.list || arguments.dict) return in_.Error(at, "unexpected *");
      TEMPER_ASSIGN_OR_RETURN(arguments.list, Parse());
    } else if (in_.TakeOperator("**")) {
      if (arguments.dict) return in_.Error(at, "unexpected **");
      TEMPER_ASSIGN_OR_RETURN(arguments.dict, Parse());
    } else if (in_.current().kind == Token::Kind::kName && in_.next().IsOperator("=")) {
      std::string name = in_.Take().text;
      in_.Take();
      TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, Parse());
      arguments.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!arguments.named.empty() || arguments.list || arguments.dict) {
        return in_.Error(at, "an argument without a name after one with a name");
      }
      TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, Parse());
      arguments.positional.push_back(std::move(value));
    }
  }
  return arguments;
}

ExpressionParser::Result ExpressionParser::ParseCall(ExpressionPointer value) {
  Expression node = NodeOf(Kind::kCall, in_.current().at, std::move(value));
  TEMPER_ASSIGN_OR_RETURN(node.arguments, ParseArguments());
  return Make(std::move(node));
}

ExpressionParser::Result ExpressionParser::ParseFilters(ExpressionPointer value,
                                                        bool starts_inside) {
  while (starts_inside || in_.TakeOperator("|")) {
    starts_inside = false;
    const size_t at = in_.current().at;
    TEMPER_ASSIGN_OR_RETURN(std::string name, ParseName());
    Expression node = NodeOf(Kind::kFilter, at, std::move(value), std::move(name));
    if (in_.current().IsOperator("(")) {
      TEMPER_ASSIGN_OR_RETURN(node.arguments, ParseArguments());
    }
    TEMPER_ASSIGN_OR_RETURN(value, Make(std::move(node)));
  }
  return value;
}

ExpressionParser::Result ExpressionParser::ParseTest(ExpressionPointer value) {
  const size_t at = in_.Take().at;
  const bool negated = in_.TakeName("not");
  TEMPER_ASSIGN_OR_RETURN(std::string name, ParseName());
  Expression node = NodeOf(Kind::kTest, at, std::move(value), std::move(name));
  const Token& token = in_.current();
  const bool lone_argument =
      token.kind == Token::Kind::kString || token.kind == Token::Kind::kInteger ||
      token.kind == Token::Kind::kFloat || token.IsOperator("[") || token.IsOperator("{") ||
      (token.kind == Token::Kind::kName && !token.IsName("else") && !token.IsName("or") &&
       !token.IsName("and"));
  if (token.IsOperator("(")) {
    TEMPER_ASSIGN_OR_RETURN(node.arguments, ParseArguments());
  } else if (lone_argument) {
    if (token.IsName("is")) return in_.Error(token.at, "tests cannot be chained with is");
    TEMPER_ASSIGN_OR_RETURN(ExpressionPointer argument, ParsePrimary());
    TEMPER_ASSIGN_OR_RETURN(argument, ParsePostfix(std::move(argument)));
    node.arguments.positional.push_back(std::move(argument));
  }
  TEMPER_ASSIGN_OR_RETURN(ExpressionPointer test, Make(std::move(node)));
  if (!negated) return test;
  return Make(NodeOf(Kind::kNot, at, std::move(test)));
}

}  // namespace temper::model::jinja
