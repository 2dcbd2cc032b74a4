// The tree of an expression; only its parser and its evaluation look into it.
#pragma once

#include <string>
#include <vector>

#include "agents/graph/expression.h"

namespace temper::agents {

struct Expression::Node {
  enum class Kind { kNumber, kText, kReference, kBuiltin, kFunction, kOperator };

  Kind kind = Kind::kNumber;
  Place place;
  double number = 0;
  std::string
      word;  // the text; the builtin's, function's or operator's name ("-" with one operand)
  Reference reference;
  std::vector<Node> operands;
};

}  // namespace temper::agents
