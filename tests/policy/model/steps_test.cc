// Steps of one token for each of several sequences: filled up, repeated, and still the same bits.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <tuple>
#include <vector>

#include "tests/policy/model/golden.h"

namespace temper::model {
namespace {

TEST(StepRowsTest, AreFewNumbersCloseToTheSequences) {
  EXPECT_EQ(StepRows(1), 1);
  EXPECT_EQ(StepRows(3), 4);
  EXPECT_EQ(StepRows(8), 8);
  EXPECT_EQ(StepRows(9), 16);
  EXPECT_EQ(StepRows(64), 64);
  EXPECT_EQ(StepRows(65), 72);
  EXPECT_EQ(StepRows(129), 144);
  int64_t numbers = 0, last = 0;
  for (int64_t count = 1; count <= 512; ++count) {
    const int64_t rows = StepRows(count);
    EXPECT_GE(rows, count);
    EXPECT_LE(rows, count + std::max<int64_t>(7, count / 8)) << count;
    EXPECT_GE(rows, last);
    EXPECT_EQ(StepRows(rows), rows);
    numbers += rows != last;
    last = rows;
  }
  EXPECT_EQ(numbers, 35);
}

class StepsTest : public testing::TestWithParam<std::tuple<const char*, kernels::Dtype>> {
 protected:
  static constexpr int64_t kSequences = 5;

  // The logits after every token of each sequence, which has 90 - 10 i tokens beside its prompt of
  // 1 + 30 i; `room`: rows of the logits.
  std::vector<std::vector<float>> Decode(Policy& policy, int64_t room) {
    const int64_t vocab = policy.config.vocab_size;
    std::vector<SequenceState> states;
    std::vector<std::vector<float>> all(kSequences);
    kernels::Memory memory = policy.device->Allocate(room * vocab * int64_t{sizeof(float)});
    for (int64_t i = 0; i < kSequences; ++i) {
      states.emplace_back(policy.config, *policy.device);
      std::vector<int32_t> prompt;
      for (int64_t t = 0; t < 1 + 30 * i; ++t) prompt.push_back(Token(policy, i, t));
      const Slice slice{&states[i], prompt};
      policy.Extend({&slice, 1}, {});
    }
    for (int64_t step = 0; step < 90; ++step) {
      std::vector<int32_t> tokens(kSequences);
      std::vector<Slice> slices;
      std::vector<int64_t> whose;
      for (int64_t i = 0; i < kSequences; ++i) {
        if (step >= 90 - 10 * i) continue;
        tokens[i] = Token(policy, i, 1000 + step);
        slices.push_back({&states[i], std::span(&tokens[i], 1)});
        whose.push_back(i);
      }
      const int64_t rows = std::max<int64_t>(room, slices.size());
      policy.Extend(slices, kernels::View<float>(memory.as<float>(), rows, vocab));
      policy.device->Finish();
      for (size_t row = 0; row < whose.size(); ++row) {
        const float* const at = memory.as<float>() + static_cast<int64_t>(row) * vocab;
        all[whose[row]].insert(all[whose[row]].end(), at, at + vocab);
      }
    }
    return all;
  }
  static int32_t Token(const Policy& policy, int64_t sequence, int64_t place) {
    return static_cast<int32_t>((13 * sequence + 7 * place) % policy.config.vocab_size);
  }
};

TEST_P(StepsTest, FilledUpAndRepeatedTheyHaveTheBitsOfPlainOnes) {
  const auto [folder, dtype] = GetParam();
  const Golden golden(folder);
  setenv("TEMPER_CUDA_GRAPHS", "off", 1);
  const std::unique_ptr<Policy> plain = golden.MakePolicy(1, dtype);
  unsetenv("TEMPER_CUDA_GRAPHS");
  const std::unique_ptr<Policy> exact = golden.MakePolicy(1, dtype),
                                filled = golden.MakePolicy(1, dtype);
  const auto want = Decode(*plain, kSequences);
  EXPECT_EQ(plain->device->repeat_counts().steps, 0);
  for (Policy* policy : {exact.get(), filled.get()}) {
    const auto got = Decode(*policy, policy == exact.get() ? kSequences : StepRows(kSequences));
    for (int64_t i = 0; i < kSequences; ++i) EXPECT_TRUE(SameBits(got[i], want[i])) << i;
  }
  if (!filled->device->repeats()) return;  // the CPU asks for each op at once
  // Steps of 8 rows and of 4, and longer lists of tiles twice.
  const kernels::RepeatCounts counts = filled->device->repeat_counts();
  EXPECT_EQ(counts.steps, 91);  // one of the prompts is of one token
  EXPECT_LE(counts.recorded, 5);
  EXPECT_GE(counts.launched, 80);
  EXPECT_LE(exact->device->repeat_counts().launched, counts.launched);
}

INSTANTIATE_TEST_SUITE_P(Golden, StepsTest,
                         testing::Combine(testing::Values("hybrid", "families/nemotron_h_moe",
                                                          "families/nemotron_h_latent"),
                                          testing::Values(kernels::Dtype::kFloat32,
                                                          kernels::Dtype::kBFloat16)));

}  // namespace
}  // namespace temper::model
