// Reward models: their folders are read, their values are those of transformers, and whoever wants
// tokens of one is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "policy/model/footprint.h"
#include "tests/policy/model/golden.h"

namespace temper::model {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RewardHeadTest : public ::testing::TestWithParam<const char*> {
 protected:
  const Golden golden_{GetParam()};
  const nlohmann::json expected_ = golden_.Expected();
};

// After the last token of each slice.
std::vector<float> Values(Policy& policy, std::span<const Slice> slices) {
  std::vector<float> values(slices.size());
  policy.Extend(slices, kernels::View<float>(values.data(), values.size(), 1));
  return values;
}

TEST_P(RewardHeadTest, GivesTheValuesOfTransformers) {
  const std::unique_ptr<Policy> policy = golden_.MakePolicy(2);
  ASSERT_TRUE(policy->config.reward_head);
  for (size_t i = 0; i < expected_["sequences"].size(); ++i) {
    const auto tokens = expected_["sequences"][i].get<std::vector<int32_t>>();
    SequenceState state(policy->config, *policy->device);
    const Slice slice{&state, tokens};
    const float value = Values(*policy, {&slice, 1})[0];
    EXPECT_NEAR(value, expected_["values"][i].get<double>(), 1e-5);
    if (!expected_.contains("values_float32")) continue;
    EXPECT_NEAR(value, expected_["values_float32"][i].get<double>(), 1e-5);
  }
}

// Together, one by one, cut, on other threads, packed from the file.
TEST_P(RewardHeadTest, AValueHasTheSameBitsInAnyCompany) {
  const std::unique_ptr<Policy> one = golden_.MakePolicy(1), two = golden_.MakePolicy(2);
  const auto loaded =
      Weights::Load(golden_.folder(), one->layout, *one->device, kernels::Dtype::kFloat32);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto sequences = expected_["sequences"].get<std::vector<std::vector<int32_t>>>();
  std::vector<SequenceState> states;
  std::vector<Slice> slices;
  for (size_t i = 0; i < sequences.size(); ++i) states.emplace_back(two->config, *two->device);
  for (size_t i = 0; i < sequences.size(); ++i) slices.push_back({&states[i], sequences[i]});
  const std::vector<float> together = Values(*two, slices);
  for (size_t i = 0; i < sequences.size(); ++i) {
    SequenceState state(one->config, *one->device), cut(one->config, *one->device);
    const std::span<const int32_t> tokens = sequences[i];
    const Slice whole{&state, tokens};
    float value = 0, last = 0;
    one->model.Extend(**loaded, {&whole, 1}, kernels::View<float>(&value, 1, 1));
    for (size_t k = 0; k < tokens.size(); ++k) {
      const Slice next{&cut, tokens.subspan(k, 1)};
      last = Values(*one, {&next, 1})[0];
    }
    EXPECT_TRUE(SameBits({&value, 1}, {&together[i], 1}));
    EXPECT_TRUE(SameBits({&last, 1}, {&together[i], 1}));
  }
}

TEST_P(RewardHeadTest, IsOneRowUnderItsPublishedName) {
  const ModelConfig config = golden_.Config();
  const ParameterLayout layout(config);
  const ParameterSpec& head = layout.specs().back();
  EXPECT_EQ(head.name, "score.weight");
  EXPECT_EQ(head.offset, layout.head());
  EXPECT_EQ(head.shape, (std::vector<int64_t>{1, config.hidden_size}));
  EXPECT_EQ(FootprintOf(config).head, config.hidden_size);
  EXPECT_EQ(FootprintOf(config).total, layout.parameters());
}

TEST_P(RewardHeadTest, IsNoLanguageModel) {
  const absl::Status status = CheckLanguageModel(golden_.Config(), "some/folder");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("some/folder: has a reward head"));
}

INSTANTIATE_TEST_SUITE_P(Golden, RewardHeadTest,
                         ::testing::Values("reward/llama", "reward/qwen2_tied", "reward/qwen3",
                                           "reward/nemotron_h_dense"),
                         [](const auto& info) { return std::string(info.param).substr(7); });

// The config of a golden folder with some fields changed (null: taken out).
absl::StatusOr<ModelConfig> Changed(const nlohmann::json& changes) {
  nlohmann::json config = nlohmann::json::parse(Golden("reward/llama").Config().json);
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null()) {
      config.erase(key);
    } else {
      config[key] = value;
    }
  }
  return ParseModelConfig(config.dump(), "c.json");
}

TEST(RewardConfigTest, OneLabelMayBeSaidInEitherWay) {
  const auto counted = Changed({{"id2label", nullptr}, {"num_labels", 1}});
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_TRUE(counted->reward_head);
  const auto language = Changed({{"architectures", {"LlamaForCausalLM"}}, {"id2label", nullptr}});
  ASSERT_TRUE(language.ok()) << language.status();
  EXPECT_FALSE(language->reward_head);
  EXPECT_TRUE(CheckLanguageModel(*language, "").ok());
}

TEST(RewardConfigTest, OtherNumbersOfLabelsAreRefused) {
  const auto refusal = [](const nlohmann::json& changes) {
    const auto config = Changed(changes);
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(config.status().message());
  };
  EXPECT_THAT(
      refusal({{"id2label", {{"0", "a"}, {"1", "b"}}}}),
      HasSubstr("c.json: id2label: found {\"0\":\"a\",\"1\":\"b\"}, expected {\"0\": NAME}"));
  EXPECT_THAT(refusal({{"id2label", nullptr}}), HasSubstr("missing, which means 2 labels"));
  EXPECT_THAT(refusal({{"num_labels", 3}}), HasSubstr("num_labels: found 3"));
  EXPECT_THAT(refusal({{"id2label", 7}}), HasSubstr("id2label: found 7"));
}

// The tensors of a language model do not fit, and the other way round; each is named.
TEST(RewardConfigTest, TheHeadsTensorMustBeTheConfigs) {
  const auto missing = [](const std::string& folder, const ModelConfig& config) {
    const ParameterLayout layout(config);
    std::vector<float> values(layout.size());
    return std::string(ReadWeights(folder, layout, values).message());
  };
  const std::string reward =
      missing(Golden("reward/llama").folder(),
              *Changed({{"architectures", {"LlamaForCausalLM"}}, {"tie_word_embeddings", false}}));
  EXPECT_THAT(reward, HasSubstr("lm_head.weight is missing"));
  EXPECT_THAT(reward, HasSubstr("score.weight is not expected by config.json"));
  ModelConfig language = Golden("families/llama").Config();
  language.reward_head = true;
  const std::string head = missing(Golden("families/llama").folder(), language);
  EXPECT_THAT(head, HasSubstr("score.weight is missing, expected shape [1, 24]"));
  EXPECT_THAT(head, HasSubstr("lm_head.weight is not expected by config.json"));
  EXPECT_THAT(head, Not(HasSubstr("tie_word_embeddings")));
}

}  // namespace
}  // namespace temper::model
