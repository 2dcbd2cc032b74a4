// Finds templates in a folder, and gives them the variables that transformers gives.
#include "policy/model/chat/chat_template.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/json_value.h"
#include "policy/model/chat/jinja/machine.h"
#include "policy/model/chat/jinja/parser.h"
#include "policy/model/chat/jinja/token.h"
#include "policy/model/chat/jinja/unicode.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr char kTemplateFile[] = "chat_template.jinja";
constexpr char kMoreTemplates[] = "additional_chat_templates";
constexpr char kTokenizerConfig[] = "tokenizer_config.json";

// An empty object when there is no such file.
absl::StatusOr<Json> ReadObject(const std::string& path) {
  if (!Exists(path)) return Json::object();
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  TEMPER_ASSIGN_OR_RETURN(Json object, ParseOrderedJson(text, path));
  if (object.is_object()) return object;
  return absl::InvalidArgumentError(absl::StrCat(path, ": expected an object {...}"));
}

// "bos_token": "<s>" or {"content": "<s>", ...}; what is there already stays.
void AddSpecialTokens(const Json& object, ChatTemplate::SpecialTokens& tokens) {
  for (const auto& [name, value] : object.items()) {
    if (!name.ends_with("_token")) continue;
    const Json content = value.is_object() ? value.value("content", Json()) : value;
    if (content.is_string()) tokens.emplace(name, content.get<std::string>());
  }
}

// As transformers does: keys without a value go, and reasoning has one name.
Json Normalized(const Json& message) {
  Json result = Json::object();
  Json reasoning;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    if (reasoning.is_null()) reasoning = message.value(name, Json());
  }
  if (!reasoning.is_null()) result["thinking"] = reasoning;
  for (const auto& [key, value] : message.items()) {
    if (!value.is_null()) result[key] = value;
  }
  if (!reasoning.is_null()) result["reasoning_content"] = reasoning;
  return result;
}

absl::StatusOr<Json> NormalizedMessages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    return absl::InvalidArgumentError(
        "messages: expected a list [{\"role\": ..., \"content\": ...}, ...] of at least one");
  }
  Json result = Json::array();
  for (const Json& message : messages) {
    if (!message.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat("messages[", result.size(), "]: found ",
                                                     message.type_name(),
                                                     ", expected an object {...}"));
    }
    result.push_back(Normalized(message));
  }
  return result;
}

absl::StatusOr<jinja::Value> ValueOf(const Json& json, const std::string& name) {
  absl::StatusOr<jinja::Value> value = jinja::FromJson(json);
  if (value.ok()) return value;
  return absl::Status(value.status().code(),
                      absl::StrCat(name, ": ", std::string(value.status().message())));
}

}  // namespace

absl::Status ChatTemplate::Add(const std::string& name, std::string_view source,
                               std::string place) {
  if (source.size() > jinja::kSourceBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        place, ": found ", source.size(), " bytes, expected at most ", jinja::kSourceBytesMax));
  }
  if (!jinja::IsValidUtf8(source)) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": is not valid UTF-8"));
  }
  Program program{.place = std::move(place), .source = jinja::NormalizeNewlines(source)};
  absl::StatusOr<jinja::Body> body = jinja::ParseTemplate(program.source);
  if (!body.ok()) {
    return absl::Status(body.status().code(),
                        absl::StrCat(program.place, ":", std::string(body.status().message())));
  }
  program.body = *std::move(body);
  programs_.insert_or_assign(name, std::move(program));
  return absl::OkStatus();
}

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(std::string_view source, std::string_view place,
                                                 SpecialTokens special_tokens) {
  ChatTemplate chat;
  chat.special_tokens_ = std::move(special_tokens);
  TEMPER_RETURN_IF_ERROR(chat.Add("default", source, std::string(place)));
  return chat;
}

absl::Status ChatTemplate::AddFiles(const std::string& folder) {
  const std::string lone = JoinPath(folder, kTemplateFile);
  if (Exists(lone)) {
    TEMPER_ASSIGN_OR_RETURN(const std::string source, ReadFile(lone));
    TEMPER_RETURN_IF_ERROR(Add("default", source, lone));
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(JoinPath(folder, kMoreTemplates), error)) {
    if (entry.path().extension() != ".jinja") continue;
    TEMPER_ASSIGN_OR_RETURN(const std::string source, ReadFile(entry.path().string()));
    TEMPER_RETURN_IF_ERROR(Add(entry.path().stem().string(), source, entry.path().string()));
  }
  return absl::OkStatus();
}

