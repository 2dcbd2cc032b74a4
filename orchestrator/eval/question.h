// A task in the form in which a model is asked.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/eval/task.h"
#include "orchestrator/eval/task_format.h"

namespace temper::eval {

// How all tasks of a file are asked.
struct Asking {
  bool chat = false;              // as a conversation; else as a text to continue
  std::string prompt_template;    // "{prompt}" is the problem's place
  std::string thinking;           // "on", "off", "": as the template has it
  std::vector<std::string> stop;  // ends a response; not part of it
};

// The format's own ways. `own_template` empty: the format's. INVALID_ARGUMENT: it has no
// "{prompt}".
absl::StatusOr<Asking> HowToAsk(const TaskFormat& format, bool chat,
                                const std::string& own_template);

// One of the two is set.
struct Question {
  std::string chat_json;  // {"messages": [...], ...}, as policy/model/chat/chat_prompt.h reads it
  std::string text;
};

// A conversation of the file's own stays as it is, whatever `asking` says of chat and template.
Question Ask(const Task& task, const Asking& asking);

}  // namespace temper::eval
