// One micro-batch after the other, in sample order; sums in double in that order.
#include "policy/learner/gradient_pass.h"

#include <bit>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"

namespace temper::learner {

// Adds up tokens as they come and gives each its slope.
struct GradientPass::Tally {
  std::span<const Sequence> sequences;
  const PassOptions& options;
  PassTotals totals;
  absl::Status mismatch;  // the first one

  // `reference` is read only when there is a kl term.
  double Add(const MicroBatch& batch, int64_t i, float logprob, float entropy, float reference) {
    const Sequence& sequence = sequences[batch.sequence_of[i]];
    const TokenTerm term = Term(sequence, batch.token_of[i], logprob, reference);
    const double weight = options.normaliser.Weight(sequence.loss_tokens());
    totals.loss += weight * term.value;
    totals.entropy += entropy;
    totals.k3 += term.k3;
    totals.clipped += term.clipped ? 1 : 0;
    totals.loss_tokens += 1;
    return weight * term.slope;
  }

 private:
  TokenTerm Term(const Sequence& sequence, int32_t token, float logprob, float reference) {
    if (options.supervised) return SupervisedTerm(logprob);
    const float sampled = sequence.sampled_logprobs[token];
    if (std::bit_cast<uint32_t>(sampled) != std::bit_cast<uint32_t>(logprob)) {
      ++totals.mismatches;
      if (mismatch.ok()) mismatch = Mismatch(sequence, token, logprob, sampled);
    }
    return PolicyTerm(options.objective, sequence.advantage, logprob, sampled, reference);
  }

  static absl::Status Mismatch(const Sequence& sequence, int32_t token, float logprob,
                               float sampled) {
    return absl::DataLossError(absl::StrFormat(
        "%s token %d (id %d): log-probability %.9g (bits %08x) here, %.9g (bits %08x) from the "
        "rollout",
        sequence.name, token, sequence.tokens[sequence.prompt_tokens + token], logprob,
        std::bit_cast<uint32_t>(logprob), sampled, std::bit_cast<uint32_t>(sampled)));
  }
};

GradientPass::GradientPass(model::HybridModel& model, const model::Weights& weights,
                           const model::Weights* reference, std::atomic<int64_t>& progress)
    : model_(model), weights_(weights), reference_(reference), progress_(progress) {}

void GradientPass::TrainOn(const MicroBatch& batch, std::span<float> gradients, Tally& tally) {
  const bool compare = !tally.options.supervised && tally.options.objective.kl > 0;
  if (compare) {
    TEMPER_CHECK(reference_ != nullptr);
    reference_logprobs_.resize(batch.token_of.size());
    model_.Score(*reference_, batch.packed, reference_logprobs_, {});
  }
  const auto loss = [&](int64_t first, std::span<const float> logprob,
                        std::span<const float> entropy, std::span<float> dlogprob,
                        std::span<float> dentropy) {
    for (size_t i = 0; i < logprob.size(); ++i) {
      const int64_t place = first + static_cast<int64_t>(i);
      const float reference = compare ? reference_logprobs_[place] : 0.0f;
      dlogprob[i] = static_cast<float>(tally.Add(batch, place, logprob[i], entropy[i], reference));
      dentropy[i] = 0.0f;
    }
  };
  model_.Train(weights_, batch.packed, loss, gradients);
}

void GradientPass::ScoreOnly(const MicroBatch& batch, Tally& tally) {
  logprobs_.resize(batch.token_of.size());
  entropies_.resize(batch.token_of.size());
  model_.Score(weights_, batch.packed, logprobs_, entropies_);
  for (size_t i = 0; i < logprobs_.size(); ++i) {
    tally.Add(batch, static_cast<int64_t>(i), logprobs_[i], entropies_[i], 0.0f);
  }
}

absl::StatusOr<PassTotals> GradientPass::Run(std::span<const Sequence> sequences,
                                             const PassOptions& options,
                                             std::span<float> gradients) {
  std::vector<int32_t> trained, scored;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const bool teaches =
        options.supervised || options.objective.kl > 0 || sequences[i].advantage != 0;
    (teaches ? trained : scored).push_back(static_cast<int32_t>(i));
  }
  Tally tally{.sequences = sequences, .options = options, .totals = {}, .mismatch = {}};
  for (const auto* chosen : {&trained, &scored}) {
    for (const MicroBatch& batch :
         Pack(sequences, *chosen, options.tokens_per_micro_batch, options.temperature)) {
      if (chosen == &trained) {
        TrainOn(batch, gradients, tally);
      } else {
        ScoreOnly(batch, tally);
      }
      tally.totals.tokens += static_cast<int64_t>(batch.packed.tokens.size());
      progress_.fetch_add(1, std::memory_order_relaxed);
      if (options.stop_on_mismatch && !tally.mismatch.ok()) return tally.mismatch;
    }
  }
  return tally.totals;
}

}  // namespace temper::learner
