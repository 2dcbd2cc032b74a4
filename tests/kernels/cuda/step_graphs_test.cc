// Work that repeats: what it computes, and when it is a graph's launch.
#include "kernels/cuda/step_graphs.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/ops.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using cuda::StepGraphs;

class CudaStepGraphsTest : public CudaTest {
 protected:
  static constexpr int64_t kVocab = 50, kWidth = 24;

  void SetUp() override {
    CudaTest::SetUp();
    if (IsSkipped()) return;
    table_ = oracle::RandomMatrix(kVocab, kWidth, 1);
    gain_ = std::vector<float>(kWidth, 0.5f);
    table_there_ = Put(table_);
    gain_there_ = Put(gain_);
    graphs_ = std::make_unique<StepGraphs>(static_cast<cuda::CudaStream&>(cuda_stream()));
  }

  // y = rms_norm(table[tokens]): a list, scratch of the caller's, two kernels.
  void Ask(const std::vector<int32_t>& tokens, View<float> y) {
    cuda().embed(cuda_stream(), tokens, table_there_, y);
    cuda().rms_norm(cuda_stream(), y, gain_there_, 1e-5f, y, nullptr);
  }
  void Repeat(const std::vector<int32_t>& tokens, View<float> y) {
    graphs_->Run([&] { Ask(tokens, y); });
    device().Finish();
  }
  void ExpectRight(const std::vector<int32_t>& tokens, View<const float> y) {
    oracle::Matrix want(y.rows, y.cols);
    cpu().embed(cpu_stream(), tokens, table_.view(), want.view());
    cpu().rms_norm(cpu_stream(), want.view(), gain_.data(), 1e-5f, want.view(), nullptr);
    EXPECT_LT(Difference(Get(y), want), 1e-6);
  }
  static std::vector<int32_t> Tokens(int64_t count, int32_t first) {
    std::vector<int32_t> tokens(count);
    for (int64_t i = 0; i < count; ++i) tokens[i] = static_cast<int32_t>((first + 7 * i) % kVocab);
    return tokens;
  }

  oracle::Matrix table_{kVocab, kWidth};
  std::vector<float> gain_;
  View<float> table_there_;
  float* gain_there_ = nullptr;
  std::unique_ptr<StepGraphs> graphs_;
};

TEST_F(CudaStepGraphsTest, TheSecondTimeIsRecordedAndListsMayHoldOtherValues) {
  const View<float> y = Empty(5, kWidth);
  for (int32_t step = 0; step < 6; ++step) {
    const std::vector<int32_t> tokens = Tokens(5, step);
    Repeat(tokens, y);
    ExpectRight(tokens, y);
    EXPECT_EQ(graphs_->counts().steps, step + 1);
    EXPECT_EQ(graphs_->counts().recorded, step == 0 ? 0 : 1);
    EXPECT_EQ(graphs_->counts().launched, step);
  }
}

TEST_F(CudaStepGraphsTest, OtherSizesAndOtherMemoryAreOtherGraphs) {
  const View<float> five = Empty(5, kWidth), six = Empty(6, kWidth), elsewhere = Empty(5, kWidth);
  for (int32_t round = 0; round < 4; ++round) {
    for (const View<float>& y : {five, six, elsewhere}) {
      const std::vector<int32_t> tokens = Tokens(y.rows, round);
      Repeat(tokens, y);
      ExpectRight(tokens, y);
    }
  }
  EXPECT_EQ(graphs_->counts().recorded, 3);
  EXPECT_EQ(graphs_->counts().launched, 9);
}

// The list of tiles that attention reads grows from step to step.
TEST_F(CudaStepGraphsTest, AListThatGrowsALittleKeepsItsGraph) {
  const AttentionShape shape = {.q_heads = 2, .kv_heads = 1, .head_dim = 16};
  const oracle::Matrix q = oracle::RandomMatrix(1, 32, 2);
  const View<float> q_there = Put(q), y = Empty(1, 32);
  constexpr int64_t kTiles = 40;
  const oracle::Matrix page = oracle::RandomMatrix(kAttentionTile, 16, 3);
  const View<float> page_there = Put(page);
  const std::vector<const float*> pages(kTiles, page_there.data), on_host(kTiles, page.row(0));
  for (int64_t length = 1; length <= kTiles * kAttentionTile; length += kAttentionTile / 2) {
    const Segment segment = {.begin = 0, .length = 1, .position = length - 1};
    const KeyValueTiles tiles = {pages.data(), pages.data(), 16};
    graphs_->Run([&] {
      cuda().attention(cuda_stream(), shape, {&segment, 1}, q_there, {&tiles, 1}, y, nullptr);
    });
    oracle::Matrix want(1, 32);
    const KeyValueTiles host_tiles = {on_host.data(), on_host.data(), 16};
    cpu().attention(cpu_stream(), shape, {&segment, 1}, q.view(), {&host_tiles, 1}, want.view(),
                    nullptr);
    EXPECT_LT(Difference(Get(y), want), 1e-5) << length;
  }
  // Pointers of 16 bytes a tile: 256, 512 and 1024 bytes.
  EXPECT_EQ(graphs_->counts().steps, 2 * kTiles);
  EXPECT_EQ(graphs_->counts().recorded, 3);
  EXPECT_EQ(graphs_->counts().launched, graphs_->counts().steps - 3);
}

TEST_F(CudaStepGraphsTest, ListsBeyondTheirAreaMakeItGrow) {
  constexpr int kLists = 5000;  // 256 bytes each at least: more than the megabyte at the beginning
  const View<float> y = Empty(1, kWidth), few = Empty(3, kWidth);
  for (int32_t step = 0; step < 3; ++step) {
    Repeat(Tokens(3, step), few);
    ExpectRight(Tokens(3, step), few);
    const std::vector<int32_t> tokens = Tokens(1, step);
    graphs_->Run([&] {
      for (int i = 0; i < kLists; ++i) Ask(tokens, y);
    });
    ExpectRight(tokens, y);
  }
  EXPECT_EQ(graphs_->counts().recorded, 2);
  // The lists have moved: what is asked for in the old place is asked for anew.
  EXPECT_EQ(graphs_->counts().launched, 3);
}

TEST_F(CudaStepGraphsTest, NoMoreGraphsAreKeptThanSo) {
  const auto kinds = static_cast<int64_t>(StepGraphs::kGraphsMax) + 4;
  const View<float> y = Empty(kinds, kWidth);
  const auto ask = [&](int64_t rows) {
    Repeat(Tokens(rows, 1), y.Rows(0, rows));
    Repeat(Tokens(rows, 2), y.Rows(0, rows));
    ExpectRight(Tokens(rows, 2), y.Rows(0, rows));
  };
  for (int64_t rows = 1; rows <= kinds; ++rows) ask(rows);
  EXPECT_EQ(graphs_->counts().recorded, kinds);
  ask(kinds);  // is there still
  EXPECT_EQ(graphs_->counts().recorded, kinds);
  ask(1);  // has gone
  EXPECT_EQ(graphs_->counts().recorded, kinds + 1);
}

TEST_F(CudaStepGraphsTest, WorkThatReadsWhatItAskedForStopsTheProcess) {
  const View<float> y = Empty(5, kWidth);
  EXPECT_DEATH(graphs_->Run([&] {
    Ask(Tokens(5, 0), y);
    device().Finish();
  }),
               "check failed");
}

}  // namespace
}  // namespace temper::kernels
