// Edits messages and variables; the template does the rest.
#include "policy/model/chat/thinking.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace temper::model {
namespace {

using Json = nlohmann::ordered_json;

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Content is a text, or a list of parts.
void AppendText(Json& message, const std::string& text) {
  Json& content = message["content"];
  if (content.is_array()) {
    content.push_back({{"type", "text"}, {"text", text}});
  } else {
    content = (content.is_string() ? content.get<std::string>() : "") + text;
  }
}

void PrependText(Json& message, const std::string& text) {
  Json& content = message["content"];
  if (content.is_array()) {
    content.insert(content.begin(), Json{{"type", "text"}, {"text", text}});
  } else {
    content = text + (content.is_string() ? content.get<std::string>() : "");
  }
}

// The first message, made when the conversation begins with another role.
Json& SystemMessage(Json& messages) {
  if (messages.empty() || messages[0].value("role", Json()) != "system") {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", ""}});
  }
  return messages[0];
}

void SetSlash(bool on, Json& messages) {
  Json* last = nullptr;
  for (Json& message : messages) {
    if (message.value("role", Json()) == "user") last = &message;
  }
  AppendText(last != nullptr ? *last : SystemMessage(messages), on ? " /think" : " /no_think");
}

void SetReasoning(bool on, Json& messages) {
  Json& system = SystemMessage(messages);
  const std::string wanted = on ? "{'reasoning': True}" : "{'reasoning': False}";
  const std::string other = on ? "{'reasoning': False}" : "{'reasoning': True}";
  const std::string text = system["content"].is_string() ? system["content"] : Json("");
  if (const size_t found = text.find(other); found != std::string::npos) {
    system["content"] = std::string(text).replace(found, other.size(), wanted);
  } else if (!Has(text, wanted)) {
    AppendText(system, text.empty() ? wanted : " " + wanted);
  }
}

void SetDetailed(bool on, Json& messages) {
  Json& system = SystemMessage(messages);
  const std::string wanted = on ? "detailed thinking on" : "detailed thinking off";
  const std::string other = on ? "detailed thinking off" : "detailed thinking on";
  const std::string text = system["content"].is_string() ? system["content"] : Json("");
  if (text.starts_with(other)) {
    system["content"] = wanted + text.substr(other.size());
  } else if (!text.starts_with(wanted)) {
    const bool empty = system["content"].is_string() ? text.empty() : system["content"].empty();
    PrependText(system, empty ? wanted : wanted + "\n\n");
  }
}

}  // namespace

ThinkingSwitch FindThinkingSwitch(std::string_view source) {
  if (Has(source, "enable_thinking")) return ThinkingSwitch::kVariable;
  if (Has(source, "/no_think")) return ThinkingSwitch::kSlash;
  if (Has(source, "{'reasoning'")) return ThinkingSwitch::kReasoning;
  if (Has(source, "detailed thinking")) return ThinkingSwitch::kDetailed;
  if (Has(source, "<|start_header_id|>") && Has(source, "</think>")) {
    return ThinkingSwitch::kDetailed;
  }
  return ThinkingSwitch::kNone;
}

absl::StatusOr<ThinkingSwitch> ParseThinkingSwitch(std::string_view name) {
  if (name == "variable") return ThinkingSwitch::kVariable;
  if (name == "slash") return ThinkingSwitch::kSlash;
  if (name == "reasoning") return ThinkingSwitch::kReasoning;
  if (name == "detailed") return ThinkingSwitch::kDetailed;
  return absl::InvalidArgumentError(
      absl::StrCat("thinking switch \"", std::string(name),
                   "\": expected variable, slash, reasoning or detailed"));
}

absl::Status SetThinking(ThinkingSwitch kind, bool on, ChatInput& input) {
  if (kind == ThinkingSwitch::kNone) {
    return absl::FailedPreconditionError(
        "the chat template shows no switch for thinking; name its kind (variable, slash, reasoning "
        "or detailed), or leave thinking to the model");
  }
  if (kind == ThinkingSwitch::kVariable) {
    input.variables["enable_thinking"] = on;
    return absl::OkStatus();
  }
  if (!input.messages.is_array()) {
    return absl::InvalidArgumentError("messages: expected a list of objects");
  }
  for (const Json& message : input.messages) {
    if (!message.is_object()) {
      return absl::InvalidArgumentError("messages: expected a list of objects");
    }
  }
  if (kind == ThinkingSwitch::kSlash) SetSlash(on, input.messages);
  if (kind == ThinkingSwitch::kReasoning) SetReasoning(on, input.messages);
  if (kind == ThinkingSwitch::kDetailed) SetDetailed(on, input.messages);
  return absl::OkStatus();
}

bool EndsInThought(std::string_view text) {
  const size_t open = text.rfind("<think>");
  if (open == std::string_view::npos) return false;
  const size_t close = text.rfind("</think>");
  return close == std::string_view::npos || close < open;
}

}  // namespace temper::model
