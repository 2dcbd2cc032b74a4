// The model against an independent float64 reference, and the same bits in rollout and training.
#include "policy/model/hybrid_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "policy/model/model_folder.h"
#include "tests/policy/model/policy_fixture.h"

namespace temper::model {
namespace {

using kernels::View;

constexpr char kGolden[] = TEMPER_TEST_DATA "/golden/hybrid";

std::vector<float> ReadGolden(const std::string& folder, const ParameterLayout& layout) {
  std::vector<float> values(layout.size(), 0.0f);
  const absl::Status read = ReadWeights(folder, layout, values);
  EXPECT_TRUE(read.ok()) << read;
  return values;
}

ModelConfig GoldenConfig() {
  absl::StatusOr<ModelConfig> config = ReadModelConfig(std::string(kGolden) + "/config.json");
  EXPECT_TRUE(config.ok()) << config.status();
  return *config;
}

std::unique_ptr<Policy> GoldenPolicy(int threads) {
  const ModelConfig config = GoldenConfig();
  return std::make_unique<Policy>(config, ReadGolden(kGolden, ParameterLayout(config)), threads);
}

nlohmann::json Expected() {
  std::ifstream file(std::string(kGolden) + "/expected.json");
  return nlohmann::json::parse(file);
}

std::vector<float> ExpectedLogits() {
  std::ifstream file(std::string(kGolden) + "/logits.f32", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<float> logits(bytes.size() / sizeof(float));
  std::memcpy(logits.data(), bytes.data(), bytes.size());
  return logits;
}

PackedBatch GoldenBatch(const nlohmann::json& expected) {
  PackedBatch batch{.temperature = expected["temperature"].get<float>()};
  for (const nlohmann::json& sequence : expected["sequences"]) {
    Append(sequence.get<std::vector<int32_t>>(), 1, batch);
  }
  return batch;
}

// The largest difference in units of the largest expected value.
double RelativeError(std::span<const float> found, std::span<const float> expected) {
  EXPECT_EQ(found.size(), expected.size());
  double error = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(std::isfinite(found[i]));
    error = std::max(error, std::abs(static_cast<double>(found[i]) - expected[i]));
    size = std::max(size, std::abs(static_cast<double>(expected[i])));
  }
  return error / size;
}

// The golden loss: fixed weights on log-probabilities and entropies.
std::vector<float> GoldenGradients(Policy& policy, const nlohmann::json& expected,
                                   std::vector<float>* logprobs) {
  const auto logprob_weight = expected["logprob_weight"].get<std::vector<float>>();
  const auto entropy_weight = expected["entropy_weight"].get<std::vector<float>>();
  std::vector<float> gradients(policy.layout.size(), 0.0f);
  policy.Train(
      GoldenBatch(expected),
      [&](int64_t first, std::span<const float> logprob, std::span<const float>,
          std::span<float> dlogprob, std::span<float> dentropy) {
        if (logprobs != nullptr) logprobs->insert(logprobs->end(), logprob.begin(), logprob.end());
        std::copy_n(logprob_weight.begin() + first, logprob.size(), dlogprob.begin());
        std::copy_n(entropy_weight.begin() + first, logprob.size(), dentropy.begin());
      },
      gradients);
  return gradients;
}

TEST(HybridModelTest, LogitsOfEveryRowAgreeWithTheFloat64Reference) {
  const std::unique_ptr<Policy> policy = GoldenPolicy(1);
  const int64_t vocab = policy->config.vocab_size;
  const nlohmann::json expected = Expected();
  std::vector<float> logits;
  for (const nlohmann::json& sequence : expected["sequences"]) {
    SequenceState state(policy->config);
    for (const int32_t token : sequence.get<std::vector<int32_t>>()) {
      logits.resize(logits.size() + vocab);
      const Slice slice{&state, {&token, 1}};
      policy->Extend({&slice, 1}, View<float>(logits.data() + logits.size() - vocab, 1, vocab));
    }
  }
  EXPECT_LE(RelativeError(logits, ExpectedLogits()), 2e-5);
}

TEST(HybridModelTest, LogProbsAndEntropiesAgreeWithTheFloat64Reference) {
  const std::unique_ptr<Policy> policy = GoldenPolicy(1);
  const nlohmann::json expected = Expected();
  const PackedBatch batch = GoldenBatch(expected);
  std::vector<float> logprob(batch.prediction_rows.size()), entropy(logprob.size());
  policy->Score(batch, logprob, entropy);
  EXPECT_LE(RelativeError(logprob, expected["logprob"].get<std::vector<float>>()), 2e-5);
  EXPECT_LE(RelativeError(entropy, expected["entropy"].get<std::vector<float>>()), 2e-5);
}

TEST(HybridModelTest, GradientsOfEveryTensorAgreeWithFloat64Differentiation) {
  const std::unique_ptr<Policy> policy = GoldenPolicy(1);
  const std::vector<float> gradients = GoldenGradients(*policy, Expected(), nullptr);
  const std::vector<float> expected =
      ReadGolden(std::string(kGolden) + "/gradients", policy->layout);
  for (const ParameterSpec& spec : policy->layout.specs()) {
    EXPECT_LE(RelativeError(std::span(gradients).subspan(spec.offset, spec.size),
                            std::span(expected).subspan(spec.offset, spec.size)),
              1e-4)
        << spec.name;
  }
}

TEST(HybridModelTest, GradientsAreTheSlopeOfTheScore) {
  const std::unique_ptr<Policy> policy = GoldenPolicy(1);
  const nlohmann::json expected = Expected();
  const PackedBatch batch = GoldenBatch(expected);
  const auto a = expected["logprob_weight"].get<std::vector<float>>();
  const auto b = expected["entropy_weight"].get<std::vector<float>>();
  const auto loss = [&] {
    std::vector<float> logprob(a.size()), entropy(a.size());
    policy->weights.Repack(policy->values);
    policy->Score(batch, logprob, entropy);
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      sum += static_cast<double>(a[i]) * logprob[i] + static_cast<double>(b[i]) * entropy[i];
    }
    return sum;
  };
  const std::vector<float> gradients = GoldenGradients(*policy, expected, nullptr);
  std::mt19937 random(11);
  for (const ParameterSpec& spec : policy->layout.specs()) {
    // Along a random direction of the whole tensor: float32 noise drowns single elements.
    std::vector<float> saved(policy->values.begin() + spec.offset,
                             policy->values.begin() + spec.offset + spec.size);
    std::vector<float> direction(spec.size);
    double slope = 0, norm = 0;
    for (int64_t i = 0; i < spec.size; ++i) {
      const float gradient = gradients[spec.offset + i];
      direction[i] = gradient + 0.3f * std::abs(gradient) * std::normal_distribution()(random);
      norm += static_cast<double>(direction[i]) * direction[i];
    }
    const double step = 2e-3 / std::sqrt(norm);
    for (int64_t i = 0; i < spec.size; ++i) {
      slope += static_cast<double>(direction[i]) * gradients[spec.offset + i];
    }
    const auto loss_at = [&](double distance) {
      for (int64_t i = 0; i < spec.size; ++i) {
        policy->values[spec.offset + i] = static_cast<float>(saved[i] + distance * direction[i]);
      }
      return loss();
    };
    const double measured = (loss_at(step) - loss_at(-step)) / (2 * step);
    std::copy(saved.begin(), saved.end(), policy->values.begin() + spec.offset);
    EXPECT_NEAR(measured / slope, 1.0, 0.02) << spec.name;
  }
}

TEST(HybridModelTest, TrainingSeesTheBitsOfScoreAndItsGradientsDependOnNoThreads) {
  const nlohmann::json expected = Expected();
  const std::unique_ptr<Policy> one = GoldenPolicy(1), two = GoldenPolicy(2);
  const PackedBatch batch = GoldenBatch(expected);
  std::vector<float> scored(batch.prediction_rows.size()), trained, trained_two;
  one->Score(batch, scored);
  const std::vector<float> gradients = GoldenGradients(*one, expected, &trained);
  const std::vector<float> gradients_two = GoldenGradients(*two, expected, &trained_two);
  EXPECT_TRUE(SameBits(scored, trained));
  EXPECT_TRUE(SameBits(scored, trained_two));
  EXPECT_TRUE(SameBits(gradients, gradients_two));
  // And again with buffers that hold an older call.
  EXPECT_TRUE(SameBits(gradients, GoldenGradients(*one, expected, nullptr)));
}

TEST(HybridModelTest, GradientsAddToWhatIsThere) {
  const std::unique_ptr<Policy> policy = GoldenPolicy(1);
  const nlohmann::json expected = Expected();
  const std::vector<float> once = GoldenGradients(*policy, expected, nullptr);
  std::vector<float> twice = once;
  const auto weight = expected["logprob_weight"].get<std::vector<float>>();
  const auto entropy_weight = expected["entropy_weight"].get<std::vector<float>>();
  policy->Train(
      GoldenBatch(expected),
      [&](int64_t first, std::span<const float> logprob, std::span<const float>,
          std::span<float> dlogprob, std::span<float> dentropy) {
        std::copy_n(weight.begin() + first, logprob.size(), dlogprob.begin());
        std::copy_n(entropy_weight.begin() + first, logprob.size(), dentropy.begin());
      },
      twice);
  for (const ParameterSpec& spec : policy->layout.specs()) {
    std::vector<float> doubled(once.begin() + spec.offset, once.begin() + spec.offset + spec.size);
    for (float& value : doubled) value *= 2;
    EXPECT_LE(RelativeError(std::span(twice).subspan(spec.offset, spec.size), doubled), 1e-5)
        << spec.name;
  }
}

TEST(HybridModelTest, AVersionPackedAgainEqualsOnePackedFresh) {
  const std::unique_ptr<Policy> policy = GoldenPolicy(1);
  const PackedBatch batch = GoldenBatch(Expected());
  std::vector<float> changed = policy->values;
  for (float& value : changed) value *= 1.01f;
  Policy fresh(policy->config, changed, 1);
  policy->weights.Repack(changed);
  std::vector<float> repacked(batch.prediction_rows.size()), expected(repacked.size());
  policy->Score(batch, repacked);
  fresh.Score(batch, expected);
  EXPECT_TRUE(SameBits(repacked, expected));
}

TEST(HybridModelTest, ForwardOnlyWeightsGiveTheSameBits) {
  const std::unique_ptr<Policy> policy = GoldenPolicy(1);
  const Weights forward(policy->config, policy->layout, *policy->device, policy->values,
                        /*backward=*/false);
  const PackedBatch batch = GoldenBatch(Expected());
  std::vector<float> a(batch.prediction_rows.size()), b(a.size());
  policy->Score(batch, a);
  policy->model.Score(forward, batch, b, {});
  EXPECT_TRUE(SameBits(a, b));
}

}  // namespace
}  // namespace temper::model