absl::Status ChatTemplate::AddConfigured(const Json& value, const std::string& place) {
  if (value.is_string()) return Add("default", value.get<std::string>(), place);
  for (const Json& item : value.is_array() ? value : Json::array({value})) {
    const Json name = item.is_object() ? item.value("name", Json()) : Json();
    const Json source = item.is_object() ? item.value("template", Json()) : Json();
    if (!name.is_string() || !source.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          place, ": expected a text or a list [{\"name\": ..., \"template\": ...}, ...]"));
    }
    TEMPER_RETURN_IF_ERROR(Add(name.get<std::string>(), source.get<std::string>(),
                               absl::StrCat(place, "[", name.get<std::string>(), "]")));
  }
  return absl::OkStatus();
}

absl::Status ChatTemplate::ChooseDefault(const std::string& folder) {
  if (programs_.empty()) {
    return absl::NotFoundError(absl::StrCat(folder, ": no chat template: found neither ",
                                            kTemplateFile, " nor \"chat_template\" in ",
                                            kTokenizerConfig));
  }
  if (programs_.contains("default")) return absl::OkStatus();
  std::string names;
  for (const auto& [name, program] : programs_) absl::StrAppend(&names, " \"", name, "\"");
  return absl::InvalidArgumentError(
      absl::StrCat(folder, ": chat templates:", names, ": expected one named \"default\""));
}

absl::StatusOr<ChatTemplate> ChatTemplate::Read(const std::string& folder) {
  ChatTemplate chat;
  const std::string config_path = JoinPath(folder, kTokenizerConfig);
  TEMPER_ASSIGN_OR_RETURN(const Json config, ReadObject(config_path));
  TEMPER_ASSIGN_OR_RETURN(const Json map, ReadObject(JoinPath(folder, "special_tokens_map.json")));
  AddSpecialTokens(config, chat.special_tokens_);
  AddSpecialTokens(map, chat.special_tokens_);
  TEMPER_RETURN_IF_ERROR(chat.AddFiles(folder));
  const Json configured = config.value("chat_template", Json());
  if (chat.programs_.empty() && !configured.is_null()) {
    TEMPER_RETURN_IF_ERROR(
        chat.AddConfigured(configured, absl::StrCat(config_path, ":chat_template")));
  }
  TEMPER_RETURN_IF_ERROR(chat.ChooseDefault(folder));
  return chat;
}

absl::StatusOr<std::optional<ChatTemplate>> ChatTemplate::ReadIfAny(const std::string& folder) {
  absl::StatusOr<ChatTemplate> read = Read(folder);
  if (absl::IsNotFound(read.status())) return std::nullopt;
  if (!read.ok()) return read.status();
  return *std::move(read);
}

const ChatTemplate::Program& ChatTemplate::ProgramFor(const ChatInput& input) const {
  const auto tools = programs_.find("tool_use");
  return !input.tools.is_null() && tools != programs_.end() ? tools->second
                                                            : programs_.at(default_name_);
}

absl::StatusOr<RenderedChat> ChatTemplate::Render(const ChatInput& input,
                                                  const jinja::Limits& limits) const {
  TEMPER_ASSIGN_OR_RETURN(const Json messages, NormalizedMessages(input.messages));
  if (!input.tools.is_null() && !input.tools.is_array()) {
    return absl::InvalidArgumentError("tools: expected a list of JSON schemas, or null");
  }
  if (!input.variables.is_object()) {
    return absl::InvalidArgumentError("variables: expected an object {...}");
  }
  jinja::Dict variables;
  for (const auto& [name, token] : special_tokens_)
    variables.Set(name, jinja::Value::String(token));
  for (const auto& [name, json] : input.variables.items()) {
    TEMPER_ASSIGN_OR_RETURN(jinja::Value value, ValueOf(json, name));
    variables.Set(name, std::move(value));
  }
  TEMPER_ASSIGN_OR_RETURN(jinja::Value chat, ValueOf(messages, "messages"));
  TEMPER_ASSIGN_OR_RETURN(jinja::Value tools, ValueOf(input.tools, "tools"));
  variables.Set("messages", std::move(chat));
  variables.Set("tools", std::move(tools));
  if (!input.variables.contains("documents")) variables.Set("documents", jinja::Value());
  variables.Set("add_generation_prompt", jinja::Value::Bool(input.add_generation_prompt));

  const Program& program = ProgramFor(input);
  jinja::Machine machine(program.body, program.source, variables, limits, input.now);
  const absl::StatusOr<jinja::Text> text = machine.Run();
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat(program.place, ":", std::string(text.status().message())));
  }
  return RenderedChat{.text = text->bytes(), .input = text->input(), .steps = machine.steps()};
}

}  // namespace temper::model
