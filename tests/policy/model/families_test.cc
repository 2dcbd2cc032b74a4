// Every family against its float64 oracle: logits, log-probabilities, gradients, greedy text; and
// the same bits in decode, scoring and training.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/policy/model/golden.h"

namespace temper::model {
namespace {

using kernels::Dtype;
using kernels::View;

class FamiliesTest : public ::testing::TestWithParam<const char*> {
 protected:
  const Golden golden_{GetParam()};
  const nlohmann::json expected_ = golden_.Expected();
};

// Logits after every token of a sequence, one token at a time.
std::vector<float> Decode(Policy& policy, std::span<const int32_t> tokens) {
  const int64_t vocab = policy.config.vocab_size;
  std::vector<float> logits(tokens.size() * vocab);
  SequenceState state(policy.config, *policy.device);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Slice slice{&state, tokens.subspan(i, 1)};
    policy.Extend({&slice, 1}, View<float>(logits.data() + i * vocab, 1, vocab));
  }
  return logits;
}

TEST_P(FamiliesTest, LogitsOfEveryRowAgree) {
  const std::unique_ptr<Policy> policy = golden_.MakePolicy(1);
  std::vector<float> logits;
  for (const nlohmann::json& sequence : expected_["sequences"]) {
    const auto rows = Decode(*policy, sequence.get<std::vector<int32_t>>());
    logits.insert(logits.end(), rows.begin(), rows.end());
  }
  const double error = RelativeError(logits, golden_.Logits());
  EXPECT_LE(error, 2e-5);
  RecordProperty("logit_error", std::to_string(error));
}

TEST_P(FamiliesTest, LogProbsAndEntropiesAgree) {
  const std::unique_ptr<Policy> policy = golden_.MakePolicy(1);
  const PackedBatch batch = GoldenBatch(expected_);
  std::vector<float> logprob(batch.prediction_rows.size()), entropy(logprob.size());
  policy->Score(batch, logprob, entropy);
  EXPECT_LE(RelativeError(logprob, expected_["logprob"].get<std::vector<float>>()), 2e-5);
  EXPECT_LE(RelativeError(entropy, expected_["entropy"].get<std::vector<float>>()), 2e-5);
}

TEST_P(FamiliesTest, GradientsOfEveryTensorAgree) {
  const std::unique_ptr<Policy> policy = golden_.MakePolicy(1);
  const std::vector<float> gradients = GoldenGradients(*policy, expected_, nullptr);
  const std::vector<float> expected = golden_.Read("/gradients", policy->layout);
  for (const ParameterSpec& spec : policy->layout.specs()) {
    EXPECT_LE(RelativeError(std::span(gradients).subspan(spec.offset, spec.size),
                            std::span(expected).subspan(spec.offset, spec.size)),
              1e-4)
        << spec.name;
  }
}

TEST_P(FamiliesTest, TheGreedyContinuationIsTheSame) {
  if (!expected_.contains("greedy")) GTEST_SKIP() << "this golden folder holds none";
  const std::unique_ptr<Policy> policy = golden_.MakePolicy(1);
  const int64_t vocab = policy->config.vocab_size;
  std::vector<int32_t> next = expected_["prompt"].get<std::vector<int32_t>>(), greedy;
  SequenceState state(policy->config, *policy->device);
  std::vector<float> logits(vocab);
  for (size_t i = 0; i < expected_["greedy"].size(); ++i) {
    const Slice slice{&state, next};
    policy->Extend({&slice, 1}, View<float>(logits.data(), 1, vocab));
    greedy.push_back(static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin()));
    next = {greedy.back()};
  }
  EXPECT_EQ(greedy, expected_["greedy"].get<std::vector<int32_t>>());
}

// Packed straight from the file, without the flat array.
TEST_P(FamiliesTest, WeightsLoadedFromTheFolderGiveTheSameBits) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    const std::unique_ptr<Policy> policy = golden_.MakePolicy(1, dtype);
    const auto loaded = Weights::Load(golden_.folder(), policy->layout, *policy->device, dtype);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    const PackedBatch batch = GoldenBatch(expected_);
    std::vector<float> a(batch.prediction_rows.size()), b(a.size());
    policy->Score(batch, a);
    policy->model.Score(**loaded, batch, b, {});
    EXPECT_TRUE(SameBits(a, b));
  }
}

// In both storage types of matrices.
TEST_P(FamiliesTest, DecodeScoreAndTrainingAgreeBitForBitOnAnyThreads) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    const std::unique_ptr<Policy> one = golden_.MakePolicy(1, dtype);
    const std::unique_ptr<Policy> two = golden_.MakePolicy(2, dtype);
    const PackedBatch batch = GoldenBatch(expected_);
    std::vector<float> scored(batch.prediction_rows.size()), trained, trained_two, decoded;
    one->Score(batch, scored);
    const std::vector<float> gradients = GoldenGradients(*one, expected_, &trained);
    EXPECT_TRUE(SameBits(gradients, GoldenGradients(*two, expected_, &trained_two)));
    EXPECT_TRUE(SameBits(scored, trained));
    EXPECT_TRUE(SameBits(scored, trained_two));
    for (const nlohmann::json& sequence : expected_["sequences"]) {
      const auto tokens = sequence.get<std::vector<int32_t>>();
      std::vector<float> logits = Decode(*two, tokens);
      const View<float> rows(logits.data(), static_cast<int64_t>(tokens.size()),
                             one->config.vocab_size);
      one->device->ops().log_softmax(one->device->stream(), rows, batch.temperature, nullptr);
      for (size_t i = 0; i + 1 < tokens.size(); ++i) decoded.push_back(rows.row(i)[tokens[i + 1]]);
    }
    EXPECT_TRUE(SameBits(scored, decoded));
  }
}

#ifdef TEMPER_TEST_ON_CUDA
// hybrid_model_test has the rest, and an emulated GPU is slow.
const auto kGolden = ::testing::Values("families/nemotron_h_moe", "families/nemotron_h_latent",
                                       "families/nemotron_h_grouped");
#else
const auto kGolden = ::testing::Values(
    "hybrid", "families/nemotron_h_dense", "families/nemotron_h_moe", "families/nemotron_h_latent",
    "families/nemotron_h_grouped", "families/qwen2", "families/qwen2_tied", "families/qwen3",
    "families/llama", "families/llama3_rope", "families/decilm");
#endif
INSTANTIATE_TEST_SUITE_P(Golden, FamiliesTest, kGolden, [](const auto& info) {
  std::string name = info.param;
  return name.substr(name.find('/') + 1);
});

}  // namespace
}  // namespace temper::model
