// Makes the nodes of a syntax tree, before the parser weighs them.
#pragma once

#include <string>
#include <utility>

#include "policy/model/chat/jinja/ast.h"

namespace temper::model::jinja {

inline Expression Node(Expression::Kind kind, size_t at, std::string name = "") {
  Expression node;
  node.kind = kind;
  node.at = at;
  node.name = std::move(name);
  return node;
}

inline Expression ConstantNode(size_t at, Value value) {
  Expression node = Node(Expression::Kind::kConstant, at);
  node.constant = std::move(value);
  return node;
}

inline Expression NodeOf(Expression::Kind kind, size_t at, ExpressionPointer part,
                         std::string name = "") {
  Expression node = Node(kind, at, std::move(name));
  node.parts.push_back(std::move(part));
  return node;
}

}  // namespace temper::model::jinja
