// Expressions of a rendering.
#include "base/check.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/filters.h"
#include "policy/model/chat/jinja/machine.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/python_text.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {

using Kind = Expression::Kind;

Machine::Result Machine::Evaluate(const Expression& expression) {
  Meter::Level level(meter_);
  const absl::Status entered = level.Enter();
  Result value = entered.ok() ? EvaluateNode(expression) : entered;
  if (!value.ok()) return Located(expression.at, value.status());
  return value;
}

Machine::Result Machine::EvaluateNode(const Expression& e) {
  switch (e.kind) {
    case Kind::kConstant:
      return e.constant;
    case Kind::kName:
      return EvaluateName(e);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
      return EvaluateItems(e);
    case Kind::kAttribute: {
      TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*e.parts[0]));
      return Attribute(value, e.name);
    }
    case Kind::kItem: {
      TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*e.parts[0]));
      TEMPER_ASSIGN_OR_RETURN(const Value key, Evaluate(*e.parts[1]));
      return Item(meter_, value, key);
    }
    case Kind::kSlice:
      return EvaluateSlice(e);
    case Kind::kCall: {
      TEMPER_ASSIGN_OR_RETURN(const Value callee, Evaluate(*e.parts[0]));
      TEMPER_ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(e.arguments));
      return Call(callee, std::move(arguments));
    }
    case Kind::kFilter:
      return ApplyFilters(e, nullptr);
    case Kind::kTest:
      return EvaluateTest(e);
    case Kind::kNot: {
      TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*e.parts[0]));
      return Value::Bool(!Truth(value));
    }
    case Kind::kNegative: {
      TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*e.parts[0]));
      return Negate(value);
    }
    case Kind::kPositive: {
      TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*e.parts[0]));
      TEMPER_ASSIGN_OR_RETURN(const Value negated, Negate(value));
      return Negate(negated);
    }
    case Kind::kBinary: {
      TEMPER_ASSIGN_OR_RETURN(const Value a, Evaluate(*e.parts[0]));
      TEMPER_ASSIGN_OR_RETURN(const Value b, Evaluate(*e.parts[1]));
      return Calculate(meter_, e.name, a, b);
    }
    case Kind::kConcat:
      return EvaluateConcat(e);
    case Kind::kCompare:
      return EvaluateCompare(e);
    case Kind::kAnd:
    case Kind::kOr:
      return EvaluateLogic(e);
    case Kind::kConditional: {
      TEMPER_ASSIGN_OR_RETURN(const Value condition, Evaluate(*e.parts[0]));
      if (Truth(condition)) return Evaluate(*e.parts[1]);
      if (e.parts[2] != nullptr) return Evaluate(*e.parts[2]);
      return Value::UndefinedFor("the inline if-expression was false and has no else");
    }
  }
  TEMPER_CHECK(false);
}

Machine::Result Machine::EvaluateName(const Expression& e) {
  if (const Value* found = scope_->Find(e.name)) return *found;
  if (const Value* found = variables_.Find(e.name)) return *found;
  if (!IsFunction(e.name)) return Value::UndefinedFor(Words("'", e.name, "' is undefined"));
  auto function = std::make_shared<Callable>();
  function->name = e.name;
  return Value::Of(std::shared_ptr<const Callable>(std::move(function)));
}

Machine::Result Machine::EvaluateItems(const Expression& e) {
  std::vector<Value> items;
  for (const ExpressionPointer& part : e.parts) {
    TEMPER_ASSIGN_OR_RETURN(Value item, Evaluate(*part));
    items.push_back(std::move(item));
  }
  if (e.kind == Kind::kList) return MakeSequence(meter_, std::move(items));
  if (e.kind == Kind::kTuple) return MakeSequence(meter_, std::move(items), Sequence::Kind::kTuple);
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < items.size(); i += 2) entries.emplace_back(items[i], items[i + 1]);
  return MakeDict(meter_, std::move(entries));
}

