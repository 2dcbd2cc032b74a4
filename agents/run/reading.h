// What a reference is worth to a reader, at a point.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agents/graph/expression.h"
#include "agents/graph/prompt.h"
#include "agents/graph/reference.h"
#include "agents/run/values.h"

namespace temper::agents {

class Execution;

struct Reading {
  enum class State {
    kNotYet,  // something of it may still come
    kAbsent,  // there is none, and none will come
    kFailed,  // there is none, because something failed
    kPresent,
  };
  State state = State::kNotYet;
  bool list = false;                          // the value has axes that the reader lacks
  std::vector<const Item*> items;             // present ones in index order
  std::string why;                            // of something in it that failed
  const Reference::Choice* choice = nullptr;  // the one that was taken
  const Instance* instance = nullptr;         // of a single value: whose it is; null for inputs
};

// Texts and conversations for prompts.
class PromptReader : public PromptScope {
 public:
  PromptReader(const Execution& execution, int reader, Point point)
      : execution_(execution), reader_(reader), point_(std::move(point)) {}
  // "$it" of a judge's prompt, or "$first" and "$second".
  void SetCandidates(std::vector<std::string> texts) { candidates_ = std::move(texts); }
  PromptValue Get(const Reference& reference) const override;

 private:
  const Execution& execution_;
  const int reader_;
  const Point point_;
  std::vector<std::string> candidates_;
};

// Numbers and texts for expressions.
class ExpressionReader : public ExpressionScope {
 public:
  ExpressionReader(const Execution& execution, std::vector<int> axes, Point point)
      : execution_(execution), axes_(std::move(axes)), point_(std::move(point)) {}
  // "$it" of a filter's condition.
  void SetIt(const Item* it) { it_ = it; }
  // "round", "gain", "unchanged" of a loop's stop.
  void SetBuiltin(std::string name, Operand value) {
    builtins_.emplace_back(std::move(name), std::move(value));
  }
  Operand Get(const Reference& reference) const override;
  Operand Builtin(std::string_view name) const override;

 private:
  const Execution& execution_;
  const std::vector<int> axes_;
  const Point point_;
  const Item* it_ = nullptr;
  std::vector<std::pair<std::string, Operand>> builtins_;
};

// The text of an item, or of one of its fields: "text", "reasoning", "finish", "score"; of a tool's
// value any key. "" where there is none.
std::string TextOf(const Item& item, const std::vector<std::string>& fields);
Operand OperandOf(const Item& item, const std::vector<std::string>& fields);

}  // namespace temper::agents
