// Asks any server that speaks OpenAI's HTTP API for completions, and again when it is busy.
//
// https://platform.openai.com/docs/api-reference: POST /chat/completions and /completions. Calls
// block; any thread, any number at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/http_client.h"
#include "base/stop.h"
#include "nlohmann/json.hpp"

namespace temper {

// What is asked for. A field that is left out is not sent: then the server's default holds.
struct ChatRequest {
  std::string model;
  nlohmann::ordered_json messages;  // for /chat/completions; null: `prompt` for /completions
  std::string prompt;
  std::optional<int64_t> max_tokens;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
  bool logprobs = false;
  int top_logprobs = 0;  // other tokens, for each token; at most 20
  int n = 1;
  nlohmann::ordered_json extra;  // an object: further keys of the body, as the server knows them
  absl::Duration timeout = absl::Seconds(600);  // of one attempt
};

// One token of an answer.
struct TokenLogprob {
  std::string token;
  double logprob = 0;                               // nats
  std::vector<std::pair<std::string, double>> top;  // most likely first
};

// One answer.
struct ChatResponse {
  std::string text;               // valid UTF-8; what the server calls its reasoning is not in it
  std::string reasoning;          // "reasoning" or "reasoning_content", where the server parts it
  std::string finish_reason;      // "stop", "length", ...; "" when the server says nothing
  int64_t completion_tokens = 0;  // of a lone answer; 0: the server does not say
  std::vector<TokenLogprob> tokens;  // empty unless log-probabilities were asked for and given
};

class OpenAiClient {
 public:
  struct Options {
    std::string url;                                // http[s]://HOST[:PORT]/v1
    std::string api_key;                            // a bearer token; empty: none is sent
    int attempts_max = 6;                           // of one call
    absl::Duration first_pause = absl::Seconds(1);  // doubled every time, up to pause_max
    absl::Duration pause_max = absl::Seconds(30);   // also of the server's own Retry-After
    size_t answer_bytes_max = size_t{16} << 20;
    const StopToken* stop = nullptr;  // null, or what ends calls and pauses early
  };
  // INVALID_ARGUMENT: see HttpClient::Create; a key that cannot stand in a header.
  static absl::StatusOr<std::unique_ptr<OpenAiClient>> Create(Options options);

  // As many answers as were asked for, in the server's order. Tried again: 408, 409, 425, 429, 5xx,
  // what a network does, and answers that are no completion.
  // UNAVAILABLE, DEADLINE_EXCEEDED: all attempts failed; the last one's words. INVALID_ARGUMENT:
  // the server refuses the request (4xx). PERMISSION_DENIED: 401, 403, a bad certificate.
  // NOT_FOUND: 404. FAILED_PRECONDITION: a redirect, which is not followed. CANCELLED: stopped.
  // No message holds the key.
  absl::StatusOr<std::vector<ChatResponse>> Complete(const ChatRequest& request);

  const std::string& url() const { return http_->url(); }

 private:
  OpenAiClient(Options options, std::unique_ptr<HttpClient> http);
  absl::StatusOr<std::vector<ChatResponse>> Attempt(const ChatRequest& request,
                                                    const std::string& body,
                                                    absl::Duration& retry_after);
  absl::Status Pause(absl::Duration pause) const;

  const Options options_;
  const std::unique_ptr<HttpClient> http_;
};

}  // namespace temper
