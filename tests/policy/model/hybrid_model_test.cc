// The model's promises about gradients and weights, held on the golden hybrid.
#include "policy/model/hybrid_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/policy/model/golden.h"

namespace temper::model {
namespace {

TEST(HybridModelTest, GradientsAreTheSlopeOfTheScore) {
  const Golden golden("hybrid");
  const std::unique_ptr<Policy> policy = golden.MakePolicy(1);
  const nlohmann::json expected = golden.Expected();
  const PackedBatch batch = GoldenBatch(expected);
  const auto a = expected["logprob_weight"].get<std::vector<float>>();
  const auto b = expected["entropy_weight"].get<std::vector<float>>();
  const auto loss = [&] {
    std::vector<float> logprob(a.size()), entropy(a.size());
    policy->weights.Repack(policy->values, kernels::Place::kHost);
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

TEST(HybridModelTest, GradientsAddToWhatIsThere) {
  const Golden golden("hybrid");
  const std::unique_ptr<Policy> policy = golden.MakePolicy(1);
  const nlohmann::json expected = golden.Expected();
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
  const Golden golden("hybrid");
  const std::unique_ptr<Policy> policy = golden.MakePolicy(1);
  const PackedBatch batch = GoldenBatch(golden.Expected());
  std::vector<float> changed = policy->values;
  for (float& value : changed) value *= 1.01f;
  Policy fresh(policy->config, changed, 1);
  policy->weights.Repack(changed, kernels::Place::kHost);
  std::vector<float> repacked(batch.prediction_rows.size()), expected(repacked.size());
  policy->Score(batch, repacked);
  fresh.Score(batch, expected);
  EXPECT_TRUE(SameBits(repacked, expected));
}

TEST(HybridModelTest, ForwardOnlyWeightsGiveTheSameBits) {
  const Golden golden("hybrid");
  const std::unique_ptr<Policy> policy = golden.MakePolicy(1);
  const Weights forward(policy->layout, *policy->device, policy->values, {});
  const PackedBatch batch = GoldenBatch(golden.Expected());
  std::vector<float> a(batch.prediction_rows.size()), b(a.size());
  policy->Score(batch, a);
  policy->model.Score(forward, batch, b, {});
  EXPECT_TRUE(SameBits(a, b));
}

}  // namespace
}  // namespace temper::model
