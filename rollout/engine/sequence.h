// One sample's life, and the group it starts from.
//
// A group waits, is prefilled once, and is forked into its samples as places come free. The engine
// fills these in; the scheduler only counts. Both live on the engine's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policy/model/sequence_state.h"
#include "rollout/engine/request.h"

namespace temper::rollout {

struct Group {
  explicit Group(GroupRequest request) : request(std::move(request)) {}

  int64_t prompt_length() const { return static_cast<int64_t>(request.prompt_tokens.size()); }
  int64_t samples() const { return static_cast<int64_t>(request.samples.size()); }
  bool prefilled() const { return prompt_done == prompt_length(); }

  GroupRequest request;
  uint64_t prompt_hash = 0;
  std::optional<ThoughtTags> tags;  // where the request has a thinking budget

  // Counters, in the order of request.samples: finished <= started <= placed <= samples().
  int64_t placed = 0;       // hold a place and bytes
  int64_t started = 0;      // were forked
  int64_t finished = 0;     // were delivered; any order
  int64_t prompt_done = 0;  // prompt tokens that went through the model

  // The prompt's end: what every sample continues, and the distribution of every first token.
  std::optional<model::SequenceState> state;
  std::vector<float> first_row;  // [vocab] log-probabilities
  float first_entropy = 0.0f;
  int32_t first_greedy = 0;  // only at temperature 0
};

struct Sequence {
  Sequence(Group& group, int32_t sample, model::SequenceState state)
      : group(group),
        sample(sample),
        state(std::move(state)),
        thought(group.request.thinking ? &*group.request.thinking : nullptr,
                group.tags ? &*group.tags : nullptr) {}

  Group& group;
  const int32_t sample;
  model::SequenceState state;
  std::vector<int32_t> tokens;  // the last one has not gone through the model yet
  std::vector<float> logprobs;
  std::vector<uint8_t> forced;  // as in Episode; only with a thinking budget
  double entropy_sum = 0.0;
  std::string text;  // bytes as they come
  size_t added = 0;  // bytes of `text` that the last token made
  Thought thought;
};

}  // namespace temper::rollout
