// A template as a tree. Immutable after parsing.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

struct Expression;
using ExpressionPointer = std::unique_ptr<const Expression>;

// f(1, *list, a=2, **dict)
struct CallArguments {
  std::vector<ExpressionPointer> positional;
  std::vector<std::pair<std::string, ExpressionPointer>> named;
  ExpressionPointer list;
  ExpressionPointer dict;
};

struct Expression {
  enum class Kind {
    kConstant,     // constant
    kName,         // name
    kList,         // parts
    kTuple,        // parts
    kDict,         // parts: key, value, key, value, ...
    kAttribute,    // parts[0].name
    kItem,         // parts[0][parts[1]]
    kSlice,        // parts[0][parts[1]:parts[2]:parts[3]], each null when left out
    kCall,         // parts[0](arguments)
    kFilter,       // parts[0]|name(arguments); parts[0] null: of a block
    kTest,         // parts[0] is name(arguments)
    kNot,          // not parts[0]
    kNegative,     // -parts[0]
    kPositive,     // +parts[0]
    kBinary,       // parts[0] name parts[1]
    kConcat,       // parts joined by ~
    kCompare,      // parts[0] signs[0] parts[1] signs[1] parts[2] ...
    kAnd,          // parts
    kOr,           // parts
    kConditional,  // parts[1] if parts[0] else parts[2], which may be null
  };

  Kind kind = Kind::kConstant;
  size_t at = 0;  // byte in the source
  int depth = 1;  // of the tree from here
  std::string name;
  Value constant;
  std::vector<ExpressionPointer> parts;
  std::vector<std::string> signs;
  CallArguments arguments;
};

// What is assigned to.
struct Target {
  enum class Kind { kName, kField, kTuple };

  Kind kind = Kind::kName;
  size_t at = 0;
  std::string name;           // of the variable, or of the namespace
  std::string field;          // of the namespace
  std::vector<Target> parts;  // of a tuple
};

struct Statement;
using Body = std::vector<std::unique_ptr<const Statement>>;

struct Macro {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExpressionPointer> defaults;  // of the last parameters
  Body body;
  bool takes_more = false;   // its body reads `varargs`
  bool takes_named = false;  // its body reads `kwargs`
};

struct Statement {
  enum class Kind {
    kData,         // text
    kOutput,       // {{ expression }}
    kFor,          // target in expression if condition: body, else otherwise
    kIf,           // branches, else otherwise
    kSet,          // target = expression
    kSetBlock,     // target = body, through the filters of expression (may be null)
    kMacro,        // macro
    kCallBlock,    // expression is a call; macro is its caller
    kFilterBlock,  // body through the filters of expression
    kWith,         // targets and values in branches' place; body
    kScope,        // body with variables of its own
    kBreak,
    kContinue,
  };
  struct Branch {
    ExpressionPointer condition;
    Body body;
  };

  Kind kind = Kind::kData;
  size_t at = 0;
  Value text;
  Target target;
  ExpressionPointer expression;
  ExpressionPointer condition;
  std::vector<Branch> branches;
  std::vector<std::pair<Target, ExpressionPointer>> assignments;  // of kWith
  Body body;
  Body otherwise;
  std::unique_ptr<Macro> macro;
  bool recursive = false;
};

}  // namespace temper::model::jinja
