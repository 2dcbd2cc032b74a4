// One request to a server, as the line of calls sees it: what is sent, and what came of it.
//
// A Wire knows how to speak to one kind of server and decides nothing about retries: it says what
// happened. All on the thread of the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agents/endpoint/endpoint.h"

namespace temper::agents {

struct Attempt {
  const EndpointCall* call = nullptr;  // outlives the attempt
  std::span<const int64_t> samples;    // of the call's, those that this request asks for
  std::string idempotency_key;         // the same for every attempt at the same
};

struct AttemptEnd {
  absl::Status status;
  // status OK: whole. Of chat, texts for the first of the samples: fewer than were asked for where
  // the server makes fewer at once.
  EndpointAnswer answer;
  bool worth_a_retry = false;
  bool overloaded = false;              // 429 or 503: too much at once
  bool one_sample_at_once = false;      // the server refuses `n`: ask for one at a time
  bool other_words = false;             // the wire has learnt what to send instead: send at once
  std::optional<absl::Duration> pause;  // the server's wish, for the whole endpoint
  int64_t tokens_wasted = 0;            // of an attempt that came to nothing, as far as known
};

class Wire {
 public:
  virtual ~Wire() = default;
  // `done` comes once, later, never from within Send. The number is for Abort.
  virtual uint64_t Send(const Attempt& attempt, std::function<void(AttemptEnd)> done) = 0;
  // Closes its connection; its `done` does not come any more.
  virtual void Abort(uint64_t attempt) = 0;
  // Any thread.
  virtual int64_t PromptTokensMax(const nlohmann::ordered_json& messages) const = 0;
};

// The seed of a call's first sample on servers that take one; sample i of the same identity has
// SampleSeed(call, i), however samples are put together into requests.
uint32_t SampleSeed(const EndpointCall& call, int64_t sample);

// "call" and its samples, for servers that keep a request's answer under a key.
std::string IdempotencyKey(const EndpointCall& call, std::span<const int64_t> samples);

}  // namespace temper::agents