Machine::Result Machine::EvaluateSlice(const Expression& e) {
  Value parts[4];
  for (size_t i = 0; i < 4; ++i) {
    if (e.parts[i] == nullptr) continue;
    TEMPER_ASSIGN_OR_RETURN(parts[i], Evaluate(*e.parts[i]));
  }
  return Slice(meter_, parts[0], parts[1], parts[2], parts[3]);
}

Machine::Result Machine::EvaluateConcat(const Expression& e) {
  Text joined;
  for (const ExpressionPointer& part : e.parts) {
    TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*part));
    TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter_, value));
    TEMPER_RETURN_IF_ERROR(
        meter_.Text(joined.size() + text.size(), joined.input().size() + text.input().size()));
    joined.Append(text);
  }
  return Value::String(std::move(joined));
}

Machine::Result Machine::EvaluateCompare(const Expression& e) {
  TEMPER_ASSIGN_OR_RETURN(Value left, Evaluate(*e.parts[0]));
  for (size_t i = 0; i < e.signs.size(); ++i) {
    TEMPER_ASSIGN_OR_RETURN(Value right, Evaluate(*e.parts[i + 1]));
    TEMPER_ASSIGN_OR_RETURN(const bool holds, Compare(meter_, e.signs[i], left, right));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

// The first value that decides, as Python has it.
Machine::Result Machine::EvaluateLogic(const Expression& e) {
  Value value;
  for (const ExpressionPointer& part : e.parts) {
    TEMPER_ASSIGN_OR_RETURN(value, Evaluate(*part));
    if (Truth(value) == (e.kind == Kind::kOr)) return value;
  }
  return value;
}

Machine::Result Machine::EvaluateTest(const Expression& e) {
  TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*e.parts[0]));
  TEMPER_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(e.arguments));
  TEMPER_ASSIGN_OR_RETURN(const bool holds, CallTest(meter_, e.name, value, arguments));
  return Value::Bool(holds);
}

Machine::Result Machine::ApplyFilters(const Expression& e, const Value* block) {
  Value input;
  if (e.parts[0] == nullptr) {
    TEMPER_CHECK(block != nullptr);
    input = *block;
  } else if (e.parts[0]->kind == Kind::kFilter) {
    Meter::Level level(meter_);
    TEMPER_RETURN_IF_ERROR(level.Enter());
    TEMPER_ASSIGN_OR_RETURN(input, ApplyFilters(*e.parts[0], block));
  } else {
    TEMPER_ASSIGN_OR_RETURN(input, Evaluate(*e.parts[0]));
  }
  TEMPER_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(e.arguments));
  Result value = CallFilter(meter_, e.name, input, arguments);
  if (!value.ok()) return Located(e.at, value.status());
  return value;
}

absl::StatusOr<Arguments> Machine::EvaluateArguments(const CallArguments& arguments) {
  Arguments values;
  for (const ExpressionPointer& part : arguments.positional) {
    TEMPER_ASSIGN_OR_RETURN(Value value, Evaluate(*part));
    values.positional.push_back(std::move(value));
  }
  if (arguments.list != nullptr) {
    TEMPER_ASSIGN_OR_RETURN(const Value list, Evaluate(*arguments.list));
    TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter_, list));
    values.positional.insert(values.positional.end(), items.begin(), items.end());
  }
  for (const auto& [name, part] : arguments.named) {
    TEMPER_ASSIGN_OR_RETURN(Value value, Evaluate(*part));
    values.named.emplace_back(name, std::move(value));
  }
  if (arguments.dict != nullptr) {
    TEMPER_ASSIGN_OR_RETURN(const Value dict, Evaluate(*arguments.dict));
    if (dict.dict() == nullptr) return absl::InvalidArgumentError("**: expected a dict");
    for (const auto& [key, value] : dict.dict()->entries) {
      if (key.text() == nullptr) return absl::InvalidArgumentError("**: keys must be strings");
      values.named.emplace_back(key.text()->bytes(), value);
    }
  }
  return values;
}

}  // namespace temper::model::jinja
