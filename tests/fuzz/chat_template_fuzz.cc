// Feeds arbitrary text to the reader of chat templates, and renders what it takes.
//
// Corpus: tests/data/golden/chat/*.jinja. What comes after a NUL byte is the conversation, as JSON.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json_text.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/chat/jinja/unicode.h"

namespace {

using temper::model::ChatInput;
using temper::model::ChatTemplate;
using Json = nlohmann::ordered_json;

// Something of everything that templates look at.
Json UsualMessages() {
  const Json call = {{"id", "1"},
                     {"function", {{"name", "f"}, {"arguments", {{"a", 1.5}, {"b", {1, "x"}}}}}}};
  const Json parts = {{{"type", "text"}, {"text", "part"}}};
  return {{{"role", "system"}, {"content", " Be brief. /think "}},
          {{"role", "user"}, {"content", "Größe </s> <think>"}},
          {{"role", "assistant"}, {"content", "<think>\na\n</think>\n\nb"}, {"tool_calls", {call}}},
          {{"role", "tool"}, {"content", "{\"x\": null}"}},
          {{"role", "user"}, {"content", parts}}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const size_t nul = text.find('\0');
  const auto chat = ChatTemplate::Parse(text.substr(0, nul), "template", {{"bos_token", "<s>"}});
  if (!chat.ok()) return 0;
  ChatInput input{.messages = UsualMessages(), .now = absl::UnixEpoch()};
  input.tools = {{{"type", "function"},
                  {"function",
                   {{"name", "f"},
                    {"description", "d"},
                    {"parameters", {{"properties", {{"a", {{"type", "number"}}}}}}}}}}};
  if (nul != std::string_view::npos) {
    const auto messages = temper::ParseOrderedJson(text.substr(nul + 1), "messages");
    if (!messages.ok()) return 0;
    input.messages = *messages;
  }
  const auto rendered = chat->Render(input);
  if (!rendered.ok()) return 0;
  TEMPER_CHECK(temper::model::jinja::IsValidUtf8(rendered->text));
  size_t end = 0;
  for (const auto& span : rendered->input) {
    TEMPER_CHECK(span.begin < span.end && (end == 0 || span.begin > end));
    end = span.end;
  }
  TEMPER_CHECK(end <= rendered->text.size());
  return 0;
}
