// What servers say when they refuse: OpenAI's shape, NIM's, vLLM's older one, or plain text; and
// what that comes to.
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agents/endpoint/attempt.h"
#include "agents/endpoint/http/http_exchange.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

struct ServerError {
  std::string words;  // one line, bounded
  std::string code, type, param;
  int status = 0;  // of HTTP, or what the body says it would be

  bool quota() const;    // money or a quota is spent: time does not mend it
  bool context() const;  // the prompt, or prompt and answer, do not fit
  bool refuses_n() const;
  // Names this key of the request's body.
  bool names(std::string_view key) const;
};

ServerError ReadServerError(int status, const std::string& body);
// Of a JSON value inside an answer that had the status 200; nothing where it is no error.
std::optional<ServerError> ErrorInside(const nlohmann::json& answer);

// What the error means for the attempt; `head` and `now` for the server's wish of a pause.
AttemptEnd EndOf(const ServerError& error, const HttpHead& head, absl::Time now);

}  // namespace temper::agents
