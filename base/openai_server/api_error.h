// Errors as OpenAI's API has them: {"error": {"message", "type", "param", "code"}} and a status.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "nlohmann/json_fwd.hpp"

namespace temper {

// A Status that says more to clients: which field of the request is wrong, and a code that programs
// look at. Either may be empty.
absl::Status WithParam(const absl::Status& status, std::string_view param,
                       std::string_view code = "");

// INVALID_ARGUMENT about a field of the request; the message begins with its name.
absl::Status FieldError(std::string_view param, std::string_view message);

// RESOURCE_EXHAUSTED is 429 and NOT_FOUND 404; UNAVAILABLE and CANCELLED are 503; what is the
// client's fault is 400, UNAUTHENTICATED 401, PERMISSION_DENIED 403, everything else 500.
int HttpStatusOf(const absl::Status& status);

nlohmann::ordered_json ErrorBody(const absl::Status& status);
// For errors of HTTP itself (405, 411, 413, 415).
nlohmann::ordered_json ErrorBody(int http_status, std::string_view message,
                                 std::string_view code = "");

// As JSON text; bytes that are no UTF-8 become U+FFFD.
std::string Dump(const nlohmann::ordered_json& json);

}  // namespace temper
