// The first promise: a rollout's log-probability of a token has the bits that the learner computes,
// whatever the batch, the packing, the cuts of a prefill, the forks or the number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "policy/model/hybrid_model.h"
#include "tests/policy/model/policy_fixture.h"

namespace temper::model {
namespace {

using kernels::View;
using Random = std::mt19937;

constexpr int kMixes = kernels::Rounds(200, 10);

// Uniform over [low, high].
int64_t Draw(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

// Sizes that fill vectors and tiles, and sizes that do not.
ModelConfig RoundSizes() {
  ModelConfig config;
  config.vocab_size = 64;
  config.hidden_size = 32;
  const LayerConfig mamba{.kind = LayerKind::kMamba,
                          .heads = 4,
                          .head_dim = 8,
                          .state = 16,
                          .groups = 2,
                          .conv_taps = 4};
  const LayerConfig attention{
      .kind = LayerKind::kAttention, .q_heads = 4, .kv_heads = 2, .attention_head_dim = 8};
  const LayerConfig mlp{.kind = LayerKind::kMlp, .intermediate = 48};
  config.layers = {mamba, mlp, attention, mamba};
  return config;
}

ModelConfig OddSizes() {
  ModelConfig config;
  config.vocab_size = 53;
  config.hidden_size = 27;
  const LayerConfig mamba{.kind = LayerKind::kMamba,
                          .heads = 3,
                          .head_dim = 5,
                          .state = 9,
                          .groups = 1,
                          .conv_taps = 3,
                          .conv_bias = false};
  const LayerConfig attention{
      .kind = LayerKind::kAttention, .q_heads = 3, .kv_heads = 1, .attention_head_dim = 10};
  config.layers = {attention, mamba, {.kind = LayerKind::kMlp, .intermediate = 37}, attention};
  return config;
}

// Every option of the newer layers at once: latent and plain experts, one of them grouped, rotary
// positions with bias and head norms, gated and linear feed-forwards.
ModelConfig EveryOption() {
  ModelConfig config;
  config.vocab_size = 59;
  config.hidden_size = 28;
  LayerConfig attention{.kind = LayerKind::kAttention,
                        .q_heads = 4,
                        .kv_heads = 2,
                        .attention_head_dim = 6,
                        .qkv_bias = true,
                        .output_bias = true,
                        .qk_norm = true,
                        .inverse_frequency = {1.0f, 0.3f, 0.01f}};
  const LayerConfig mamba{.kind = LayerKind::kMamba,
                          .heads = 2,
                          .head_dim = 8,
                          .state = 16,
                          .groups = 1,
                          .conv_taps = 4};
  const LayerConfig experts{.kind = LayerKind::kMoe,
                            .experts = 7,
                            .experts_chosen = 3,
                            .expert_intermediate = 20,
                            .shared_intermediate = 24,
                            .router_scale = 2.5f};
  const LayerConfig latent{.kind = LayerKind::kMoe,
                           .experts = 6,
                           .experts_chosen = 2,
                           .expert_intermediate = 9,
                           .latent = 12,
                           .router_groups = 3,
                           .router_groups_chosen = 2,
                           .normalize_chosen = false};
  config.layers = {mamba,
                   experts,
                   attention,
                   latent,
                   {.kind = LayerKind::kMlp, .intermediate = 36, .gated = true},
                   {.kind = LayerKind::kLinear}};
  return config;
}

std::vector<float> DrawValues(const ModelConfig& config, uint32_t seed) {
  const ParameterLayout layout(config);
  std::vector<float> values(layout.size());
  Random random(seed);
  for (float& value : values) value = std::normal_distribution<float>(0.05f, 0.4f)(random);
  return values;
}

// The same weights on one thread and on two.
struct Bench {
  explicit Bench(const ModelConfig& config, kernels::Dtype dtype = kernels::Dtype::kFloat32)
      : one(config, DrawValues(config, 3), 1, dtype),
        two(config, DrawValues(config, 3), 2, dtype) {}
  Policy& Any(Random& random) { return Draw(random, 0, 1) == 0 ? one : two; }
  Policy one, two;
};

struct Sample {
  std::vector<int32_t> tokens;  // the prompt's, then the completion's
  int64_t prompt = 0;
  std::vector<float> logprob;  // of the completion's tokens, as the rollout saw them
  std::unique_ptr<SequenceState> state;
};

// One mix: groups of samples that share a prompt, rolled out and then scored.
class Mix {
 public:
  Mix(Bench& bench, uint32_t seed) : bench_(bench), random_(seed) {
    temperature_ = Draw(random_, 0, 1) == 0 ? 1.0f : 0.7f;
    const int64_t prompt_max = Draw(random_, 0, 15) == 0 ? 700 : 90;
    const int64_t completion_max = Draw(random_, 0, 7) == 0 ? 70 : 12;
    const int64_t groups = Draw(random_, 1, 4);
    for (int64_t g = 0; g < groups; ++g) {
      prompts_.push_back(DrawTokens(Draw(random_, 1, prompt_max)));
      group_samples_.emplace_back();
      for (int64_t size = Draw(random_, 1, 5); size > 0; --size) {
        Sample sample{.tokens = prompts_.back(), .prompt = std::ssize(prompts_.back())};
        const std::vector<int32_t> completion = DrawTokens(Draw(random_, 1, completion_max));
        sample.tokens.insert(sample.tokens.end(), completion.begin(), completion.end());
        group_samples_.back().push_back(samples_.size());
        samples_.push_back(std::move(sample));
      }
    }
  }

  void RollOut() {
    Prefill(bench_.Any(random_));
    Decode(bench_.Any(random_));
  }

  // Packs the samples in any order into any number of batches; checks every token.
  void CheckAgainstLearner() {
    std::vector<size_t> order = Shuffled(samples_.size());
    for (size_t first = 0; first < order.size();) {
      const size_t count = Draw(random_, 1, order.size() - first);
      CheckBatch(std::span(order).subspan(first, count));
      first += count;
    }
  }

 private:
  int64_t vocab() const { return bench_.one.config.vocab_size; }

  std::vector<int32_t> DrawTokens(int64_t count) {
    std::vector<int32_t> tokens(count);
    for (int32_t& token : tokens) token = static_cast<int32_t>(Draw(random_, 0, vocab() - 1));
    return tokens;
  }

  std::vector<size_t> Shuffled(size_t count) {
    std::vector<size_t> order(count);
    for (size_t i = 0; i < count; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    return order;
  }

  // Logits -> log-probabilities; row i gives that of the next token of samples[i].
  void Record(Policy& policy, View<float> logits, std::span<const size_t> samples) {
    policy.device->ops().log_softmax(policy.device->stream(), logits, temperature_, nullptr);
    for (size_t i = 0; i < samples.size(); ++i) {
      Sample& sample = samples_[samples[i]];
      const int32_t token = sample.tokens[sample.prompt + sample.logprob.size()];
      sample.logprob.push_back(logits.row(i)[token]);
    }
  }

  // Feeds every prompt in pieces of any length, any prompts together; then forks the groups.
  void Prefill(Policy& policy) {
    std::vector<SequenceState> states;
    for (size_t g = 0; g < prompts_.size(); ++g) states.emplace_back(policy.config, *policy.device);
    std::vector<size_t> left = Shuffled(prompts_.size());
    while (!left.empty()) {
      const size_t count = Draw(random_, 1, left.size());
      std::vector<Slice> slices;
      for (size_t i = 0; i < count; ++i) {
        const std::span<const int32_t> rest =
            std::span<const int32_t>(prompts_[left[i]]).subspan(states[left[i]].position());
        slices.push_back({&states[left[i]], rest.first(Draw(random_, 1, rest.size()))});
      }
      std::vector<float> logits(count * vocab());
      policy.Extend(slices, View<float>(logits.data(), count, vocab()));
      std::vector<size_t> unfinished;
      for (size_t i = 0; i < left.size(); ++i) {
        const size_t g = left[i];
        if (states[g].position() < std::ssize(prompts_[g])) {
          unfinished.push_back(g);
        } else {
          Fork(policy, states[g], std::span(logits).subspan(i * vocab(), vocab()), g);
        }
      }
      left = unfinished;
    }
  }

  void Fork(Policy& policy, const SequenceState& state, std::span<const float> logits, size_t g) {
    for (const size_t sample : group_samples_[g]) {
      samples_[sample].state = std::make_unique<SequenceState>(state.Fork());
      std::vector<float> row(logits.begin(), logits.end());
      Record(policy, View<float>(row.data(), 1, vocab()), {&sample, 1});
    }
  }

  // One token for any of the unfinished samples, in any order, until all are done.
  void Decode(Policy& policy) {
    while (true) {
      std::vector<size_t> active;
      for (const size_t i : Shuffled(samples_.size())) {
        const Sample& sample = samples_[i];
        if (sample.prompt + std::ssize(sample.logprob) < std::ssize(sample.tokens)) {
          active.push_back(i);
        }
      }
      if (active.empty()) return;
      active.resize(Draw(random_, 1, active.size()));
      std::vector<Slice> slices;
      for (const size_t i : active) {
        SequenceState& state = *samples_[i].state;
        slices.push_back({&state, std::span(samples_[i].tokens).subspan(state.position(), 1)});
      }
      std::vector<float> logits(active.size() * vocab());
      const View<float> view(logits.data(), active.size(), vocab());
      policy.Extend(slices, view);
      Record(policy, view, active);
    }
  }

  void CheckBatch(std::span<const size_t> order) {
    PackedBatch batch{.temperature = temperature_};
    std::vector<float> rollout;
    for (const size_t i : order) {
      Append(samples_[i].tokens, samples_[i].prompt, batch);
      rollout.insert(rollout.end(), samples_[i].logprob.begin(), samples_[i].logprob.end());
    }
    std::vector<float> learner(rollout.size());
    Policy& policy = bench_.Any(random_);
    if (Draw(random_, 0, 1) == 0) {
      policy.Score(batch, learner);
    } else {
      Train(policy, batch, learner);
    }
    ASSERT_EQ(learner.size(), rollout.size());
    for (size_t i = 0; i < rollout.size(); ++i) {
      ASSERT_TRUE(std::isfinite(rollout[i]));
      ASSERT_TRUE(SameBits({&rollout[i], 1}, {&learner[i], 1}))
          << "token " << i << " of a batch of " << batch.segments.size() << " sequences: rollout "
          << rollout[i] << ", learner " << learner[i];
    }
  }

  void Train(Policy& policy, const PackedBatch& batch, std::span<float> logprobs) {
    std::vector<float> gradients(policy.layout.size(), 0.0f);
    policy.Train(
        batch,
        [&](int64_t first, std::span<const float> logprob, std::span<const float>,
            std::span<float> dlogprob, std::span<float>) {
          std::copy(logprob.begin(), logprob.end(), logprobs.begin() + first);
          std::fill(dlogprob.begin(), dlogprob.end(), 1.0f);
        },
        gradients);
  }

  Bench& bench_;
  Random random_;
  float temperature_ = 1.0f;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<std::vector<size_t>> group_samples_;
  std::vector<Sample> samples_;
};

TEST(SameBitsTest, RolloutAndLearnerAgreeOnEveryBitOverRandomMixes) {
  constexpr kernels::Dtype kHalf = kernels::Dtype::kBFloat16;
  Bench benches[] = {Bench(RoundSizes()), Bench(OddSizes()), Bench(EveryOption()),
                     Bench(RoundSizes(), kHalf), Bench(EveryOption(), kHalf)};
  for (uint32_t seed = 0; seed < kMixes; ++seed) {
    SCOPED_TRACE(testing::Message() << "mix " << seed);
    Mix mix(benches[seed % std::size(benches)], seed);
    mix.RollOut();
    mix.CheckAgainstLearner();
    ASSERT_FALSE(HasFatalFailure());
  }
}

}  // namespace
}  // namespace temper::model
