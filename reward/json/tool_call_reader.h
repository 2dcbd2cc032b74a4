// Finds calls of tools in what a model wrote.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/json/json_value.h"

namespace temper::reward {

struct ToolCall {
  std::string name;
  JsonValue arguments;  // an object
};

enum class ToolCallFormat {
  kAuto,      // tags where there are some, else JSON where it is calls, else no call
  kHermes,    // <tool_call>{"name": ..., "arguments": {...}}</tool_call>, each call
  kNemotron,  // <TOOLCALL>[{...}, ...]</TOOLCALL>
  kJson,      // the whole text, or its ```json fence, is a list of calls, or one call
};

// A call is {"name", "arguments"} ("parameters" will do), or such an object under "function", as
// OpenAI has it; arguments may also be JSON text, and none are {}. INVALID_ARGUMENT says what is
// wrong with it, after `place`.
absl::StatusOr<ToolCall> ReadToolCall(const JsonValue& call, const std::string& place);

// The calls in the order of the text. INVALID_ARGUMENT for a call that cannot be read, a tag that
// is never closed, and more than 1000 calls. Text around tags means nothing. Linear.
absl::StatusOr<std::vector<ToolCall>> ReadToolCalls(std::string_view text, ToolCallFormat format);

}  // namespace temper::reward
