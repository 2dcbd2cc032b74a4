// How a template is told to think or not: four ways are in use, found by the template's own words.
//
//   kind       found by                       thinking on / off is asked for by
//   variable   enable_thinking                the variable enable_thinking (Nemotron-3, Qwen3)
//   slash      /no_think                      /think or /no_think at the end of the last user text
//                                             (Nano-v2)
//   reasoning  {'reasoning': ...}             {'reasoning': True} or False in the system text
//                                             (Nemotron-H-Reasoning)
//   detailed   "detailed thinking", or        the system text "detailed thinking on" or "off",
//   before
//              Llama-3 headers with </think>  what it held (Llama-Nemotron)
// The first that is found counts.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model/chat/chat_template.h"

namespace temper::model {

enum class ThinkingSwitch { kNone, kVariable, kSlash, kReasoning, kDetailed };

ThinkingSwitch FindThinkingSwitch(std::string_view template_source);
// "variable", "slash", "reasoning", "detailed"; an error lists them.
absl::StatusOr<ThinkingSwitch> ParseThinkingSwitch(std::string_view name);

// Changes the conversation so that the template opens with thinking on or off.
// FAILED_PRECONDITION: kNone. INVALID_ARGUMENT: the messages are no list of objects.
absl::Status SetThinking(ThinkingSwitch kind, bool on, ChatInput& input);

// Whether the text to be continued is inside of a thought.
bool EndsInThought(std::string_view text);

}  // namespace temper::model
