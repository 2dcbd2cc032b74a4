// Weights packed from a generator, slab by slab, or from memory of the device, are those packed
// from an array of all values on the host.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/policy/model/golden.h"

namespace temper::model {
namespace {

class GeneratedWeightsTest : public testing::TestWithParam<kernels::Dtype> {};

std::vector<float> Logits(Policy& policy, const Weights& weights) {
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6};
  SequenceState state(policy.config, *policy.device);
  const Slice slice{&state, tokens};
  const int64_t vocab = policy.config.vocab_size;
  const kernels::Memory memory =
      policy.device->Allocate(vocab * static_cast<int64_t>(sizeof(float)));
  policy.model.Extend(weights, {&slice, 1}, kernels::View<float>(memory.as<float>(), 1, vocab));
  std::vector<float> logits(vocab);
  policy.device->Copy(logits.data(), memory.as<float>(), memory.bytes());
  policy.device->Finish();
  return logits;
}

// Values that bfloat16 holds, so that a rounded embedding is the same.
float Value(int64_t i) { return static_cast<float>(i * 7 % 31 - 15) / 64.0f; }

TEST_P(GeneratedWeightsTest, HasTheBitsOfAnArray) {
  // A vocabulary of more than one slab: 4 Mi floats.
  ModelConfig config = Golden("hybrid").Config();
  config.vocab_size = (int64_t{4} << 20) / config.hidden_size + 40;
  const ParameterLayout layout(config);
  std::vector<float> values(layout.size(), 0.0f);
  for (const ParameterSpec& spec : layout.specs()) {
    for (int64_t i = 0; i < spec.size; ++i) values[spec.offset + i] = Value(spec.offset + i);
  }
  Policy policy(config, values, 2, GetParam());
  int64_t filled = 0, calls = 0;
  const auto generated =
      Weights::Generate(policy.layout, *policy.device, {.dtype = GetParam()},
                        [&](const ParameterSpec& spec, int64_t first, std::span<float> part) {
                          EXPECT_LE(first + static_cast<int64_t>(part.size()), spec.size);
                          for (size_t i = 0; i < part.size(); ++i)
                            part[i] = Value(spec.offset + first + i);
                          filled += static_cast<int64_t>(part.size());
                          ++calls;
                        });
  EXPECT_EQ(filled, layout.parameters());
  EXPECT_EQ(calls, static_cast<int64_t>(layout.specs().size()) + 2);  // two tables in two slabs
  EXPECT_TRUE(SameBits(Logits(policy, *generated), Logits(policy, policy.weights)));
}

// A learner's own values, opened for a moment: nothing of them is read once they are packed.
TEST_P(GeneratedWeightsTest, OwnWeightsNeedTheValuesNoMore) {
  const ModelConfig config = Golden("hybrid").Config();
  const ParameterLayout layout(config);
  std::vector<float> values(layout.size());
  Initialize(config, layout, 5, values);
  Policy policy(config, values, 2, GetParam());
  const std::vector<float> want = Logits(policy, policy.weights);
  kernels::Device& device = *policy.device;

  const kernels::Memory memory = device.AllocateShared(layout.size() * int64_t{sizeof(float)});
  const std::span<float> there(memory.as<float>(), values.size());
  const std::vector<float> spoilt(values.size(), NAN);
  const auto put = [&](const std::vector<float>& floats) {
    device.Copy(there.data(), floats.data(), memory.bytes());
    device.Finish();
  };
  put(values);
  Weights weights(policy.layout, device, there,
                  {.dtype = GetParam(), .values = kernels::Place::kDevice, .own = true});
  put(spoilt);
  EXPECT_TRUE(SameBits(Logits(policy, weights), want));
  // Other values in between, of the host; then these again.
  weights.Repack(spoilt, kernels::Place::kHost);
  EXPECT_TRUE(std::isnan(Logits(policy, weights)[0]));
  put(values);
  weights.Repack(there, kernels::Place::kDevice);
  put(spoilt);
  EXPECT_TRUE(SameBits(Logits(policy, weights), want));
  {
    std::vector<float> passing = values;
    weights.Repack(passing, kernels::Place::kHost);
    std::ranges::fill(passing, NAN);
  }
  EXPECT_TRUE(SameBits(Logits(policy, weights), want));
}

INSTANTIATE_TEST_SUITE_P(Dtypes, GeneratedWeightsTest,
                         testing::Values(kernels::Dtype::kFloat32, kernels::Dtype::kBFloat16));

}  // namespace
}  // namespace temper::model
