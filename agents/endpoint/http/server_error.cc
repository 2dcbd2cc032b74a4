// Tolerant reading: every key is looked at before it is believed.
#include "agents/endpoint/http/server_error.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agents/endpoint/retry_policy.h"
#include "base/utf8.h"
#include "re2/re2.h"

namespace temper::agents {
namespace {

using nlohmann::json;

// A text, or a number as text; "" for anything else.
std::string Said(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_integer() ? found->dump() : "";
}

std::string OneLine(std::string words) {
  constexpr size_t kShownMax = 400;
  words = ValidUtf8(std::string_view(words).substr(0, kShownMax));
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return words;
}

ServerError Read(int status, const json& body) {
  ServerError error{.status = status};
  const auto inner = body.find("error");
  const json& object = inner != body.end() && inner->is_object() ? *inner : body;
  error.words = Said(object, "message");
  for (const char* key : {"error", "detail", "title", "msg"}) {
    if (error.words.empty()) error.words = Said(body, key);
  }
  if (error.words.empty()) error.words = body.dump(-1, ' ', false, json::error_handler_t::replace);
  error.words = OneLine(error.words);
  error.code = Said(object, "code");
  error.type = Said(object, "type");
  error.param = Said(object, "param");
  int inside = 0;
  for (const std::string& number : {error.code, Said(object, "status"), Said(body, "status")}) {
    if (status != 200) break;
    if (absl::SimpleAtoi(number, &inside) && inside >= 400 && inside <= 599) error.status = inside;
  }
  return error;
}

}  // namespace

bool ServerError::quota() const {
  static constexpr std::array kCodes = {"insufficient_quota", "credit_balance_exhausted",
                                        "project_spend_limit_exceeded",
                                        "billing_hard_limit_reached", "billing_not_active"};
  for (const char* each : kCodes) {
    if (code == each || type == each) return true;
  }
  return status == 402;
}

bool ServerError::context() const {
  if (status != 400 && status != 413 && status != 422 && status != 500) return false;
  if (code == "context_length_exceeded") return true;
  const std::string lower = absl::AsciiStrToLower(words);
  static constexpr std::array kPhrases = {"maximum context length",
                                          "context length exceeded",
                                          "exceeds the context",
                                          "exceed context",
                                          "context window",
                                          "longer than the maximum model length",
                                          "exceeds the available context size"};
  for (const char* each : kPhrases) {
    if (absl::StrContains(lower, each)) return true;
  }
  return status == 413;
}

bool ServerError::names(std::string_view key) const {
  const std::string name(key);
  if (param == name) return true;
  // A common word must stand in quotes.
  if (absl::StrContains(name, '_')) return absl::StrContains(words, name);
  for (const char* quote : {"'", "\"", "`"}) {
    if (absl::StrContains(words, absl::StrCat(quote, name, quote))) return true;
  }
  return false;
}

bool ServerError::refuses_n() const {
  if (status != 400 && status != 422 && status != 501) return false;
  if (param == "n") return true;
  static const RE2* const refusal =
      new RE2(R"((?i)['"`]n['"`]|\bn\b *(>|=|!=|must|should|is not)|one completion choice)");
  return RE2::PartialMatch(words, *refusal);
}

ServerError ReadServerError(int status, const std::string& body) {
  const json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_object()) return Read(status, parsed);
  return {.words = OneLine(body), .status = status};
}

std::optional<ServerError> ErrorInside(const json& answer) {
  if (!answer.is_object()) return std::nullopt;
  const auto found = answer.find("error");
  const bool has = found != answer.end() && !found->is_null();
  if (!has && Said(answer, "object") != "error") return std::nullopt;
  return Read(200, answer);
}

AttemptEnd EndOf(const ServerError& error, const HttpHead& head, absl::Time now) {
  const std::string words = absl::StrCat(
      head.status == 200 ? "an error inside the answer" : absl::StrCat("HTTP ", head.status),
      error.words.empty() ? "" : ": ", error.words);
  if (error.quota()) return {.status = absl::ResourceExhaustedError(words)};
  if (error.context()) return {.status = absl::OutOfRangeError(words)};
  AttemptEnd end;
  const int status = error.status;
  // An error that came in the middle of an answer and names no status is the server's trouble.
  const bool unknown = status == 200;
  end.worth_a_retry =
      ShouldRetry(head.x_should_retry).value_or(unknown || StatusIsWorthARetry(status));
  end.overloaded = status == 429 || status == 503 || status == 529;
  end.pause = PauseOfHeaders(head.retry_after_ms, head.retry_after, now);
  if (end.worth_a_retry || status >= 500) {
    end.status = absl::UnavailableError(words);
  } else if (status == 401 || status == 403) {
    end.status = absl::PermissionDeniedError(words);
  } else if (status == 404) {
    end.status = absl::NotFoundError(words);
  } else if (status < 400) {
    end.status = absl::InvalidArgumentError(
        absl::StrCat("HTTP ", status, ": a redirect is not followed; name the server itself"));
  } else {
    end.status = absl::InvalidArgumentError(words);
  }
  return end;
}

}  // namespace temper::agents
