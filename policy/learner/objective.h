// What one token contributes to the loss, and by how much its log-probability moves it.
//
// Pure functions in double. Papers: GRPO 2402.03300, Dr. GRPO 2503.20783, DAPO 2503.14476 (clip
// higher), k3: Schulman, "Approximating KL divergence". Advantages come with the batch.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::learner {

// How the tokens' terms become one loss.
enum class Aggregation {
  kSequenceMean,      // mean over sequences of the mean over their tokens (grpo)
  kTokenMean,         // mean over all tokens of the batch (dapo, supervised)
  kTokenSumConstant,  // sum over all tokens / (sequences x tokens_max) (dr_grpo)
};

// "sequence_mean", "token_mean" or "token_sum_constant".
absl::StatusOr<Aggregation> ParseAggregation(std::string_view name);

// What the terms are divided by; counts of the whole batch, known before the first forward pass.
struct Normaliser {
  Aggregation aggregation = Aggregation::kTokenMean;
  int64_t sequences = 0;
  int64_t tokens = 0;      // that carry loss
  int64_t tokens_max = 0;  // of one response; kTokenSumConstant only

  // The factor of every token of a sequence with `sequence_tokens` loss tokens.
  double Weight(int64_t sequence_tokens) const;
};

struct PolicyObjective {
  double clip_low = 0.2;  // the ratio is clipped to [1 - clip_low, 1 + clip_high]
  double clip_high = 0.2;
  double kl = 0;  // coefficient of k3 to the reference
};

// One token's term before its weight.
struct TokenTerm {
  double value = 0;
  double slope = 0;      // d(value) / d(logprob)
  double k3 = 0;         // exp(reference - logprob) - 1 - (reference - logprob); 0 when kl is 0
  bool clipped = false;  // the clipped ratio was the one that counted
};

// -min(r A, clip(r) A) + kl k3 with r = exp(logprob - sampled_logprob). An advantage of 0 gives
// exactly 0, whatever the ratio. `reference` is read only when kl > 0.
TokenTerm PolicyTerm(const PolicyObjective& objective, double advantage, double logprob,
                     double sampled_logprob, double reference);

// -logprob.
TokenTerm SupervisedTerm(double logprob);

// One pair's term before its weight.
struct PairTerm {
  double value = 0;
  double slope = 0;  // d(value) / d(margin)
};

// Bradley-Terry: -log sigmoid(margin), margin = value(chosen) - value(rejected). Times a weight of
// the pair it is "scaled" (HelpSteer2-Preference, 2410.01257: by how much the chosen one is
// better).
PairTerm PreferenceTerm(double margin);

}  // namespace temper::learner
