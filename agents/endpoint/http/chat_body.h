// The body of POST /chat/completions, in the words that this server understands.
//
// Pure; any thread.
#pragma once

#include <string>

#include "agents/endpoint/attempt.h"
#include "agents/endpoint/http/server_error.h"

namespace temper::agents {

// What a server has taught us.
struct ChatManners {
  bool completion_tokens = false;  // "max_completion_tokens", not "max_tokens"
  bool stream_options = true;
  bool seed = true;
  bool return_token_ids = false;

  // Whether the refusal of a request in the manners `sent` tells of others that may do better;
  // they are used from now on.
  bool Learn(const ServerError& error, const ChatManners& sent);
};

// NUL and what is no character become U+FFFD: servers refuse them.
std::string ChatBody(const Attempt& attempt, const ChatManners& manners);
// The same for {"model": ..., "messages": ...} alone, and for any other value.
std::string CleanJson(const nlohmann::ordered_json& value);

}  // namespace temper::agents
