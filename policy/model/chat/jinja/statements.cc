// Statements of a rendering.
#include <utility>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/machine.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/python_text.h"
#include "policy/model/chat/jinja/token.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {

absl::StatusOr<Text> Machine::Run() {
  Text text;
  out_ = &text;
  {
    Block block(*this);
    TEMPER_RETURN_IF_ERROR(Execute(body_).status());
  }
  out_ = nullptr;
  return text;
}

absl::Status Machine::Located(size_t at, const absl::Status& status) {
  if (located_) return status;
  located_ = true;
  return absl::Status(status.code(), Words(PlaceOf(source_, at), ": ", status.message()));
}

absl::StatusOr<Machine::Flow> Machine::Execute(const Body& body) {
  for (const auto& statement : body) {
    TEMPER_ASSIGN_OR_RETURN(const Flow flow, Execute(*statement));
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

absl::StatusOr<Machine::Flow> Machine::Execute(const Statement& statement) {
  Meter::Level level(meter_);
  const absl::Status entered = level.Enter();
  absl::StatusOr<Flow> flow = entered.ok() ? ExecuteNode(statement) : entered;
  if (!flow.ok()) return Located(statement.at, flow.status());
  return flow;
}

absl::StatusOr<Machine::Flow> Machine::ExecuteNode(const Statement& statement) {
  using Kind = Statement::Kind;
  switch (statement.kind) {
    case Kind::kData:
      TEMPER_RETURN_IF_ERROR(Emit(statement.text));
      return Flow::kOn;
    case Kind::kOutput: {
      TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.expression));
      TEMPER_RETURN_IF_ERROR(Emit(value));
      return Flow::kOn;
    }
    case Kind::kIf:
      return ExecuteIf(statement);
    case Kind::kFor: {
      TEMPER_ASSIGN_OR_RETURN(const Value iterable, Evaluate(*statement.expression));
      TEMPER_RETURN_IF_ERROR(ExecuteFor(statement, iterable, 0));
      return Flow::kOn;
    }
    case Kind::kSet: {
      TEMPER_ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.expression));
      TEMPER_RETURN_IF_ERROR(Assign(statement.target, value));
      return Flow::kOn;
    }
    case Kind::kSetBlock:
      TEMPER_RETURN_IF_ERROR(ExecuteSetBlock(statement));
      return Flow::kOn;
    case Kind::kMacro:
      TEMPER_RETURN_IF_ERROR(meter_.Steps(2 * kStepsPerObject));  // the scope stays, too
      scope_->Set(statement.macro->name, MacroValue(*statement.macro));
      return Flow::kOn;
    case Kind::kCallBlock:
      TEMPER_RETURN_IF_ERROR(ExecuteCallBlock(statement));
      return Flow::kOn;
    case Kind::kFilterBlock:
      TEMPER_RETURN_IF_ERROR(ExecuteFilterBlock(statement));
      return Flow::kOn;
    case Kind::kWith:
      return ExecuteWith(statement);
    case Kind::kScope: {
      Block block(*this);
      return Execute(statement.body);
    }
    case Kind::kBreak:
      return Flow::kBreak;
    case Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kOn;
}

absl::StatusOr<Machine::Flow> Machine::ExecuteIf(const Statement& statement) {
  for (const Statement::Branch& branch : statement.branches) {
    TEMPER_ASSIGN_OR_RETURN(const Value condition, Evaluate(*branch.condition));
    if (Truth(condition)) return Execute(branch.body);
  }
  return Execute(statement.otherwise);
}

// The items that pass the loop's `if`, which sees the item but not the loop.
absl::StatusOr<std::vector<Value>> Machine::Chosen(const Statement& loop,
                                                   std::vector<Value> items) {
  if (loop.condition == nullptr) return items;
  std::vector<Value> chosen;
  for (Value& item : items) {
    Block block(*this);
    TEMPER_RETURN_IF_ERROR(Assign(loop.target, item));
    TEMPER_ASSIGN_OR_RETURN(const Value holds, Evaluate(*loop.condition));
    if (Truth(holds)) chosen.push_back(std::move(item));
  }
  return chosen;
}

absl::Status Machine::ExecuteFor(const Statement& statement, const Value& iterable,
                                 int loop_depth) {
  TEMPER_ASSIGN_OR_RETURN(std::vector<Value> items, Items(meter_, iterable));
  TEMPER_ASSIGN_OR_RETURN(items, Chosen(statement, std::move(items)));
  auto made = std::make_unique<Fields>(Fields::Kind::kLoop);
  made->loop_depth = loop_depth;
  made->statement = statement.recursive ? &statement : nullptr;
  made->scope = scope_;
  if (statement.recursive) scope_->Capture();
  TEMPER_ASSIGN_OR_RETURN(Fields* const loop, Keep(std::move(made)));
  loop->items = std::move(items);
  bool some_whole = false;  // `else` is for loops of which no round came to its end
  for (loop->at = 0; loop->at < loop->items.size(); ++loop->at) {
    TEMPER_RETURN_IF_ERROR(meter_.Steps(kStepsPerPart));
    Block block(*this);
    TEMPER_RETURN_IF_ERROR(Assign(statement.target, loop->items[loop->at]));
    scope_->Set("loop", Value::Of(loop));
    TEMPER_ASSIGN_OR_RETURN(const Flow flow, Execute(statement.body));
    if (flow == Flow::kBreak) break;
    some_whole = some_whole || flow == Flow::kOn;
  }
  // A loop that was put away is an empty one.
  loop->items.clear();
  loop->changed = Value();
  if (some_whole) return absl::OkStatus();
  Block block(*this);
  return Execute(statement.otherwise).status();
}

