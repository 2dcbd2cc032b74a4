// Messages are written once and put in as text: they may be long.
#include "agents/endpoint/http/chat_body.h"

#include "absl/strings/str_cat.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kNul = "\\u0000";

// In JSON text, "\\u0000" behind an even number of backslashes is a NUL.
std::string WithoutNul(std::string text) {
  size_t at = text.find(kNul);
  if (at == std::string::npos) return text;
  std::string clean = text.substr(0, at);
  size_t backslashes = 0;
  for (size_t i = at; i > 0 && text[i - 1] == '\\'; --i) ++backslashes;
  while (at < text.size()) {
    if (backslashes % 2 == 0 && std::string_view(text).substr(at).starts_with(kNul)) {
      clean += "\\ufffd";
      at += kNul.size();
      continue;
    }
    backslashes = text[at] == '\\' ? backslashes + 1 : 0;
    clean += text[at++];
  }
  return clean;
}

}  // namespace

std::string CleanJson(const ordered_json& value) {
  return WithoutNul(value.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

std::string ChatBody(const Attempt& attempt, const ChatManners& manners) {
  const EndpointCall& call = *attempt.call;
  ordered_json rest = {{"model", call.model}};
  rest[manners.completion_tokens ? "max_completion_tokens" : "max_tokens"] = call.max_tokens;
  if (call.temperature.has_value()) rest["temperature"] = *call.temperature;
  if (call.top_p.has_value()) rest["top_p"] = *call.top_p;
  if (!call.stop.empty()) rest["stop"] = call.stop;
  if (attempt.samples.size() > 1) rest["n"] = attempt.samples.size();
  if (manners.seed && !attempt.samples.empty()) {
    rest["seed"] = SampleSeed(call, attempt.samples.front());
  }
  if (call.top_logprobs > 0) {
    rest["logprobs"] = true;
    rest["top_logprobs"] = call.top_logprobs;
  }
  if (manners.return_token_ids) {
    rest["return_token_ids"] = true;
    rest["logprobs"] = true;  // of the tokens themselves
  }
  if (call.extra.is_object()) rest.update(call.extra);
  rest.erase("messages");
  rest["stream"] = true;
  if (manners.stream_options) rest["stream_options"] = {{"include_usage", true}};
  std::string body = CleanJson(rest);
  body.pop_back();
  return absl::StrCat(body, ",\"messages\":", CleanJson(call.messages), "}");
}

bool ChatManners::Learn(const ServerError& error, const ChatManners& sent) {
  if (error.status != 400 && error.status != 422) return false;
  if (error.context() || error.quota()) return false;
  if (sent.stream_options && error.names("stream_options")) {
    stream_options = false;
    return true;
  }
  if (error.names("max_completion_tokens")) {
    completion_tokens = !sent.completion_tokens;
    return true;
  }
  if (sent.seed && error.names("seed")) {
    seed = false;
    return true;
  }
  return false;
}

}  // namespace temper::agents
