// Loads even out by the correction biases alone, and a step leaves frozen routers as they are.
#include "policy/learner/expert_balance.h"

#include <gtest/gtest.h>

#include "tests/policy/learner/learner_fixture.h"

namespace temper::learner {
namespace {

std::string ConfigWithExperts() {
  auto json = nlohmann::json::parse(TinyConfig());
  json.erase("layers_block_type");
  json["hybrid_override_pattern"] = "ME*";
  json.erase("num_hidden_layers");
  json.update({{"n_routed_experts", 4},
               {"num_experts_per_tok", 2},
               {"moe_intermediate_size", 8},
               {"moe_shared_expert_intermediate_size", 8}});
  return json.dump();
}

TEST(ExpertBalanceTest, BiasesMoveTowardsTheMeanLoad) {
  const auto config = model::ParseModelConfig(ConfigWithExperts(), "tiny");
  ASSERT_TRUE(config.ok()) << config.status();
  const model::ParameterLayout layout(*config);
  const std::unique_ptr<kernels::Device> device = kernels::OpenTestDevice(1);
  std::vector<float> values(layout.size(), 0.5f);
  BalanceExperts(layout, {{}, {7, 4, 4, 1}, {}}, 0.125, *device, values);
  const float* correction = values.data() + layout.layers()[1].correction;
  EXPECT_EQ(correction[0], 0.375f);
  EXPECT_EQ(correction[1], 0.5f) << "at the mean it stays";
  EXPECT_EQ(correction[3], 0.625f);
  const std::vector<float> before = values;
  BalanceExperts(layout, {{}, {0, 0, 0, 0}, {}}, 0.125, *device, values);
  EXPECT_EQ(values, before) << "no token, no move";
}

TEST(ExpertBalanceTest, TheSummaryNamesTheWorstLayerAndTheIdle) {
  const LoadSummary summary = Summarize({{}, {5, 5, 5, 5}, {12, 0, 4, 0}});
  EXPECT_EQ(summary.max, 3.0);
  EXPECT_EQ(summary.idle, 0.25);
  EXPECT_EQ(Summarize({{}, {}}).max, 0.0);
}

class ExpertTrainingTest : public ::testing::Test {
 protected:
  ExpertTrainingTest() {
    MakeModelFolder(folder_ / "model", 7, ConfigWithExperts());
    std::filesystem::create_directories(folder_ / "shared");
  }

  // The weights after one supervised step.
  std::vector<float> Step(const std::string& run, bool train_router, double balance_rate,
                          v1::TrainMetrics* metrics = nullptr) {
    const auto learner = Learner::Open(folder_ / run, folder_ / "model", folder_ / "shared", 1);
    v1::TrainRequest request = SupervisedRequest(0);
    request.mutable_options()->set_weight_decay(0.1);
    request.mutable_options()->set_train_router(train_router);
    request.mutable_options()->set_balance_rate(balance_rate);
    const auto response = learner->trainer->Train(request);
    EXPECT_TRUE(response.ok()) << response.status();
    if (metrics != nullptr) *metrics = response->metrics();
    const std::string bytes = learner->weights();
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  bool Changed(std::span<const float> a, std::span<const float> b, std::string_view name) const {
    for (const model::ParameterSpec& spec : layout_.specs()) {
      if (!spec.name.ends_with(name)) continue;
      return std::memcmp(a.data() + spec.offset, b.data() + spec.offset,
                         spec.size * sizeof(float)) != 0;
    }
    ADD_FAILURE() << name;
    return false;
  }

  TemporaryFolder folder_;
  const model::ModelConfig config_ = *model::ParseModelConfig(ConfigWithExperts(), "tiny");
  const model::ParameterLayout layout_{config_};
};

TEST_F(ExpertTrainingTest, RoutersAreFrozenUnlessTheOptionsSaySo) {
  std::vector<float> start(layout_.size());
  ASSERT_TRUE(model::ReadWeights(folder_ / "model", layout_, start).ok());
  v1::TrainMetrics metrics;
  const std::vector<float> frozen = Step("frozen", false, 0.0, &metrics);
  EXPECT_FALSE(Changed(start, frozen, "mixer.gate.weight"));
  EXPECT_FALSE(Changed(start, frozen, "e_score_correction_bias"));
  EXPECT_TRUE(Changed(start, frozen, "experts.0.up_proj.weight"));
  EXPECT_TRUE(Changed(start, frozen, "shared_experts.down_proj.weight"));
  EXPECT_GE(metrics.expert_load_max(), 1.0);
  const std::vector<float> thawed = Step("thawed", true, 0.0);
  EXPECT_TRUE(Changed(start, thawed, "mixer.gate.weight"));
  const std::vector<float> balanced = Step("balanced", false, 0.01);
  EXPECT_FALSE(Changed(frozen, balanced, "mixer.gate.weight"));
  EXPECT_TRUE(Changed(frozen, balanced, "e_score_correction_bias"));
  EXPECT_FALSE(Changed(frozen, balanced, "experts.0.up_proj.weight"));
}

}  // namespace
}  // namespace temper::learner
