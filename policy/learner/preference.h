// From preference pairs to packed micro-batches: a pair's two sequences always go together.
//
// A pair is two whole sequences, prompt and response, that share nothing. A pair longer than the
// budget is a micro-batch of its own. The order of pairs is part of the arithmetic.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_field.h"
#include "policy/model/chat/prompt_encoder.h"
#include "policy/model/hybrid_model.h"
#include "temper/v1/learner.pb.h"

namespace temper::learner {

// Tokens whose last one's value is the response's.
struct Pair {
  std::vector<int32_t> chosen, rejected;
  double weight = 1;
};

// INVALID_ARGUMENT names the pair: a weight that is not above 0, a conversation that is none, or no
// token. Prompt and response are a conversation where the folder has a template, else one text: as
// verifier "reward_model" sends them to be measured.
absl::StatusOr<std::vector<Pair>> EncodePairs(
    const google::protobuf::RepeatedPtrField<temper::v1::PreferencePair>& pairs,
    const model::PromptEncoder& encoder);

// Some consecutive pairs: sequences 2 i and 2 i + 1 are the chosen and the rejected one of pair
// first + i.
struct PairBatch {
  model::PackedBatch packed;
  int64_t first = 0;
};

// At most `tokens_max` tokens a micro-batch.
std::vector<PairBatch> PackPairs(std::span<const Pair> pairs, int64_t tokens_max);

}  // namespace temper::learner
