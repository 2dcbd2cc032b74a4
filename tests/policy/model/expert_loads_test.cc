// What routers choose stays on the device: loads are told when it is waited for anyway, and nothing
// else waits.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/policy/model/policy_fixture.h"

#ifdef TEMPER_TEST_ON_CUDA
namespace temper::kernels {
// The emulator's count of how often the host has waited for the device.
int64_t TimesSynchronized();
}  // namespace temper::kernels
#endif

namespace temper::model {
namespace {

using kernels::View;

constexpr int64_t kVocab = 40;

// Plain and latent experts among other layers.
ModelConfig MixtureConfig() {
  ModelConfig config;
  config.vocab_size = kVocab;
  config.hidden_size = 24;
  const LayerConfig experts{.kind = LayerKind::kMoe,
                            .experts = 7,
                            .experts_chosen = 3,
                            .expert_intermediate = 12,
                            .shared_intermediate = 16};
  const LayerConfig latent{.kind = LayerKind::kMoe,
                           .experts = 5,
                           .experts_chosen = 2,
                           .expert_intermediate = 9,
                           .latent = 12};
  config.layers = {
      {.kind = LayerKind::kMlp, .intermediate = 20},
      experts,
      {.kind = LayerKind::kAttention, .q_heads = 2, .kv_heads = 1, .attention_head_dim = 8},
      latent};
  return config;
}

std::vector<float> RandomValues(const ModelConfig& config) {
  std::vector<float> values(ParameterLayout(config).size());
  std::mt19937 random(3);
  for (float& value : values) value = std::normal_distribution<float>(0.05f, 0.4f)(random);
  return values;
}

class ExpertLoadsTest : public testing::Test {
 protected:
  static PackedBatch Batch(int64_t tokens) {
    std::vector<int32_t> ids(tokens);
    for (int64_t i = 0; i < tokens; ++i) ids[i] = static_cast<int32_t>(7 * i % kVocab);
    PackedBatch batch;
    Append(ids, 1, batch);
    return batch;
  }
  static void Train(Policy& policy, const PackedBatch& batch) {
    std::vector<float> gradients(policy.layout.size(), 0.0f);
    policy.Train(
        batch,
        [](int64_t, std::span<const float>, std::span<const float>, std::span<float> dlogprob,
           std::span<float>) { std::ranges::fill(dlogprob, 1.0f); },
        gradients);
  }

  const ModelConfig config_ = MixtureConfig();
};

// Corrections larger than any score say who is chosen.
TEST_F(ExpertLoadsTest, AreTheTokensOfEachExpertSinceTheLastReset) {
  const ParameterLayout layout(config_);
  std::vector<float> values = RandomValues(config_);
  const auto prefer = [&](int layer, const std::vector<int>& ids) {
    float* const correction = values.data() + layout.layers()[layer].correction;
    for (int64_t e = 0; e < config_.layers[layer].experts; ++e) correction[e] = 0;
    for (const int id : ids) correction[id] = 10;
  };
  prefer(1, {0, 4, 6});
  prefer(3, {2, 3});
  Policy policy(config_, values, 2);
  Train(policy, Batch(11));
  Train(policy, Batch(30));
  const std::vector<std::vector<int64_t>> both = {
      {}, {41, 0, 0, 0, 41, 0, 41}, {}, {0, 0, 41, 41, 0}};
  EXPECT_EQ(policy.model.expert_loads(), both);
  policy.model.ResetExpertLoads();
  Train(policy, Batch(5));
  const std::vector<std::vector<int64_t>> last = {{}, {5, 0, 0, 0, 5, 0, 5}, {}, {0, 0, 5, 5, 0}};
  EXPECT_EQ(policy.model.expert_loads(), last);
}

TEST_F(ExpertLoadsTest, CountEveryChoiceOnce) {
  Policy policy(config_, RandomValues(config_), 2);
  Train(policy, Batch(33));
  for (size_t layer = 0; layer < config_.layers.size(); ++layer) {
    int64_t sum = 0;
    for (const int64_t load : policy.model.expert_loads()[layer]) sum += load;
    EXPECT_EQ(sum, 33 * config_.layers[layer].experts_chosen) << layer;
  }
}

#ifdef TEMPER_TEST_ON_CUDA
TEST_F(ExpertLoadsTest, NothingWaitsForWhatRoutersChoose) {
  Policy policy(config_, RandomValues(config_), 1);
  SequenceState state(config_, *policy.device);
  std::vector<float> logits(kVocab);
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5};
  const auto extend = [&](size_t count) {
    const Slice slice{&state, std::span(tokens).first(count)};
    policy.Extend({&slice, 1}, View<float>(logits.data(), 1, kVocab));
  };
  extend(tokens.size());  // memory is taken
  const int64_t before = kernels::TimesSynchronized();
  extend(2);
  extend(3);
  EXPECT_EQ(kernels::TimesSynchronized(), before);

  // Training reads log-probabilities, once for so few tokens.
  Train(policy, Batch(20));
  const int64_t between = kernels::TimesSynchronized();
  Train(policy, Batch(20));
  EXPECT_EQ(kernels::TimesSynchronized(), between + 1);
}
#endif

}  // namespace
}  // namespace temper::model
