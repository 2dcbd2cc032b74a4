// The nouns at the engine's door: what is asked for, and what comes back.
//
// Plain values; the wire's messages are translated in service.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rollout/engine/thought.h"

namespace temper::rollout {

// How tokens are drawn; the rule itself stands in sampler.h.
struct Sampling {
  double temperature = 1.0;  // 0: greedy
  double top_p = 0.0;        // 0 or 1: the whole distribution
  int64_t max_tokens = 0;
  std::vector<std::string> stop;  // a response ends when its text contains one; none is empty
  uint64_t seed = 0;
};

enum class FinishReason { kStop, kLength };

// One response.
struct Episode {
  int64_t group_id = 0;
  int32_t sample = 0;
  std::vector<int32_t> prompt_tokens;
  std::vector<int32_t> tokens;  // the end token included
  std::vector<float> logprobs;  // at the sampling temperature (greedy: at 1), never truncated
  // 1 for a token that a thinking budget put in, else 0; empty: all were sampled.
  std::vector<uint8_t> forced;
  int64_t version = 0;  // of the weights, for every token
  FinishReason finish_reason = FinishReason::kLength;
  // All of `tokens` as text, a stop string included and special tokens left out; valid UTF-8:
  // U+FFFD stands for bytes that are none.
  std::string text;
  double entropy_sum = 0.0;  // nats
};

// One token of a sample under way.
struct SampledToken {
  int32_t sample = 0;
  int32_t token = 0;     // perhaps one that the tokenizer does not know
  float logprob = 0.0f;  // as in Episode
  bool forced = false;   // put in by a thinking budget
  // Of every token that could have come, by id; there until Progress() returns. Perhaps empty for a
  // sink that does not want them.
  std::span<const float> logprobs;
};

// Where a group's episodes go. The engine's thread calls Deliver() once for each sample that ended,
// then Done() exactly once, and nothing after it.
class EpisodeSink {
 public:
  virtual ~EpisodeSink() = default;
  // Every token of every sample as it comes, each sample's in order, before its Deliver().
  virtual void Progress(const SampledToken& token) {}
  // Whether Progress() reads SampledToken::logprobs: on a GPU they are else not brought to the host.
  virtual bool wants_distribution() const { return false; }
  virtual void Deliver(Episode episode) = 0;
  // OK: all samples were delivered.
  virtual void Done(const absl::Status& status) = 0;
  // Asked before every step; true frees what the group holds and ends it with CANCELLED.
  virtual bool cancelled() const { return false; }
};

// One continuation of a measured prompt.
struct MeasuredContinuation {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;  // at temperature 1, one per token
};

// What a version says of given tokens.
struct Measurement {
  int64_t version = 0;
  std::vector<int32_t> prompt_tokens;
  std::vector<MeasuredContinuation> continuations;  // in the order of the request
  std::optional<float> value;                       // of a reward head, after the prompt
};

// Where a measurement goes: Done() exactly once, on the engine's thread.
class MeasureSink {
 public:
  virtual ~MeasureSink() = default;
  virtual void Done(const absl::StatusOr<Measurement>& measurement) = 0;
  // Asked before every piece of work; true ends it with CANCELLED.
  virtual bool cancelled() const { return false; }
};

// A prompt to be measured with each of some continuations; nothing is sampled.
struct MeasureRequest {
  std::string prompt_id;  // these four as in GroupRequest
  std::string prompt_text;
  std::string chat_json;
  std::vector<int32_t> prompt_tokens;
  std::vector<std::string> continuations;  // none for a reward head
  std::optional<int64_t> version;          // none: the current one
  std::shared_ptr<MeasureSink> sink;
};

// Samples of one prompt, wanted under one version.
struct GroupRequest {
  int64_t group_id = 0;
  std::string prompt_id;    // part of the key of the randomness
  std::string prompt_text;  // tokenised by the engine when prompt_tokens is empty
  // A conversation as chat_prompt.h reads it, for the folder's chat template; it counts in place of
  // prompt_text when not empty, but for one of a lone user text where the folder has no template.
  std::string chat_json;
  std::vector<int32_t> prompt_tokens;  // taken as they are when not empty
  std::vector<int32_t> samples;        // sample numbers, each >= 0, no two the same
  Sampling sampling;
  std::optional<ThinkingBudget> thinking;  // needs a tokenizer
  int64_t version = 0;
  std::shared_ptr<EpisodeSink> sink;
};

}  // namespace temper::rollout
