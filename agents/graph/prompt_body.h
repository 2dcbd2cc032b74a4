// What a prompt file was read into; only its reader and its rendering look into it.
#pragma once

#include <string>
#include <vector>

#include "agents/graph/prompt.h"

namespace temper::agents {

struct PromptPiece {
  enum class Kind { kText, kValue, kElement, kNumber, kSection };
  Kind kind = Kind::kText;
  std::string text;                 // kText
  size_t binding = 0;               // kValue, kSection: of Prompt::bindings
  std::vector<PromptPiece> inside;  // kSection
};

struct PromptTurn {
  std::string role;  // "": the conversation that `binding` stands for
  size_t binding = 0;
  std::vector<PromptPiece> pieces;
};

struct Prompt::Body {
  std::vector<PromptTurn> turns;
};

}  // namespace temper::agents
