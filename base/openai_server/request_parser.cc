// One function for each group of fields.
#include "base/openai_server/request_parser.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "base/nearest_name.h"
#include "base/openai_server/api_error.h"
#include "base/openai_server/request_fields.h"
#include "base/status_macros.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kKeyBytesMax = 256;
constexpr int64_t kTokensMax = int64_t{1} << 31;

// Sent by clients; no answer of ours depends on them.
constexpr const char* kPassedOver[] = {"user",
                                       "store",
                                       "metadata",
                                       "service_tier",
                                       "parallel_tool_calls",
                                       "prompt_cache_key",
                                       "prompt_cache_retention",
                                       "safety_identifier",
                                       "verbosity",
                                       "priority",
                                       "session_id",
                                       "cache_salt",
                                       "spaces_between_special_tokens",
                                       "return_tokens_as_token_ids",
                                       "truncate_prompt_tokens",
                                       "chat_template_content_format"};

// What would change the answer and is served by nobody here: only the values that ask for nothing.
struct Neutral {
  const char* name;
  std::array<const char*, 3> values;  // as JSON
};
constexpr Neutral kNeutral[] = {
    {"presence_penalty", {"0", "0.0"}},
    {"frequency_penalty", {"0", "0.0"}},
    {"repetition_penalty", {"1", "1.0"}},
    {"length_penalty", {"1", "1.0"}},
    {"top_k", {"-1", "0"}},
    {"min_p", {"0", "0.0"}},
    {"min_tokens", {"0"}},
    {"best_of", {"1"}},
    {"logit_bias", {"{}"}},
    {"response_format", {"{\"type\":\"text\"}"}},
    {"structured_outputs", {"{}"}},
    {"modalities", {"[\"text\"]"}},
    {"stop_token_ids", {"[]"}},
    {"bad_words", {"[]"}},
    {"logprob_token_ids", {"[]"}},
    {"functions", {"[]"}},
    {"function_call", {"\"none\"", "\"auto\""}},
    {"tool_choice", {"\"auto\"", "\"none\""}},
    {"suffix", {"\"\""}},
    {"ignore_eos", {"false"}},
    {"use_beam_search", {"false"}},
    {"include_stop_str_in_output", {"false"}},
    {"skip_special_tokens", {"true"}},
    {"add_generation_prompt", {"true"}},
    {"continue_final_message", {"false"}},
    {"echo", {"false"}},
    {"prompt_logprobs", {"0", "false"}},
    {"prediction", {}},
    {"audio", {}},
    {"web_search_options", {}},
    {"documents", {}},
    {"chat_template", {}},
    {"prompt_embeds", {}},
};

void ReadNeutral(RequestFields& fields) {
  for (const char* name : kPassedOver) fields.Find(name);
  for (const Neutral& neutral : kNeutral) {
    const Json* value = fields.Find(neutral.name);
    if (value == nullptr) continue;
    const std::string text = Dump(*value);
    const bool harmless =
        std::any_of(neutral.values.begin(), neutral.values.end(),
                    [&](const char* one) { return one != nullptr && one == text; });
    if (!harmless) fields.Refuse(neutral.name, "is not served here; leave it out");
  }
}

void ReadStop(RequestFields& fields, ServedRequest& request) {
  const Json* stop = fields.Find("stop");
  if (stop == nullptr) return;
  const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
  if (!list.is_array() || list.size() > kStopStringsMax) {
    return fields.Wrong("stop", *stop,
                        absl::StrCat("a string, or a list of at most ", kStopStringsMax));
  }
  for (const Json& one : list) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) {
      return fields.Refuse("stop", "each must be a string that is not empty");
    }
    request.stop.push_back(one.get<std::string>());
  }
}

