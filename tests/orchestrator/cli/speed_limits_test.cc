// The limits of the 121M reference model on the machine where the design's figures were taken.
#include "orchestrator/cli/speed_limits.h"

#include <gtest/gtest.h>

namespace temper::cli {
namespace {

constexpr Peaks kMachine{.flops = 235e9, .bandwidth = 36e9};

model::ModelConfig Reference() {
  model::ModelConfig config;
  config.vocab_size = 32000;
  config.hidden_size = 768;
  for (const char kind : std::string_view("M-M-M*-M-M-M*-M-")) {
    model::LayerConfig layer{.kind = model::LayerKind::kMlp, .intermediate = 3072};
    if (kind == 'M') {
      layer = {.kind = model::LayerKind::kMamba,
               .heads = 24,
               .head_dim = 64,
               .state = 128,
               .groups = 8,
               .conv_taps = 4};
    } else if (kind == '*') {
      layer = {.kind = model::LayerKind::kAttention,
               .q_heads = 12,
               .kv_heads = 4,
               .attention_head_dim = 64};
    }
    config.layers.push_back(layer);
  }
  return config;
}

Demand ReferenceDemand() {
  const model::ModelConfig config = Reference();
  return DemandOf(config, model::ParameterLayout(config));
}

TEST(SpeedLimitsTest, TheReferenceModelMultiplies97MillionWeightsOfWhich72AreItsBody) {
  const Demand demand = ReferenceDemand();
  EXPECT_NEAR(demand.weights(), 97e6, 0.5e6);
  EXPECT_NEAR(demand.body, 72.4e6, 0.5e6);
  EXPECT_EQ(demand.state_bytes, 7 * 24 * 64 * 128 * 4);
}

TEST(SpeedLimitsTest, TheRecurrenceOfATokenTakes36MicrosecondsOnTwoCores) {
  EXPECT_NEAR(ScanSeconds(ReferenceDemand(), kMachine), 168 * 0.427e-6 / 2, 1e-6);
}

TEST(SpeedLimitsTest, LimitsEqualTheDesignsFigures) {
  const Demand demand = ReferenceDemand();
  EXPECT_NEAR(TrainLimit(demand, kMachine), 345, 3);
  EXPECT_NEAR(PrefillLimit(demand, kMachine), 1 / (2 * 72.4e6 / 235e9 + 35.2e-6), 10);
  EXPECT_NEAR(DecodeLimit(demand, kMachine, 1), 36e9 / (97e6 * 4 + 2 * 5.5e6), 1);
  EXPECT_NEAR(DecodeLimit(demand, kMachine, 32), 32 / (2 * 97e6 * 32 / 235e9 + 32 * 35.2e-6), 5);
}

TEST(SpeedLimitsTest, ASmallBatchIsBoundByReadingTheWeights) {
  const Demand demand = ReferenceDemand();
  const double two = DecodeLimit(demand, kMachine, 2);
  const Peaks slow_arithmetic{.flops = 0.9 * kMachine.flops, .bandwidth = kMachine.bandwidth};
  const Peaks slow_memory{.flops = kMachine.flops, .bandwidth = 0.9 * kMachine.bandwidth};
  EXPECT_NEAR(DecodeLimit(demand, slow_arithmetic, 2) / two, 1.0, 0.01);
  EXPECT_NEAR(DecodeLimit(demand, slow_memory, 2) / two, 0.9, 0.01);
}

TEST(SpeedLimitsTest, HalfTheBytesDoubleWhatMemoryAllows) {
  const model::ModelConfig config = Reference();
  Demand demand = DemandOf(config, model::ParameterLayout(config), kernels::Dtype::kBFloat16);
  EXPECT_EQ(demand.StepBytes(1), 2 * demand.weights());
  demand.state_bytes = 0;
  EXPECT_NEAR(DecodeLimit(demand, kMachine, 1), 36e9 / (97e6 * 2), 1);
}

TEST(SpeedLimitsTest, OnlyChosenExpertsAreMultipliedAndOnlyTouchedOnesRead) {
  model::ModelConfig config;
  config.vocab_size = 10;
  config.hidden_size = 8;
  config.layers = {{.kind = model::LayerKind::kMoe,
                    .experts = 4,
                    .experts_chosen = 2,
                    .expert_intermediate = 16}};
  const Demand demand = DemandOf(config, model::ParameterLayout(config));
  const double expert = 2 * 8 * 16, rest = 4 * 8 + 4 + 8 + 8;  // router, correction, two norms
  EXPECT_EQ(demand.body, rest + 2 * expert);
  EXPECT_EQ(demand.StepBytes(1), 4 * (80 + rest + 2 * expert));
  EXPECT_EQ(demand.StepBytes(2), 4 * (80 + rest + 3 * expert));  // 1 - (1/2)^2 of four
}

TEST(SpeedLimitsTest, ATiedHeadIsCountedOnce) {
  model::ModelConfig config = Reference();
  config.tie_word_embeddings = true;
  const Demand tied = DemandOf(config, model::ParameterLayout(config));
  EXPECT_EQ(tied.weights(), ReferenceDemand().weights());
}

}  // namespace
}  // namespace temper::cli
