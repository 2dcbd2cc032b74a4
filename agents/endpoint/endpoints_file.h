// The endpoints file: which servers a graph's endpoint names stand for, their prices and limits.
//
// {"endpoints": {"main": {"kind": "openai", "url": "http://127.0.0.1:8000/v1", ...}, ...}}; every
// key is told in docs/endpoints.md. Strict. Holds no secret: a key is the name of an environment
// variable.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/endpoint/retry_policy.h"

namespace temper::agents {

enum class EndpointKind {
  kOpenAi,          // POST /chat/completions
  kRewardNim,       // the same, with the score in the answer's content
  kRewardPooling,   // vLLM: POST /pooling
  kRewardClassify,  // vLLM: POST /classify
  kRewardScore,     // vLLM: POST /score
  kRollout,         // our own worker over gRPC
  kFake,            // the scripted model
};

// Of one request that is under way; waiting in the line counts for none.
struct EndpointTimeouts {
  absl::Duration connect = absl::Seconds(10);
  absl::Duration first_byte = absl::Seconds(120);  // of the answer's body
  absl::Duration idle = absl::Seconds(60);         // between two pieces of it
  absl::Duration total = absl::Seconds(1200);
};

struct EndpointSpec {
  std::string name;
  EndpointKind kind = EndpointKind::kOpenAi;
  double usd_per_million_in = 0;
  double usd_per_million_out = 0;
  int concurrency = 32;
  int grow_after = 10;
  int64_t n_max = 4;
  EndpointTimeouts timeouts;
  RetryPolicy::Options retry;
  std::string revision;  // "": made of the rest

  // HTTP
  std::string url;
  std::string key_env;                             // "": no key
  std::map<std::string, std::string> headers;      // name -> value
  std::map<std::string, std::string> headers_env;  // name -> environment variable
  bool return_token_ids = false;
  double prompt_bytes_per_token = 1;  // fewer bytes make no token: for reservations
  size_t answer_bytes_max = size_t{64} << 20;

  // rollout
  std::string address;
  std::string run;
  std::optional<int64_t> version;

  // fake
  std::string script;   // a path; "": without rules
  bool reward = false;  // rollout and fake: scores texts instead of making them
};

// INVALID_ARGUMENT with file, field and the nearest right name.
absl::StatusOr<std::vector<EndpointSpec>> ParseEndpoints(std::string_view text,
                                                         const std::string& path);
// Script paths are taken from the file's folder.
absl::StatusOr<std::vector<EndpointSpec>> ReadEndpoints(const std::string& path);

bool IsReward(const EndpointSpec& spec);
const char* KindName(EndpointKind kind);

}  // namespace temper::agents