void ReadSeed(RequestFields& fields, ServedRequest& request) {
  const Json* seed = fields.Find("seed");
  if (seed == nullptr) return;
  if (!seed->is_number_integer()) return fields.Wrong("seed", *seed, "a whole number");
  request.seed = seed->is_number_unsigned() ? seed->get<uint64_t>()
                                            : static_cast<uint64_t>(seed->get<int64_t>());
}

void ReadSampling(RequestFields& fields, ServedRequest& request) {
  request.n = static_cast<int>(fields.Whole("n", 1, kChoicesMax).value_or(1));
  request.temperature = fields.Number("temperature", 0.0, 100.0);
  request.top_p = fields.Number("top_p", 0.0, 1.0);
  const std::optional<int64_t> old_name = fields.Whole("max_tokens", 1, kTokensMax);
  request.max_tokens = fields.Whole("max_completion_tokens", 1, kTokensMax);
  if (!request.max_tokens.has_value()) request.max_tokens = old_name;
  ReadSeed(fields, request);
  ReadStop(fields, request);
}

void ReadStreaming(RequestFields& fields, ServedRequest& request) {
  request.stream = fields.Bool("stream").value_or(false);
  request.return_token_ids = fields.Bool("return_token_ids").value_or(false);
  const Json* options = fields.Find("stream_options");
  if (options == nullptr) return;
  if (!options->is_object()) return fields.Wrong("stream_options", *options, "an object");
  RequestFields inner(*options, "stream_options.");
  request.include_usage = inner.Bool("include_usage").value_or(false);
  if (!inner.status().ok()) fields.Refuse("stream_options", "include_usage: true or false");
}

void ReadThinking(RequestFields& fields, ServedRequest& request) {
  constexpr std::array<const char*, 7> kEfforts = {"none", "minimal", "low", "medium",
                                                   "high", "xhigh",   "max"};
  if (const auto effort = fields.Text("reasoning_effort"); effort.has_value()) {
    if (std::find(kEfforts.begin(), kEfforts.end(), *effort) == kEfforts.end()) {
      return fields.Refuse("reasoning_effort",
                           "expected none, minimal, low, medium, high, xhigh or max");
    }
    request.thinking = *effort != "none";
    request.variables["reasoning_effort"] = *effort;
  }
  request.thinking_budget = fields.Whole("thinking_token_budget", 1, kTokensMax);
  const Json* variables = fields.Find("chat_template_kwargs");
  if (variables == nullptr) return;
  if (!variables->is_object()) return fields.Wrong("chat_template_kwargs", *variables, "an object");
  for (const auto& [key, value] : variables->items()) request.variables[key] = value;
  const auto toggle = variables->find("enable_thinking");
  if (toggle == variables->end()) return;
  if (!toggle->is_boolean()) {
    return fields.Refuse("chat_template_kwargs", "enable_thinking: expected true or false");
  }
  request.thinking = toggle->get<bool>();
}

void ReadMessages(RequestFields& fields, ServedRequest& request) {
  const Json* messages = fields.Find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    return fields.Refuse("messages", "expected a list of at least one message");
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    const Json& message = (*messages)[i];
    const std::string place = absl::StrCat("messages[", i, "]");
    if (!message.is_object()) return fields.Refuse(place, "expected an object");
    const auto role = message.find("role");
    if (role == message.end() || !role->is_string()) {
      return fields.Refuse(place + ".role", "expected a string");
    }
    const auto content = message.find("content");
    if (content != message.end() && !content->is_string() && !content->is_array() &&
        !content->is_null()) {
      return fields.Refuse(place + ".content", "expected a string or a list of parts");
    }
  }
  request.messages = *messages;
}

void ReadChat(RequestFields& fields, ServedRequest& request) {
  ReadMessages(fields, request);
  ReadThinking(fields, request);
  const Json* tools = fields.Find("tools");
  if (tools != nullptr && !tools->is_array()) fields.Wrong("tools", *tools, "a list");
  const Json* choice = fields.Find("tool_choice");
  const bool unwanted = choice != nullptr && *choice == "none";
  if (tools != nullptr && !tools->empty() && !unwanted) request.tools = *tools;
  request.logprobs = fields.Bool("logprobs").value_or(false);
  request.top_logprobs = static_cast<int>(fields.Whole("top_logprobs", 0, 20).value_or(0));
  if (request.top_logprobs > 0 && !request.logprobs) {
    fields.Refuse("top_logprobs", "needs \"logprobs\": true");
  }
}

