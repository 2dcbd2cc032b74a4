// What a fork shares, what it copies, and that writing never reaches another continuation.
#include "policy/model/sequence_state.h"

#include <gtest/gtest.h>

#include <set>

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

// A CPU whose states have boundaries, as a GPU's do.
class ChunkedDevice : public kernels::Device {
 public:
  static constexpr kernels::SsmStateSize kSize = {.running = 8, .boundary = 6, .chunk = 4};

  ChunkedDevice() {
    ops_.ssm_state_size = [](const kernels::SsmShape&) { return kSize; };
  }
  const kernels::Ops& ops() const override { return ops_; }
  kernels::Stream& stream() override { return Cpu().stream(); }
  int threads() const override { return 1; }
  bool shares_host_memory() const override { return true; }
  int64_t free_bytes() const override { return 0; }
  kernels::Memory Allocate(int64_t bytes, kernels::Place place) override {
    return Cpu().Allocate(bytes, place);
  }
  void Copy(void* to, const void* from, int64_t bytes) override { Cpu().Copy(to, from, bytes); }
  void Zero(void* at, int64_t bytes) override { Cpu().Zero(at, bytes); }
  void Finish() override {}

 private:
  kernels::Ops ops_ = Cpu().ops();
};

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
  EXPECT_EQ(Floats(state.mamba(kMamba).running), std::vector<float>(2 * 4 * 16));
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
  prompt.mamba(kMamba).running.as<float>()[5] = 1.0f;
  SequenceState fork = prompt.Fork();
  fork.mamba(kMamba).running.as<float>()[5] = 2.0f;
  fork.mamba(kMamba).conv.as<float>()[0] = 3.0f;
  EXPECT_EQ(prompt.mamba(kMamba).running.as<float>()[5], 1.0f);
  EXPECT_EQ(prompt.mamba(kMamba).conv.as<float>()[0], 0.0f);
}

// So many tokens, whose call writes `value` into the boundary where a chunk ends. Whether one did.
bool Continue(SequenceState& state, int64_t tokens, float value) {
  state.Reserve(tokens);
  const kernels::SsmState parts = state.mamba(kMamba).ssm();
  const bool ends = ChunkedDevice::kSize.Ends(state.position(), tokens);
  if (ends) parts.next_boundary[0] = value;
  state.Advance(tokens);
  return ends;
}

TEST(SequenceStateTest, BoundariesBeginWhereTheFirstChunkEnds) {
  const ModelConfig config = TwoLayers();
  ChunkedDevice device;
  SequenceState state(config, device);
  EXPECT_FALSE(Continue(state, 3, 1.0f));
  EXPECT_EQ(state.mamba(kMamba).ssm().boundary, nullptr);
  EXPECT_TRUE(Continue(state, 1, 2.0f));
  const float* const first = state.mamba(kMamba).ssm().boundary;
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(*first, 2.0f);
  EXPECT_FALSE(Continue(state, 3, 3.0f));
  EXPECT_EQ(*first, 2.0f);
  EXPECT_TRUE(Continue(state, 9, 4.0f));  // nobody else has it: in place
  EXPECT_EQ(state.mamba(kMamba).ssm().boundary, first);
  EXPECT_EQ(*first, 4.0f);
}

TEST(SequenceStateTest, ForksShareABoundaryUntilTheirChunkEnds) {
  const ModelConfig config = TwoLayers();
  ChunkedDevice device;
  SequenceState prompt(config, device);
  Continue(prompt, 5, 1.0f);
  prompt.mamba(kMamba).running.as<float>()[0] = 7.0f;
  SequenceState a = prompt.Fork(), b = prompt.Fork();
  const float* const shared = prompt.mamba(kMamba).ssm().boundary;
  Continue(a, 2, 2.0f);
  EXPECT_EQ(a.mamba(kMamba).ssm().boundary, shared);
  EXPECT_EQ(b.mamba(kMamba).ssm().boundary, shared);
  EXPECT_NE(a.mamba(kMamba).ssm().running, b.mamba(kMamba).ssm().running);
  EXPECT_EQ(b.mamba(kMamba).ssm().running[0], 7.0f);
  Continue(a, 1, 3.0f);
  EXPECT_NE(a.mamba(kMamba).ssm().boundary, shared);
  EXPECT_EQ(*a.mamba(kMamba).ssm().boundary, 3.0f);
  EXPECT_EQ(*shared, 1.0f);
  EXPECT_TRUE(Continue(b, 4, 4.0f));
  EXPECT_EQ(*b.mamba(kMamba).ssm().boundary, 4.0f);
  EXPECT_EQ(*shared, 1.0f);
}

// All of a group may end their chunks in one call, in which each still reads the old boundary; when
// the prompt itself has become the last of them, it is one of those.
TEST(SequenceStateTest, NobodyWritesABoundaryThatOthersReadInTheSameCall) {
  const ModelConfig config = TwoLayers();
  ChunkedDevice device;
  SequenceState prompt(config, device);
  Continue(prompt, 7, 1.0f);
  std::vector<SequenceState> group;
  group.push_back(prompt.Fork());
  group.push_back(prompt.Fork());
  group.push_back(std::move(prompt));
  const float* const shared = group[0].mamba(kMamba).ssm().boundary;
  std::set<const float*> next;
  for (SequenceState& state : group) state.Reserve(1);
  for (SequenceState& state : group) {
    const kernels::SsmState parts = state.mamba(kMamba).ssm();
    EXPECT_EQ(parts.boundary, shared);
    next.insert(parts.next_boundary);
  }
  EXPECT_EQ(next.size(), 3u);
  EXPECT_EQ(next.count(shared), 0u);
  for (SequenceState& state : group) state.Advance(1);
  EXPECT_EQ(next.count(group[2].mamba(kMamba).ssm().boundary), 1u);
}

TEST(SequenceStateTest, BytesCountBoundariesThatAreThere) {
  const ModelConfig config = TwoLayers();
  ChunkedDevice device;
  SequenceState state(config, device);
  const int64_t before = state.bytes(), pages = 2 * kAttentionTile * 8 * 4;
  state.Reserve(4);
  EXPECT_EQ(state.bytes(), before + pages + 6 * 4);
  state.Advance(4);
  EXPECT_EQ(state.bytes(), before + pages + 6 * 4);
  const SequenceState fork = state.Fork();
  state.Reserve(4);  // the next beside the last
  EXPECT_EQ(state.bytes(), before + pages + 2 * 6 * 4);
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
