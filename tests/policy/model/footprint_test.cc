// Parameters, states and plans of the released models, from their config.json alone.
#include "policy/model/footprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "policy/model/memory_plan.h"
#include "policy/model/parameters.h"

namespace temper::model {
namespace {

ModelConfig Released(const std::string& name) {
  absl::StatusOr<ModelConfig> config =
      ReadModelConfig(TEMPER_TEST_DATA "/configs/" + name + "/config.json");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : ModelConfig();
}

Footprint Of(const std::string& name) { return FootprintOf(Released(name)); }

// The table of model.md section 1.4: billions of parameters with the digits printed there, MB of
// float32 SSM state a sequence, KiB of bfloat16 keys and values a token.
struct Row {
  std::string name;
  double billions, last_digit;
  double ssm_megabytes;
  int64_t kv_kib;
};

class ReleasedModelTest : public ::testing::TestWithParam<Row> {};

TEST_P(ReleasedModelTest, HasThePublishedSizes) {
  const Row& row = GetParam();
  const Footprint footprint = Of(row.name);
  EXPECT_NEAR(static_cast<double>(footprint.total) / 1e9, row.billions, 0.5 * row.last_digit);
  EXPECT_NEAR(static_cast<double>(BytesOf(footprint.ssm_state, kFloat32)) / 1e6, row.ssm_megabytes,
              0.5);
  EXPECT_EQ(BytesOf(footprint.kv_per_token, kBfloat16), row.kv_kib * 1024);
}

INSTANTIATE_TEST_SUITE_P(NemotronH, ReleasedModelTest,
                         ::testing::Values(Row{"nemotron-h-4b", 4.489, 1e-3, 88, 16},
                                           Row{"nemotron-h-8b", 8.101, 1e-3, 101, 16},
                                           Row{"nemotron-h-47b", 46.79, 1e-2, 755, 20},
                                           Row{"nemotron-h-56b", 56.32, 1e-2, 906, 40},
                                           Row{"nemotron-nano-9b-v2", 8.888, 1e-3, 142, 16},
                                           Row{"nemotron-nano-12b-v2", 12.31, 1e-2, 147, 24},
                                           Row{"nemotron-3-nano-4b", 3.974, 1e-3, 83, 16},
                                           Row{"nemotron-3-nano-30b-a3b", 31.578, 1e-3, 48, 6},
                                           Row{"nemotron-3-super-120b-a12b", 120.67, 1e-2, 168, 8},
                                           Row{"nemotron-3-ultra-550b-a55b", 549.3, 1e-1, 403,
                                               12}));

TEST(FootprintTest, DecodersHaveTheirPublishedParametersExactly) {
  EXPECT_EQ(Of("openreasoning-nemotron-1.5b").total, 1543714304);
  EXPECT_EQ(Of("openreasoning-nemotron-32b").total, 32763876352);
  EXPECT_EQ(Of("llama-3.1-nemotron-nano-8b-v1").total, 8030261248);
}

TEST(FootprintTest, ATokenPassesThroughTheChosenExpertsOnly) {
  EXPECT_NEAR(static_cast<double>(Of("nemotron-3-nano-30b-a3b").active_beyond_lookup) / 1e9, 3.23,
              0.005);
  const Footprint super = Of("nemotron-3-super-120b-a12b");
  EXPECT_NEAR(static_cast<double>(super.active_beyond_lookup) / 1e9, 12.23, 0.005);
  EXPECT_NEAR(static_cast<double>(super.active) / 1e9, 12.77, 0.005);
}

TEST(FootprintTest, WithoutExpertsEveryParameterIsActiveAndATiedEmbeddingIsTheHead) {
  const Footprint untied = Of("nemotron-h-8b");
  EXPECT_EQ(untied.active, untied.total);
  EXPECT_EQ(untied.active_beyond_lookup, untied.total - untied.embeddings);
  const Footprint tied = Of("openreasoning-nemotron-1.5b");
  EXPECT_EQ(tied.active_beyond_lookup, tied.total);
  EXPECT_EQ(tied.head, 0);
}

// The arithmetic against the list of tensors that training uses.
TEST(FootprintTest, CountsWhatTheLayoutHolds) {
  int looked_at = 0;
  for (const std::string data : {"configs", "golden/families"}) {
    for (const auto& folder : std::filesystem::directory_iterator(TEMPER_TEST_DATA "/" + data)) {
      const auto config = ReadModelConfig(folder.path() / "config.json");
      ASSERT_TRUE(config.ok()) << config.status();
      EXPECT_EQ(FootprintOf(*config).total, ParameterLayout(*config).parameters()) << folder.path();
      ++looked_at;
    }
  }
  EXPECT_EQ(looked_at, 23);
}

TEST(FootprintTest, BytesFollowTheDtype) {
  EXPECT_EQ(BytesOf(1000, kFloat32), 4000);
  EXPECT_EQ(BytesOf(1000, kBfloat16), 2000);
  EXPECT_EQ(BytesOf(1000, kFloat8), 1000);
  EXPECT_EQ(BytesOf(1600, kNvfp4), 900);  // 800 of nibbles, 100 scales
}

TEST(MemoryPlanTest, ReadsAccelerators) {
  const auto eight = ParseAccelerators("8x80");
  ASSERT_TRUE(eight.ok()) << eight.status();
  EXPECT_EQ(eight->count, 8);
  EXPECT_EQ(eight->gib_each, 80);
  for (const char* wrong : {"", "8", "x80", "8x", "0x80", "8x0", "-1x80", "8xx80", "8x80GB",
                            "8xnan", "8xinf", "8x-80", "9999999999x80"}) {
    EXPECT_THAT(std::string(ParseAccelerators(wrong).status().message()),
                ::testing::HasSubstr("expected accelerators and GiB of each, as in 8x80"))
        << wrong;
  }
}

TEST(MemoryPlanTest, SequencesShareWhatTheWeightsLeave) {
  const Footprint footprint = Of("nemotron-h-8b");
  const ServingPlan plan = PlanServing(footprint, {1, 80}, kBfloat16, 8192);
  EXPECT_EQ(plan.weights, 2 * footprint.total);
  // Keys and values of 8192 tokens at 16 KiB; 24 layers with a state of 128*64*128 float32 and
  // three taps of 10240 bfloat16.
  EXPECT_EQ(plan.sequence, 8192 * 16384 + 24 * (4 * 128 * 64 * 128 + 2 * 3 * 10240));
  EXPECT_TRUE(plan.fits);
  EXPECT_LE(static_cast<double>(plan.weights + plan.sequences * plan.sequence), plan.available);
  EXPECT_GT(static_cast<double>(plan.weights + (plan.sequences + 1) * plan.sequence),
            plan.available);
  EXPECT_FALSE(PlanServing(footprint, {1, 16}, kBfloat16, 8192).fits);
}

TEST(MemoryPlanTest, TrainingNeedsEighteenBytesAParameterAndSixteenInFloat32) {
  const Footprint footprint = Of("nemotron-h-8b");
  const TrainingPlan mixed = PlanTraining(footprint, {8, 80}, kBfloat16);
  EXPECT_EQ(mixed.total(), 18 * footprint.total);
  EXPECT_TRUE(mixed.fits);
  EXPECT_EQ(PlanTraining(footprint, {8, 80}, kFloat32).total(), 16 * footprint.total);
  EXPECT_EQ(mixed.accelerators_needed, 2);  // 145.8 GB of 77.3 GB each
  EXPECT_FALSE(PlanTraining(footprint, {1, 80}, kBfloat16).fits);
  EXPECT_TRUE(PlanTraining(footprint, {2, 80}, kBfloat16).fits);
}

}  // namespace
}  // namespace temper::model
