// Bodies out, answers in; every key of an answer is looked at before it is believed.
#include "base/openai_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "base/philox.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace temper {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string BodyOf(const ChatRequest& request) {
  const bool chat = !request.messages.is_null();
  ordered_json body = {{"model", request.model}};
  body[chat ? "messages" : "prompt"] = chat ? request.messages : ordered_json(request.prompt);
  if (request.max_tokens.has_value()) body["max_tokens"] = *request.max_tokens;
  if (request.temperature.has_value()) body["temperature"] = *request.temperature;
  if (request.top_p.has_value()) body["top_p"] = *request.top_p;
  if (request.seed.has_value()) body["seed"] = *request.seed;
  if (!request.stop.empty()) body["stop"] = request.stop;
  if (request.n != 1) body["n"] = request.n;
  if (request.logprobs && chat) {
    body["logprobs"] = true;
    if (request.top_logprobs > 0) body["top_logprobs"] = request.top_logprobs;
  } else if (request.logprobs) {
    body["logprobs"] = request.top_logprobs;  // the older form has one key for both
  }
  if (request.extra.is_object()) body.update(request.extra);
  return body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// "" when there is no such text.
std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

double Number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

// {"content": [{"token", "logprob", "top_logprobs": [{"token", "logprob"}]}]}
std::vector<TokenLogprob> ChatTokens(const json& logprobs) {
  std::vector<TokenLogprob> tokens;
  for (const json& entry : logprobs.value("content", json())) {
    if (!entry.is_object()) return {};
    TokenLogprob token{Text(entry, "token"), Number(entry, "logprob"), {}};
    for (const json& other : entry.value("top_logprobs", json())) {
      if (other.is_object()) token.top.emplace_back(Text(other, "token"), Number(other, "logprob"));
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// {"tokens": [...], "token_logprobs": [...], "top_logprobs": [{token: logprob}]}
std::vector<TokenLogprob> PlainTokens(const json& logprobs) {
  std::vector<TokenLogprob> tokens;
  const json names = logprobs.value("tokens", json());
  const json values = logprobs.value("token_logprobs", json());
  const json tops = logprobs.value("top_logprobs", json());
  for (size_t i = 0; names.is_array() && i < names.size(); ++i) {
    if (!names[i].is_string()) return {};
    TokenLogprob token{.token = names[i].get<std::string>()};
    if (values.is_array() && i < values.size() && values[i].is_number()) {
      token.logprob = values[i].get<double>();
    }
    if (tops.is_array() && i < tops.size() && tops[i].is_object()) {
      for (const auto& [name, value] : tops[i].items()) {
        if (value.is_number()) token.top.emplace_back(name, value.get<double>());
      }
    }
    std::stable_sort(token.top.begin(), token.top.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    tokens.push_back(std::move(token));
  }
  return tokens;
}

absl::StatusOr<ChatResponse> ResponseOf(const json& choice, bool chat) {
  const absl::Status wrong = absl::UnavailableError("a choice of the answer has no text");
  if (!choice.is_object()) return wrong;
  ChatResponse response{.finish_reason = Text(choice, "finish_reason")};
  const json logprobs = choice.value("logprobs", json());
  if (chat) {
    const json message = choice.value("message", json());
    // A null content is an empty answer: tools were called, or all tokens went into the thought.
    if (!message.is_object() || !message.contains("content")) return wrong;
    if (!message["content"].is_string() && !message["content"].is_null()) return wrong;
    response.text = Text(message, "content");
    // vLLM's newer name, and ours; then DeepSeek's.
    response.reasoning = Text(message, "reasoning");
    if (response.reasoning.empty()) response.reasoning = Text(message, "reasoning_content");
    if (logprobs.is_object()) response.tokens = ChatTokens(logprobs);
  } else {
    if (!choice.contains("text") || !choice["text"].is_string()) return wrong;
    response.text = Text(choice, "text");
    if (logprobs.is_object()) response.tokens = PlainTokens(logprobs);
  }
  return response;
}

absl::StatusOr<std::vector<ChatResponse>> ResponsesOf(const std::string& body, bool chat, int n) {
  const absl::StatusOr<json> answer = ParseJson(body, "answer");
  if (!answer.ok()) return absl::UnavailableError(answer.status().message());
  const json choices = answer->is_object() ? answer->value("choices", json()) : json();
  if (!choices.is_array() || choices.size() != static_cast<size_t>(n)) {
    return absl::UnavailableError(absl::StrCat(
        "the answer holds ", choices.is_array() ? choices.size() : 0, " choices, expected ", n));
  }
  std::vector<ChatResponse> responses;
  for (const json& choice : choices) {
    TEMPER_ASSIGN_OR_RETURN(ChatResponse response, ResponseOf(choice, chat));
    responses.push_back(std::move(response));
  }
  const json usage = answer->value("usage", json());
  if (n == 1 && usage.is_object() && usage.contains("completion_tokens") &&
      usage["completion_tokens"].is_number_unsigned()) {
    responses.front().completion_tokens = usage["completion_tokens"].get<int64_t>();
  }
  return responses;
}

// The server's words for what is wrong, cut to a line.
std::string WordsOf(const std::string& body) {
  constexpr size_t kShownMax = 300;
  std::string words = body;
  if (const absl::StatusOr<json> answer = ParseJson(body, ""); answer.ok() && answer->is_object()) {
    const json error = answer->value("error", json());
    std::string said = error.is_object() ? Text(error, "message") : Text(*answer, "error");
    if (said.empty()) said = Text(*answer, "message");
    if (!said.empty()) words = said;
  }
  words = ValidUtf8(words.substr(0, kShownMax));
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return words;
}

bool ComesBack(int status) {
  return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

absl::Status Refusal(const HttpAnswer& answer, const std::string& url) {
  std::string words = absl::StrCat(url, ": HTTP ", answer.status, ": ", WordsOf(answer.body));
  if (ComesBack(answer.status)) return absl::UnavailableError(words);
  if (answer.status == 401 || answer.status == 403) return absl::PermissionDeniedError(words);
  if (answer.status == 404) return absl::NotFoundError(words);
  if (answer.status >= 400) return absl::InvalidArgumentError(words);
  return absl::FailedPreconditionError(absl::StrCat(
      url, ": HTTP ", answer.status, ": a redirect is not followed; name the server itself"));
}

bool WorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenAiClient>> OpenAiClient::Create(Options options) {
  for (const char c : options.api_key) {
    if (c <= ' ' || c >= 0x7f) {
      return absl::InvalidArgumentError(
          "the API key holds a blank or a byte that is not printable ASCII");
    }
  }
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<HttpClient> http,
                          HttpClient::Create(options.url, options.stop));
  return std::unique_ptr<OpenAiClient>(new OpenAiClient(std::move(options), std::move(http)));
}

OpenAiClient::OpenAiClient(Options options, std::unique_ptr<HttpClient> http)
    : options_(std::move(options)), http_(std::move(http)) {}

absl::StatusOr<std::vector<ChatResponse>> OpenAiClient::Complete(const ChatRequest& request) {
  const std::string body = BodyOf(request);
  for (int attempt = 1;; ++attempt) {
    absl::Duration retry_after;
    auto responses = Attempt(request, body, retry_after);
    if (responses.ok() || !WorthAnotherTry(responses.status())) return responses;
    if (attempt >= options_.attempts_max) {
      return absl::Status(responses.status().code(),
                          absl::StrCat(std::string(responses.status().message()), " (",
                                       options_.attempts_max, " attempts)"));
    }
    // Spread out, so that calls that failed together do not all come back together.
    const double spread = 0.75 + 0.5 * UniformAt(HashName(body), 0, static_cast<uint64_t>(attempt));
    const absl::Duration pause =
        options_.first_pause * static_cast<double>(1ULL << std::min(attempt - 1, 30));
    TEMPER_RETURN_IF_ERROR(
        Pause(std::min(std::max(pause * spread, retry_after), options_.pause_max)));
  }
}

absl::StatusOr<std::vector<ChatResponse>> OpenAiClient::Attempt(const ChatRequest& request,
                                                                const std::string& body,
                                                                absl::Duration& retry_after) {
  const bool chat = !request.messages.is_null();
  HttpPost post{.path = chat ? "/chat/completions" : "/completions",
                .body = body,
                .timeout = request.timeout,
                .answer_bytes_max = options_.answer_bytes_max};
  if (!options_.api_key.empty()) {
    post.headers.push_back(absl::StrCat("Authorization: Bearer ", options_.api_key));
  }
  TEMPER_ASSIGN_OR_RETURN(const HttpAnswer answer, http_->Post(post));
  retry_after = answer.retry_after;
  const std::string url = http_->url() + std::string(post.path);
  if (answer.status < 200 || answer.status > 299) return Refusal(answer, url);
  auto responses = ResponsesOf(answer.body, chat, request.n);
  if (responses.ok()) return responses;
  return absl::Status(responses.status().code(),
                      absl::StrCat(url, ": ", std::string(responses.status().message())));
}

absl::Status OpenAiClient::Pause(absl::Duration pause) const {
  Wait wait = Wait::OrRetry(absl::StrCat("the next try at ", http_->url()), pause);
  if (options_.stop == nullptr) {
    Sleep(std::move(wait));
  } else if (options_.stop->WaitFor(std::move(wait))) {
    return absl::CancelledError("stopped");
  }
  return absl::OkStatus();
}

}  // namespace temper
