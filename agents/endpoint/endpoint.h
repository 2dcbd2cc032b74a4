// Where a graph's calls go: one server of models, its limits and its manners.
//
// An endpoint takes calls while it has room, carries each out with its own retries, and tells the
// end exactly once. Retries happen here and nowhere else, within a retry budget; a call's caller
// reserves its price before it starts it. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

struct EndpointCall {
  enum class Operation {
    kChat,   // messages -> texts
    kScore,  // messages that end with the candidate's turn -> one number
  };
  Operation operation = Operation::kChat;
  // Identity of what is asked: the same bytes always mean the same request. An idempotency key
  // across retries; on our rollout workers, with the samples, it makes the same tokens again.
  std::string key;
  std::string model;
  nlohmann::ordered_json messages;
  std::vector<int64_t> samples;  // numbers of the samples wanted; as many texts come back
  std::optional<double> temperature, top_p;
  int64_t max_tokens = 1024;
  std::vector<std::string> stop;
  uint64_t seed = 0;
  int top_logprobs = 0;   // of the first token, for yes/no judges; 0: none
  std::string attribute;  // kScore: which of several numbers; "": the only one
  nlohmann::ordered_json extra;
};

// One text of a chat call, in the order of the call's samples.
struct EndpointText {
  std::string text;             // valid UTF-8, without reasoning
  std::string reasoning;        // "reasoning", "reasoning_content" or what stood before "</think>"
  std::string finish_reason;    // never empty: a stream without one is no result
  std::vector<int32_t> tokens;  // where the server tells them
  std::vector<float> logprobs;  // of `tokens`
  std::vector<std::pair<std::string, double>> first_token;  // most likely first
};

struct EndpointAnswer {
  std::vector<EndpointText> texts;     // kChat
  std::optional<double> score;         // kScore
  std::vector<int32_t> prompt_tokens;  // where the server tells them
  int64_t version = -1;                // of the weights; -1: the server does not say
  // As the server counts; where it does not, an estimate (bytes / 4) and `estimated`.
  int64_t tokens_in = 0;
  int64_t tokens_out = 0;
  bool estimated = false;
};

// What a call came to. Errors: INVALID_ARGUMENT the server refuses the request; OUT_OF_RANGE the
// context is too short; RESOURCE_EXHAUSTED a quota or a bill (never tried again);
// PERMISSION_DENIED; NOT_FOUND; UNAVAILABLE, DEADLINE_EXCEEDED: what retries could not mend;
// DATA_LOSS: the server's answers are no answers; CANCELLED.
struct EndpointEnd {
  absl::Status status;
  EndpointAnswer answer;
  int requests = 0;  // sent, the retries among them
  // Tokens of attempts that came to nothing, as far as they are known.
  int64_t tokens_wasted = 0;
};

class Endpoint {
 public:
  virtual ~Endpoint() = default;

  // How many calls it would take now: 0 while it is full, or pauses as it was told to.
  virtual int room() const = 0;
  // Only while there is room; `done` is called exactly once, on any thread, and must only enqueue.
  // The number names the call for Cancel.
  virtual int64_t Start(EndpointCall call, std::function<void(EndpointEnd)> done) = 0;
  // Closes its connection; `done` still comes, with CANCELLED unless it had ended before.
  virtual void Cancel(int64_t call) = 0;
  // Called, on any thread, when room may have grown; must only enqueue. Before the first Start.
  // Several listeners may be there; the number names one for RemoveListener, after which it is not
  // called any more.
  virtual int64_t AddListener(std::function<void()> on_room) = 0;
  virtual void RemoveListener(int64_t listener) = 0;

  struct Traits {
    std::string name;
    int64_t samples_max = 1;  // of one call
    double usd_per_million_in = 0;
    double usd_per_million_out = 0;
    bool reward = false;  // answers kScore
    // What decides the answers beside the call: "rollout:/models/x@12"; part of results' identity.
    std::string revision;

    double Usd(int64_t tokens_in, int64_t tokens_out) const {
      return (static_cast<double>(tokens_in) * usd_per_million_in +
              static_cast<double>(tokens_out) * usd_per_million_out) /
             1e6;
    }
  };
  virtual const Traits& traits() const = 0;
  // How many tokens the messages will be counted as, at most: for reservations.
  virtual int64_t PromptTokensMax(const nlohmann::ordered_json& messages) const = 0;
};

}  // namespace temper::agents
