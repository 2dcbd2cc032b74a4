// Renders a tree: one rendering, one machine, one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/model/chat/jinja/ast.h"
#include "policy/model/chat/jinja/limits.h"
#include "policy/model/chat/jinja/scope.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

class Machine {
 public:
  // Local time, for strftime_now; without it a template finds no such function.
  using Now = std::optional<absl::Time>;

  // Everything outlives the machine. `source`: what places in messages refer to.
  Machine(const Body& body, std::string_view source, const Dict& variables, const Limits& limits,
          Now now)
      : body_(body), source_(source), variables_(variables), meter_(limits), now_(now) {}

  // Once. Errors begin with "LINE:COLUMN: ".
  absl::StatusOr<Text> Run();
  int64_t steps() const { return meter_.used(); }

 private:
  enum class Flow { kOn, kBreak, kContinue };
  using Result = absl::StatusOr<Value>;

  // A scope that lasts for a block; kept to the end when a macro was defined in it.
  class Block;

  // statements.cc
  absl::StatusOr<Flow> Execute(const Body& body);
  absl::StatusOr<Flow> Execute(const Statement& statement);
  absl::StatusOr<Flow> ExecuteNode(const Statement& statement);
  absl::StatusOr<Flow> ExecuteIf(const Statement& statement);
  absl::Status ExecuteFor(const Statement& statement, const Value& iterable, int loop_depth);
  absl::StatusOr<std::vector<Value>> Chosen(const Statement& loop, std::vector<Value> items);
  absl::Status ExecuteSetBlock(const Statement& statement);
  absl::Status ExecuteCallBlock(const Statement& statement);
  absl::Status ExecuteFilterBlock(const Statement& statement);
  absl::StatusOr<Flow> ExecuteWith(const Statement& statement);
  absl::Status Assign(const Target& target, const Value& value);
  absl::Status Emit(const Value& value);
  // What the body writes, in a scope of its own.
  absl::StatusOr<Text> Captured(const Body& body);
  Value MacroValue(const Macro& macro);

  // expressions.cc
  Result Evaluate(const Expression& expression);
  Result EvaluateNode(const Expression& expression);
  Result EvaluateName(const Expression& expression);
  Result EvaluateItems(const Expression& expression);
  Result EvaluateSlice(const Expression& expression);
  Result EvaluateConcat(const Expression& expression);
  Result EvaluateCompare(const Expression& expression);
  Result EvaluateLogic(const Expression& expression);
  Result EvaluateTest(const Expression& expression);
  // The chain of filters; `block`: what the innermost gets when it has no value of its own.
  Result ApplyFilters(const Expression& expression, const Value* block);
  absl::StatusOr<Arguments> EvaluateArguments(const CallArguments& arguments);

  // calls.cc
  Result Call(const Value& callee, Arguments arguments);
  Result CallMacro(const Callable& callable, Arguments arguments);
  absl::Status BindParameters(const Macro& macro, Arguments& arguments);
  Result CallLoop(const Fields& loop, const Arguments& arguments);
  Result CallFunction(std::string_view name, const Arguments& arguments);
  Result MakeNamespace(const Arguments& arguments);
  Result MakeCycler(const Arguments& arguments);
  Result MakeJoiner(const Arguments& arguments);
  Result FormatNow(const Arguments& arguments);
  bool IsFunction(std::string_view name) const;
  absl::StatusOr<Fields*> Keep(std::unique_ptr<Fields> fields);

  absl::Status Located(size_t at, const absl::Status& status);

  const Body& body_;
  const std::string_view source_;
  const Dict& variables_;
  Meter meter_;
  const Now now_;

  Scope* scope_ = nullptr;  // the innermost
  Text* out_ = nullptr;     // where output goes
  bool located_ = false;    // the error under way has its place
  std::vector<std::unique_ptr<Fields>> fields_;
  std::vector<std::unique_ptr<Scope>> kept_scopes_;
};

// A block's scope: entered when made, left when gone.
class Machine::Block {
 public:
  Block(Machine& machine, Scope* outer)
      : machine_(machine), around_(machine.scope_), scope_(std::make_unique<Scope>(outer)) {
    machine_.scope_ = scope_.get();
  }
  explicit Block(Machine& machine) : Block(machine, machine.scope_) {}
  ~Block() {
    machine_.scope_ = around_;
    if (scope_->captured()) machine_.kept_scopes_.push_back(std::move(scope_));
  }
  Block(const Block&) = delete;

 private:
  Machine& machine_;
  Scope* const around_;
  std::unique_ptr<Scope> scope_;
};

}  // namespace temper::model::jinja
