// A conversation as the text that a model was trained to continue: the checkpoint's own template.
//
// Parsed once, immutable; any thread may render. What a template may use is limited
// (jinja/limits.h), so a stranger's template can neither hang nor fill the memory.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "policy/model/chat/jinja/ast.h"
#include "policy/model/chat/jinja/limits.h"
#include "policy/model/chat/jinja/text.h"

namespace temper::model {

struct ChatInput {
  nlohmann::ordered_json messages;  // [{"role": ..., "content": ...}, ...], at least one
  nlohmann::ordered_json tools;     // a list of JSON schemas, or null
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();  // enable_thinking, ...
  bool add_generation_prompt = true;
  // For templates that write the date; without it they find no strftime_now.
  std::optional<absl::Time> now;
};

struct RenderedChat {
  std::string text;
  // Which bytes came from messages, tools and variables: in order, apart from each other.
  std::vector<jinja::Span> input;
  int64_t steps = 0;  // what rendering took, of Limits::steps
};

class ChatTemplate {
 public:
  // Variables such as bos_token, by name.
  using SpecialTokens = std::map<std::string, std::string>;

  // `place` names the template in messages: errors say "<place>:<line>:<column>: ...".
  static absl::StatusOr<ChatTemplate> Parse(std::string_view source, std::string_view place,
                                            SpecialTokens special_tokens);
  // Of a model folder, found as transformers finds it: chat_template.jinja, else "chat_template" of
  // tokenizer_config.json, a text or a list of named ones. NOT_FOUND: the folder has none.
  static absl::StatusOr<ChatTemplate> Read(const std::string& folder);
  // Empty where the folder has none.
  static absl::StatusOr<std::optional<ChatTemplate>> ReadIfAny(const std::string& folder);

  // What transformers.apply_chat_template makes of it. INVALID_ARGUMENT: the input cannot be meant,
  // or the template refuses it. RESOURCE_EXHAUSTED: a limit was met.
  absl::StatusOr<RenderedChat> Render(const ChatInput& input,
                                      const jinja::Limits& limits = {}) const;

  // The template that is used without tools.
  const std::string& source() const { return programs_.at(default_name_).source; }

 private:
  struct Program {
    std::string place;
    std::string source;
    jinja::Body body;
  };

  absl::Status Add(const std::string& name, std::string_view source, std::string place);
  absl::Status AddFiles(const std::string& folder);
  absl::Status AddConfigured(const nlohmann::ordered_json& value, const std::string& place);
  absl::Status ChooseDefault(const std::string& folder);
  const Program& ProgramFor(const ChatInput& input) const;

  std::map<std::string, Program> programs_;  // by name; "tool_use" is for conversations with tools
  std::string default_name_ = "default";
  SpecialTokens special_tokens_;
};

}  // namespace temper::model
