// Rules for the head of a request.
#include "base/openai_server/request_gate.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/http/browser_gate.h"
#include "base/status_macros.h"
#include "httplib.h"

namespace temper {
namespace {

constexpr size_t kTargetBytesMax = 1024;
constexpr size_t kHeaderBytesMax = 4096;

bool Printable(const std::string& text) {
  return text.size() <= kHeaderBytesMax &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

absl::StatusOr<RequestGate> RequestGate::Create(const std::string& api_key, size_t body_bytes_max) {
  std::optional<TokenTable> key;
  if (!api_key.empty()) {
    TEMPER_ASSIGN_OR_RETURN(key, TokenTable::Parse("reader " + api_key, "the API key"));
    if (key->size() != 1) return absl::InvalidArgumentError("the API key: expected one line");
  }
  return RequestGate(std::move(key), body_bytes_max);
}

std::optional<RequestRefusal> RequestGate::RefuseCaller(const httplib::Request& request) const {
  if (!key_.has_value()) {
    const std::optional<Refusal> refusal = RefuseForeignPage(request, "");
    if (!refusal.has_value()) return std::nullopt;
    return RequestRefusal{refusal->http_code, refusal->message};
  }
  if (request.path == "/health") return std::nullopt;
  const std::string authorization = request.get_header_value("Authorization");
  constexpr std::string_view kBearer = "Bearer ";
  if (absl::StartsWithIgnoreCase(authorization, "Bearer ") &&
      key_->Find(std::string_view(authorization).substr(kBearer.size())).has_value()) {
    return std::nullopt;
  }
  return RequestRefusal{401, authorization.empty()
                                 ? "an API key is needed: Authorization: Bearer KEY"
                                 : "the API key is not the one this server was started with"};
}

std::optional<RequestRefusal> RequestGate::RefuseBody(const httplib::Request& request) const {
  std::string type = request.get_header_value("Content-Type");
  type = std::string(absl::StripAsciiWhitespace(type.substr(0, type.find(';'))));
  if (!absl::EqualsIgnoreCase(type, "application/json")) {
    return RequestRefusal{415, "the Content-Type must be application/json"};
  }
  if (request.has_header("Transfer-Encoding") || request.has_header("Content-Encoding")) {
    return RequestRefusal{
        411, "a body is sent plain, with its Content-Length; no Transfer- or Content-Encoding"};
  }
  uint64_t bytes = 0;
  if (request.get_header_value_count("Content-Length") != 1 ||
      !absl::SimpleAtoi(request.get_header_value("Content-Length"), &bytes)) {
    return RequestRefusal{411, "a POST needs one Content-Length"};
  }
  if (bytes > body_bytes_max_) {
    return RequestRefusal{413,
                          absl::StrCat("a body of ", bytes, " bytes; at most ", body_bytes_max_),
                          "request_too_large"};
  }
  return std::nullopt;
}

std::optional<RequestRefusal> RequestGate::Refuse(const httplib::Request& request) const {
  if (request.target.size() > kTargetBytesMax) {
    return RequestRefusal{414, absl::StrCat("an address of ", request.target.size(),
                                            " bytes; at most ", kTargetBytesMax)};
  }
  if (!Printable(request.get_header_value("Authorization")) ||
      !Printable(request.get_header_value("Idempotency-Key"))) {
    return RequestRefusal{400, "a header is too long or holds bytes that are no printable ASCII"};
  }
  if (auto refusal = RefuseCaller(request)) return refusal;
  if (request.method == "GET" || request.method == "HEAD") return std::nullopt;
  if (request.method != "POST") {
    return RequestRefusal{405, absl::StrCat("method ", request.method, "; GET and POST are served"),
                          "method_not_allowed"};
  }
  return RefuseBody(request);
}

}  // namespace temper
