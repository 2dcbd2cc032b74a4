// What a fork shares, what it copies, and that writing never reaches another continuation.
#include "policy/model/sequence_state.h"

#include <gtest/gtest.h>

#include "kernels/ops.h"

namespace temper::model {
namespace {

using kernels::kAttentionTile;

constexpr int kMamba = 0, kAttention = 1;

ModelConfig TwoLayers() {
  ModelConfig config;
  config.vocab_size = 8;
  config.hidden_size = 16;
  config.layers.push_back({.kind = LayerKind::kMamba,
                           .heads = 2,
                           .head_dim = 4,
                           .state = 16,
                           .groups = 1,
                           .conv_taps = 4});
  config.layers.push_back(
      {.kind = LayerKind::kAttention, .q_heads = 2, .kv_heads = 1, .attention_head_dim = 8});
  return config;
}

kernels::Device& Cpu() {
  static kernels::Device& device = *kernels::OpenCpuDevice(1).release();
  return device;
}

std::vector<float> Floats(const kernels::Memory& memory) {
  return std::vector<float>(memory.as<float>(), memory.as<float>() + memory.bytes() / 4);
}

// Writes `value` into every row from the state's position on, as an attention layer would.
void Extend(SequenceState& state, int64_t tokens, float value) {
  state.Reserve(tokens);
  AttentionState& attention = state.attention(kAttention);
  for (int64_t i = state.position(); i < state.position() + tokens; ++i) {
    attention.keys[i / kAttentionTile]->as<float>()[(i % kAttentionTile) * 8] = value;
    attention.values[i / kAttentionTile]->as<float>()[(i % kAttentionTile) * 8] = -value;
  }
  state.Advance(tokens);
}

float KeyAt(SequenceState& state, int64_t position) {
  return state.attention(kAttention)
      .key_tiles[position / kAttentionTile][(position % kAttentionTile) * 8];
}

TEST(SequenceStateTest, AFreshStateIsZero) {
  const ModelConfig config = TwoLayers();
  SequenceState state(config, Cpu());
  EXPECT_EQ(state.position(), 0);
  EXPECT_EQ(Floats(state.mamba(kMamba).conv),
            std::vector<float>(3 * config.layers[0].conv_channels()));
  EXPECT_EQ(Floats(state.mamba(kMamba).ssm), std::vector<float>(2 * 4 * 16));
  EXPECT_TRUE(state.attention(kAttention).keys.empty());
}

TEST(SequenceStateTest, ReserveMakesRoomForExactlyTheNextTokens) {
  const ModelConfig config = TwoLayers();
  SequenceState state(config, Cpu());
  state.Reserve(kAttentionTile);
  EXPECT_EQ(state.attention(kAttention).keys.size(), 1u);
  state.Advance(kAttentionTile);
  state.Reserve(1);
  EXPECT_EQ(state.attention(kAttention).keys.size(), 2u);
  EXPECT_EQ(state.attention(kAttention).value_tiles.size(), 2u);
  EXPECT_EQ(state.attention(kAttention).value_tiles[1],
            state.attention(kAttention).values[1]->as<float>());
}

TEST(SequenceStateTest, ForksShareFullPagesAndCopyTheLastOneOnlyWhenTheyWrite) {
  const ModelConfig config = TwoLayers();
  SequenceState prompt(config, Cpu());
  Extend(prompt, kAttentionTile + 10, 1.0f);
  SequenceState a = prompt.Fork(), b = prompt.Fork();
  EXPECT_EQ(a.position(), kAttentionTile + 10);
  EXPECT_EQ(a.attention(kAttention).keys[1], b.attention(kAttention).keys[1]);

  Extend(a, 3, 2.0f);
  Extend(b, 3, 3.0f);
  Extend(prompt, 3, 4.0f);
  EXPECT_EQ(a.attention(kAttention).keys[0], b.attention(kAttention).keys[0]);
  EXPECT_EQ(a.attention(kAttention).keys[0], prompt.attention(kAttention).keys[0]);
  EXPECT_NE(a.attention(kAttention).keys[1], b.attention(kAttention).keys[1]);
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(KeyAt(a, kAttentionTile + i), 1.0f);
  EXPECT_EQ(KeyAt(a, kAttentionTile + 10), 2.0f);
  EXPECT_EQ(KeyAt(b, kAttentionTile + 10), 3.0f);
  EXPECT_EQ(KeyAt(prompt, kAttentionTile + 12), 4.0f);
}

TEST(SequenceStateTest, TheLastOwnerWritesWithoutCopying) {
  const ModelConfig config = TwoLayers();
  SequenceState prompt(config, Cpu());
  Extend(prompt, 10, 1.0f);
  const Page* page = prompt.attention(kAttention).keys[0].get();
  { const SequenceState gone = prompt.Fork(); }
  Extend(prompt, 1, 2.0f);
  EXPECT_EQ(prompt.attention(kAttention).keys[0].get(), page);
}

TEST(SequenceStateTest, AForkTakesNoPagesReservedAhead) {
  const ModelConfig config = TwoLayers();
  SequenceState prompt(config, Cpu());
  Extend(prompt, 5, 1.0f);
  prompt.Reserve(3 * kAttentionTile);
  SequenceState fork = prompt.Fork();
  EXPECT_EQ(fork.attention(kAttention).keys.size(), 1u);
  Extend(fork, 2 * kAttentionTile, 2.0f);
  Extend(prompt, 2 * kAttentionTile, 3.0f);
  for (int64_t i = 5; i < 2 * kAttentionTile; ++i) {
    ASSERT_EQ(KeyAt(fork, i), 2.0f) << i;
    ASSERT_EQ(KeyAt(prompt, i), 3.0f) << i;
  }
}

TEST(SequenceStateTest, RecurrentStatesOfForksAreIndependent) {
  const ModelConfig config = TwoLayers();
  SequenceState prompt(config, Cpu());
  prompt.mamba(kMamba).ssm.as<float>()[5] = 1.0f;
  SequenceState fork = prompt.Fork();
  fork.mamba(kMamba).ssm.as<float>()[5] = 2.0f;
  fork.mamba(kMamba).conv.as<float>()[0] = 3.0f;
  EXPECT_EQ(prompt.mamba(kMamba).ssm.as<float>()[5], 1.0f);
  EXPECT_EQ(prompt.mamba(kMamba).conv.as<float>()[0], 0.0f);
}

TEST(SequenceStateTest, BytesCountStatesAndPages) {
  const ModelConfig config = TwoLayers();
  SequenceState state(config, Cpu());
  const int64_t fixed = (3 * config.layers[0].conv_channels() + 2 * 4 * 16) * 4;
  EXPECT_EQ(state.bytes(), fixed);
  Extend(state, kAttentionTile + 1, 1.0f);
  EXPECT_EQ(state.bytes(), fixed + 2 * 2 * kAttentionTile * 8 * 4);
}

}  // namespace
}  // namespace temper::model
