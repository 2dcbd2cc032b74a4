// The formulas of rl.md section 1, token by token.
#include "policy/learner/objective.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::learner {

absl::StatusOr<Aggregation> ParseAggregation(std::string_view name) {
  if (name == "sequence_mean") return Aggregation::kSequenceMean;
  if (name == "token_mean") return Aggregation::kTokenMean;
  if (name == "token_sum_constant") return Aggregation::kTokenSumConstant;
  return absl::InvalidArgumentError(
      absl::StrCat("options.aggregation: found \"", std::string(name),
                   "\", expected sequence_mean, token_mean or token_sum_constant"));
}

double Normaliser::Weight(int64_t sequence_tokens) const {
  switch (aggregation) {
    case Aggregation::kSequenceMean:
      return 1.0 / (static_cast<double>(sequences) * static_cast<double>(sequence_tokens));
    case Aggregation::kTokenMean:
      return 1.0 / static_cast<double>(tokens);
    case Aggregation::kTokenSumConstant:
      return 1.0 / (static_cast<double>(sequences) * static_cast<double>(tokens_max));
  }
  TEMPER_CHECK(false);
}

TokenTerm PolicyTerm(const PolicyObjective& objective, double advantage, double logprob,
                     double sampled_logprob, double reference) {
  TokenTerm term;
  if (advantage != 0) {  // also true for NaN, which must show in the loss
    const double ratio = std::exp(logprob - sampled_logprob);
    const double bounded = std::clamp(ratio, 1.0 - objective.clip_low, 1.0 + objective.clip_high);
    term.clipped = bounded * advantage < ratio * advantage;
    term.value = -(term.clipped ? bounded : ratio) * advantage;
    term.slope = term.clipped ? 0.0 : -ratio * advantage;
  }
  if (objective.kl > 0) {
    const double difference = reference - logprob;
    const double odds = std::exp(difference);
    term.k3 = odds - 1.0 - difference;
    term.value += objective.kl * term.k3;
    term.slope += objective.kl * (1.0 - odds);
  }
  return term;
}

TokenTerm SupervisedTerm(double logprob) { return {.value = -logprob, .slope = -1.0}; }

// Only exponentials of what is not positive: no overflow, however far the values are apart.
PairTerm PreferenceTerm(double margin) {
  const double odds = std::exp(-std::abs(margin));
  const double wrong = (margin > 0 ? odds : 1.0) / (1.0 + odds);  // sigmoid(-margin)
  return {.value = std::max(-margin, 0.0) + std::log1p(odds), .slope = -wrong};
}

}  // namespace temper::learner