bool ReadTokens(const Json& list, std::vector<int32_t>& tokens) {
  for (const Json& token : list) {
    const bool whole = token.is_number_unsigned() && token.get<uint64_t>() <= INT32_MAX;
    if (!whole) return false;
    tokens.push_back(token.get<int32_t>());
  }
  return !tokens.empty();
}

void ReadPrompts(RequestFields& fields, ServedRequest& request) {
  const Json* prompt = fields.Find("prompt");
  const auto wrong = [&] {
    fields.Refuse("prompt",
                  "expected a string, a list of strings, a list of token ids or a list of those");
  };
  if (prompt == nullptr) return wrong();
  const bool lone = prompt->is_string() ||
                    (prompt->is_array() && !prompt->empty() && prompt->front().is_number());
  const Json list = lone ? Json::array({*prompt}) : *prompt;
  if (!list.is_array() || list.empty()) return wrong();
  if (list.size() > kChoicesMax) return fields.Refuse("prompt", "too many prompts");
  for (const Json& one : list) {
    ServedPrompt& read = request.prompts.emplace_back();
    if (one.is_string()) {
      read.text = one.get<std::string>();
    } else if (!one.is_array() || !ReadTokens(one, read.tokens)) {
      return wrong();
    }
  }
}

void ReadCompletion(RequestFields& fields, ServedRequest& request) {
  ReadPrompts(fields, request);
  // A number: how many other tokens to show; 0 is the sampled ones alone.
  const std::optional<int64_t> logprobs = fields.Whole("logprobs", 0, 20);
  request.logprobs = logprobs.has_value();
  request.top_logprobs = static_cast<int>(logprobs.value_or(0));
}

void ReadKey(RequestFields& fields, std::string_view header, ServedRequest& request) {
  request.idempotency_key = header;
  const std::optional<std::string> id = fields.Text("request_id");
  if (request.idempotency_key.empty() && id.has_value()) request.idempotency_key = *id;
  if (request.idempotency_key.size() > kKeyBytesMax) {
    fields.Refuse("request_id", absl::StrCat("over ", kKeyBytesMax, " bytes"));
  }
}

}  // namespace

absl::StatusOr<ServedRequest> ParseServedRequest(ServedRequest::Kind kind, std::string_view body,
                                                 std::string_view idempotency_key) {
  ServedRequest request{.kind = kind};
  TEMPER_ASSIGN_OR_RETURN(request.body, ParseOrderedJson(body, "body"));
  if (!request.body.is_object()) return absl::InvalidArgumentError("body: expected a JSON object");
  RequestFields fields(request.body);
  request.model = fields.Text("model").value_or("");
  ReadSampling(fields, request);
  ReadStreaming(fields, request);
  kind == ServedRequest::Kind::kChat ? ReadChat(fields, request) : ReadCompletion(fields, request);
  fields.Bool("include_reasoning");  // answer_writer.cc looks at the body
  ReadKey(fields, idempotency_key, request);
  ReadNeutral(fields);
  if (const std::string key = fields.Unknown(); !key.empty() && fields.status().ok()) {
    fields.Refuse(key.size() > 60 ? "body" : key,
                  absl::StrCat("is no field of this request", Suggestion(key, fields.known())));
  }
  if (request.choices() > kChoicesMax) {
    fields.Refuse("n", absl::StrCat(request.choices(), " answers; at most ", kChoicesMax));
  }
  TEMPER_RETURN_IF_ERROR(fields.status());
  return request;
}

}  // namespace temper
