// Puts the template around the problem.
#include "orchestrator/eval/question.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "orchestrator/eval/record.h"

namespace temper::eval {

using json = nlohmann::ordered_json;

absl::StatusOr<Asking> HowToAsk(const TaskFormat& format, bool chat,
                                const std::string& own_template) {
  Asking asking{.chat = chat};
  asking.prompt_template = chat ? format.chat_template : format.plain_template;
  if (!chat) asking.stop = format.plain_stop;
  if (own_template.empty()) return asking;
  if (own_template.find("{prompt}") == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("--template: found \"", own_template, "\", expected \"{prompt}\" in it"));
  }
  asking.prompt_template = own_template;
  return asking;
}

Question Ask(const Task& task, const Asking& asking) {
  json chat = json::object();
  if (!task.chat_json.empty()) {
    chat = json::parse(task.chat_json, nullptr, false);
  } else {
    std::string text = absl::StrReplaceAll(asking.prompt_template, {{"{prompt}", task.prompt}});
    if (!asking.chat) return {.text = std::move(text)};
    chat["messages"] = json::array({{{"role", "user"}, {"content", std::move(text)}}});
  }
  if (!asking.thinking.empty()) chat["enable_thinking"] = asking.thinking == "on";
  return {.chat_json = Dump(chat)};
}

}  // namespace temper::eval
