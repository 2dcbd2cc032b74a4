// Statuses with payloads, as JSON.
#include "base/openai_server/api_error.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kParam[] = "temper/openai-param";
constexpr char kCode[] = "temper/openai-code";

Json Payload(const absl::Status& status, const char* url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() ? Json(std::string(*payload)) : Json();
}

std::string_view TypeOf(int http_status) {
  switch (http_status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 500:
      return "server_error";
    case 503:
      return "service_unavailable_error";
    default:
      return "invalid_request_error";
  }
}

Json CodeOf(int http_status) {
  switch (http_status) {
    case 401:
      return "invalid_api_key";
    case 429:
      return "rate_limit_exceeded";
    case 503:
      return "service_unavailable";
    default:
      return nullptr;
  }
}

Json Body(int http_status, std::string_view message, Json param, Json code) {
  return {{"error",
           {{"message", std::string(message)},
            {"type", TypeOf(http_status)},
            {"param", std::move(param)},
            {"code", code.is_null() ? CodeOf(http_status) : std::move(code)}}}};
}

}  // namespace

absl::Status WithParam(const absl::Status& status, std::string_view param, std::string_view code) {
  absl::Status said = status;
  if (!param.empty()) said.SetPayload(kParam, absl::Cord(std::string(param)));
  if (!code.empty()) said.SetPayload(kCode, absl::Cord(std::string(code)));
  return said;
}

absl::Status FieldError(std::string_view param, std::string_view message) {
  return WithParam(
      absl::InvalidArgumentError(absl::StrCat(std::string(param), ": ", std::string(message))),
      param);
}

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
      return 503;
    default:
      return 500;
  }
}

Json ErrorBody(const absl::Status& status) {
  const absl::string_view message = status.message();
  return Body(HttpStatusOf(status), {message.data(), message.size()}, Payload(status, kParam),
              Payload(status, kCode));
}

Json ErrorBody(int http_status, std::string_view message, std::string_view code) {
  return Body(http_status, message, nullptr, code.empty() ? Json() : Json(std::string(code)));
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace temper
