// The body of a POST to /v1/chat/completions or /v1/completions as a ServedRequest.
//
// Whatever the bytes are, the answer is a request or an INVALID_ARGUMENT with the field's name as
// `param` (api_error.h). What would change the answer and is not served is refused; what clients
// send and nothing depends on is passed over; other keys are refused with the nearest right name.
// Pure; any thread.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "base/openai_server/chat_backend.h"

namespace temper {

// Bounds of one request.
inline constexpr int kChoicesMax = 128;
inline constexpr int kStopStringsMax = 16;

// idempotency_key: of the header; may be empty. The model may be absent: it is then empty.
absl::StatusOr<ServedRequest> ParseServedRequest(ServedRequest::Kind kind, std::string_view body,
                                                 std::string_view idempotency_key);

}  // namespace temper