absl::Status Machine::Assign(const Target& target, const Value& value) {
  switch (target.kind) {
    case Target::Kind::kName:
      scope_->Set(target.name, value);
      return absl::OkStatus();
    case Target::Kind::kField: {
      const Value* found = scope_->Find(target.name);
      if (found == nullptr) found = variables_.Find(target.name);
      Fields* fields = found == nullptr ? nullptr : found->fields();
      if (fields == nullptr || fields->kind != Fields::Kind::kNamespace) {
        return Located(target.at, absl::InvalidArgumentError(
                                      "cannot assign attribute on non-namespace object"));
      }
      if (target.field.starts_with('_')) {
        return Located(target.at,
                       absl::InvalidArgumentError(Words("a namespace cannot hold \"", target.field,
                                                        "\": it begins with _")));
      }
      TEMPER_RETURN_IF_ERROR(meter_.Steps(kStepsPerPart));
      fields->named.Set(target.field, value);
      return absl::OkStatus();
    }
    case Target::Kind::kTuple: {
      TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter_, value));
      if (items.size() != target.parts.size()) {
        return Located(target.at, absl::InvalidArgumentError(Words("found ", items.size(),
                                                                   " values to unpack, expected ",
                                                                   target.parts.size())));
      }
      for (size_t i = 0; i < items.size(); ++i) {
        TEMPER_RETURN_IF_ERROR(Assign(target.parts[i], items[i]));
      }
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status Machine::Emit(const Value& value) {
  const Text* text = value.text();
  Text written;
  if (text == nullptr) {
    TEMPER_ASSIGN_OR_RETURN(written, ToText(meter_, value));
    text = &written;
  }
  if (out_->size() + text->size() > meter_.limits().text_bytes) {
    return absl::ResourceExhaustedError(
        Words("the template writes more than ", meter_.limits().text_bytes, " bytes"));
  }
  TEMPER_RETURN_IF_ERROR(meter_.Text(text->size(), text->input().size()));
  out_->Append(*text);
  return absl::OkStatus();
}

absl::StatusOr<Text> Machine::Captured(const Body& body) {
  Text text;
  Text* const outside = std::exchange(out_, &text);
  absl::Status status;
  {
    Block block(*this);
    status = Execute(body).status();
  }
  out_ = outside;
  if (!status.ok()) return status;
  return text;
}

Value Machine::MacroValue(const Macro& macro) {
  scope_->Capture();
  auto callable = std::make_shared<Callable>();
  callable->kind = Callable::Kind::kMacro;
  callable->name = macro.name;
  callable->macro = &macro;
  callable->scope = scope_;
  return Value::Of(std::shared_ptr<const Callable>(std::move(callable)));
}

absl::Status Machine::ExecuteSetBlock(const Statement& statement) {
  TEMPER_ASSIGN_OR_RETURN(Text text, Captured(statement.body));
  Value value = Value::String(std::move(text));
  if (statement.expression != nullptr) {
    TEMPER_ASSIGN_OR_RETURN(value, ApplyFilters(*statement.expression, &value));
  }
  return Assign(statement.target, value);
}

absl::Status Machine::ExecuteFilterBlock(const Statement& statement) {
  TEMPER_ASSIGN_OR_RETURN(Text text, Captured(statement.body));
  const Value block = Value::String(std::move(text));
  TEMPER_ASSIGN_OR_RETURN(const Value value, ApplyFilters(*statement.expression, &block));
  return Emit(value);
}

absl::Status Machine::ExecuteCallBlock(const Statement& statement) {
  const Expression& call = *statement.expression;
  TEMPER_ASSIGN_OR_RETURN(const Value callee, Evaluate(*call.parts[0]));
  TEMPER_ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(call.arguments));
  arguments.named.emplace_back("caller", MacroValue(*statement.macro));
  TEMPER_ASSIGN_OR_RETURN(const Value value, Call(callee, std::move(arguments)));
  return Emit(value);
}

absl::StatusOr<Machine::Flow> Machine::ExecuteWith(const Statement& statement) {
  std::vector<Value> values;  // all of them see what stands around, not each other
  for (const auto& [target, expression] : statement.assignments) {
    TEMPER_ASSIGN_OR_RETURN(Value value, Evaluate(*expression));
    values.push_back(std::move(value));
  }
  Block block(*this);
  for (size_t i = 0; i < values.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(Assign(statement.assignments[i].first, values[i]));
  }
  return Execute(statement.body);
}

}  // namespace temper::model::jinja
