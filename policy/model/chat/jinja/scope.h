// The variables of a block, and through it those around it.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// Names point into the tree, which outlives the rendering.
class Scope {
 public:
  explicit Scope(Scope* outer) : outer_(outer) {}

  // Null when there is none here or around.
  const Value* Find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer_) {
      for (const auto& [known, value] : scope->variables_) {
        if (known == name) return &value;
      }
    }
    return nullptr;
  }
  void Set(std::string_view name, Value value) {
    for (auto& [known, old] : variables_) {
      if (known == name) {
        old = std::move(value);
        return;
      }
    }
    variables_.emplace_back(name, std::move(value));
  }

  // A macro was defined in here: it may be called when the block is over.
  void Capture() {
    for (Scope* scope = this; scope != nullptr; scope = scope->outer_) scope->captured_ = true;
  }
  bool captured() const { return captured_; }

 private:
  Scope* const outer_;
  bool captured_ = false;
  std::vector<std::pair<std::string_view, Value>> variables_;
};

}  // namespace temper::model::jinja
