// Reads prompts (prompt.h says what they look like) and tells every hole that nothing fills.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agents/graph/problems.h"
#include "agents/graph/prompt.h"
#include "base/placed_json.h"

namespace temper::agents {

// Called with a path as the graph file writes it, joined to the graph's folder.
using FileReader = std::function<absl::StatusOr<std::string>(const std::string& path)>;

struct PromptSource {
  const FileReader& read;
  std::string folder;  // of the graph file
  // Names that are bound without being listed: the graph's inputs.
  const std::vector<std::string>& inputs;
  Problems& problems;
};

// The value of a graph's key "prompt". What is wrong goes to `source.problems`; what comes back can
// be checked further, with as many of its bindings as were understood.
Prompt ReadPrompt(const PlacedJson& value, const PromptSource& source);

}  // namespace temper::agents
