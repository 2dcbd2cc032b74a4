// Turns logits into tokens, log-probabilities and entropies.
//
// The rule. The uniform number of a token is a function of (seed, prompt id, sample number, token
// position) alone:
//   Philox(key = seed, counter = (HashName(prompt id), sample << 32 | position)), position 0 being
//   the response's first token.
// The token is the first one, in order of ids, at which the running sum of probabilities exceeds
// uniform * total (inverse CDF). With top_p the sums leave out all but the smallest set of most
// likely tokens that holds top_p of the mass (of equally likely ones the lower ids are in); the
// log-probability reported stays that of the whole distribution. Temperature 0 takes the largest
// logit, lowest id on a tie; log-probability and entropy are then those at temperature 1.
// Every id of the model's vocabulary can be drawn, also one beyond the tokenizer's (it decodes to
// nothing): masking here would change the log-probabilities that the learner computes.
// Used on the engine's thread; holds scratch between calls.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace temper::rollout {

// Where a token stands: the key of its randomness.
struct DrawPlace {
  uint64_t seed = 0;
  uint64_t prompt_hash = 0;
  int32_t sample = 0;
  int64_t position = 0;
};
double UniformOf(const DrawPlace& place);  // in (0, 1)

// The temperature whose distribution is reported: 1 for greedy.
inline float ReportedTemperature(double temperature) {
  return temperature == 0.0 ? 1.0f : static_cast<float>(temperature);
}

// The largest value's index, lowest on a tie. row must not be empty.
int32_t Greediest(std::span<const float> row);

class Sampler {
 public:
  // By inverse CDF, see above. logprobs: [vocab], of softmax(logits / temperature). Empty when they
  // are not finite: the weights are broken.
  std::optional<int32_t> Draw(std::span<const float> logprobs, double top_p, double uniform);

 private:
  // Which tokens a truncated distribution keeps: those more likely than `least`, and those as
  // likely with ids up to `last`.
  struct Cut {
    float least = 0.0f;
    int64_t last = 0;
    bool Keeps(float probability, size_t id) const {
      return probability > least || (probability == least && static_cast<int64_t>(id) <= last);
    }
  };
  Cut FindCut(double mass);
  std::optional<int32_t> DrawTruncated(double mass, double uniform);

  std::vector<float> probabilities_;  // [vocab]
  std::vector<double> block_sums_, bucket_sums_;
  std::vector<int32_t> candidates_;
};

}  // namespace temper::rollout
