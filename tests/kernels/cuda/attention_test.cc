// Attention and its gradients against the CPU's, and the independence of every row's bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/attention_sizes.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::SameBits;

struct Case {
  AttentionShape shape;
  std::vector<Segment> segments;
  Matrix q, k, v, dy;

  // gap: of q; a multiple of 4 lets quads be read whole.
  Case(AttentionShape shape, const std::vector<int64_t>& lengths, int64_t gap)
      : shape(shape), q(1, 1), k(1, 1), v(1, 1), dy(1, 1) {
    int64_t rows = 0;
    for (int64_t length : lengths) {
      segments.push_back({rows, length, 0});
      rows += length;
    }
    const int64_t columns = shape.kv_heads * shape.head_dim;
    q = RandomMatrix(rows, shape.q_heads * shape.head_dim, 1, 2.0f, gap);
    k = RandomMatrix(rows, columns, 2, 1.5f, 4);
    v = RandomMatrix(rows, columns, 3, 1.0f, 8);
    dy = RandomMatrix(rows, q.cols, 4, 1.0f, 4);
  }
};

std::vector<Case> Cases() {
  return {
      Case({4, 2, 64}, {1, 65, 63}, 4), Case({8, 1, 128}, {66, 3}, 4),
      Case({3, 3, 20}, {200, 5}, 4),    Case({4, 2, 8}, {64, 70}, 3),
      Case({8, 1, 7}, {20, 1}, 1),      Case({40, 2, 12}, {9}, 0),
      Case({1, 1, 64}, {200}, 1),       Case({2, 1, 256}, {67}, 4),
      Case({2, 2, 80}, {70, 2}, 4),     Case({1, 1, 193}, {66}, 1),
  };
}

// The same with operands of bfloat16: heads that fill a tensor core's tile and such that do not,
// more query heads than a block of few rows takes, heads too large.
std::vector<Case> HalfCases() {
  std::vector<Case> cases = {
      Case({4, 2, 64}, {1, 65, 63}, 4), Case({8, 1, 128}, {66, 3}, 4),
      Case({3, 3, 20}, {200, 5}, 4),    Case({8, 1, 7}, {20, 1}, 1),
      Case({40, 2, 12}, {9, 70}, 0),    Case({2, 2, 80}, {70, 2}, 4),
      Case({1, 1, 136}, {66}, 1),       Case({17, 1, 16}, {5, 130}, 4),
  };
  for (Case& in : cases) in.shape.dtype = Dtype::kBFloat16;
  return cases;
}

// To bfloat16, to nearest even.
float Rounded(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}
Case WithRoundedOperands(Case in) {
  for (Matrix* matrix : {&in.q, &in.k, &in.v, &in.dy}) {
    for (float& value : matrix->values) value = std::isnan(value) ? value : Rounded(value);
  }
  return in;
}
double Largest(const Matrix& of) {
  double largest = 0;
  for (int64_t i = 0; i < of.rows; ++i) {
    for (int64_t j = 0; j < of.cols; ++j) {
      largest = std::max<double>(largest, std::abs(of.at(i, j)));
    }
  }
  return largest;
}

std::string Name(const Case& in) {
  return (in.shape.dtype == Dtype::kBFloat16 ? "bfloat16 " : "float32 ") +
         std::to_string(in.shape.q_heads) + "/" + std::to_string(in.shape.kv_heads) + " x " +
         std::to_string(in.shape.head_dim);
}

struct Result {
  Matrix y, lse;
};
struct Piece {
  size_t who;
  int64_t first, count;  // tokens of the segment
};

class CudaAttentionTest : public CudaTest {
 protected:
  // Tiles of `from`'s rows, with NaN where there are none.
  std::vector<const float*> Tiles(const Matrix& from, int64_t begin, int64_t positions,
                                  int64_t stride) {
    std::vector<const float*> tiles;
    for (int64_t first = 0; first < positions; first += kAttentionTile) {
      float* const tile = Empty(kAttentionTile * stride);
      for (int64_t r = 0; r < std::min(kAttentionTile, positions - first); ++r) {
        std::copy_n(from.row(begin + first + r), from.cols, tile + r * stride);
      }
      tiles.push_back(tile);
    }
    return tiles;
  }

  // The pieces of these segments, as one call of either back end.
  Result Run(bool on_cpu, const Case& in, const std::vector<Piece>& pieces, bool with_lse = true) {
    std::vector<Segment> segments;
    std::vector<std::vector<const float*>> keys, values;
    std::vector<KeyValueTiles> tiles;
    int64_t rows = 0;
    const int64_t stride = in.k.cols + 4;
    for (const Piece& piece : pieces) {
      const int64_t begin = in.segments[piece.who].begin;
      segments.push_back({rows, piece.count, piece.first});
      rows += piece.count;
      keys.push_back(Tiles(in.k, begin, piece.first + piece.count, stride));
      values.push_back(Tiles(in.v, begin, piece.first + piece.count, stride));
    }
    for (size_t i = 0; i < pieces.size(); ++i) {
      tiles.push_back({keys[i].data(), values[i].data(), stride});
    }
    Matrix q(rows, in.q.cols, in.q.stride - in.q.cols);
    for (size_t i = 0; i < pieces.size(); ++i) {
      for (int64_t t = 0; t < pieces[i].count; ++t) {
        std::copy_n(in.q.row(in.segments[pieces[i].who].begin + pieces[i].first + t), in.q.cols,
                    q.row(segments[i].begin + t));
      }
    }
    Result result{Matrix(rows, in.q.cols), Matrix(rows, in.shape.q_heads)};
    if (on_cpu) {
      cpu().attention(cpu_stream(), in.shape, segments, q, tiles, result.y, result.lse.row(0));
      return result;
    }
    const View<float> y = Empty(rows, in.q.cols), lse = Empty(rows, in.shape.q_heads);
    cuda().attention(cuda_stream(), in.shape, segments, Put(q), tiles, y,
                     with_lse ? lse.data : nullptr);
    return {Get(y), Get(lse)};
  }

  static std::vector<Piece> Whole(const Case& in) {
    std::vector<Piece> pieces;
    for (size_t s = 0; s < in.segments.size(); ++s) pieces.push_back({s, 0, in.segments[s].length});
    return pieces;
  }

  // Whether the pieces, run as one call, have the rows of `whole`.
  void ExpectSameRows(const Case& in, const Result& whole, const std::vector<Piece>& pieces) {
    const Result got = Run(false, in, pieces);
    int64_t row = 0;
    for (const Piece& piece : pieces) {
      for (int64_t t = 0; t < piece.count; ++t, ++row) {
        const int64_t at = in.segments[piece.who].begin + piece.first + t;
        ASSERT_TRUE(SameBits(whole.y.row(at), got.y.row(row), in.q.cols))
            << piece.first << " + " << t << " of " << piece.count;
        ASSERT_TRUE(SameBits(whole.lse.row(at), got.lse.row(row), in.shape.q_heads));
      }
    }
  }

  std::vector<Matrix> RunBackward(const Case& in, const Result& forward) {
    const View<float> dq = Empty(in.q.rows, in.q.cols), dk = Empty(in.k.rows, in.k.cols),
                      dv = Empty(in.k.rows, in.k.cols);
    cuda().attention_backward(cuda_stream(), in.shape, in.segments, Put(in.q), Put(in.k), Put(in.v),
                              Put(forward.y), Put(forward.lse).data, Put(in.dy), dq, dk, dv);
    return {Get(dq), Get(dk), Get(dv)};
  }
};

TEST_F(CudaAttentionTest, AgreesWithTheCpu) {
  for (const Case& in : Cases()) {
    SCOPED_TRACE(Name(in));
    const std::vector<Matrix> got = TwiceTheSame([&] {
      const Result result = Run(false, in, Whole(in));
      return std::vector<Matrix>{result.y, result.lse};
    });
    const Result want = Run(true, in, Whole(in));
    EXPECT_LT(Difference(got[0], want.y), 3e-6);
    EXPECT_LT(Difference(got[1], want.lse), 1e-6);
    EXPECT_TRUE(SameBits(Run(false, in, Whole(in), false).y, got[0]));
  }
}

// Against the same operands, rounded. Weights are rounded too, each by at most 2^-9 of itself, and
// those of a row sum to 1: an output moves by at most 2^-9 of the largest value, and by what
// float32 sums lose.
TEST_F(CudaAttentionTest, BFloat16AgreesWithTheCpuOnRoundedOperands) {
  for (const Case& in : HalfCases()) {
    SCOPED_TRACE(Name(in));
    const std::vector<Matrix> got = TwiceTheSame([&] {
      const Result result = Run(false, in, Whole(in));
      return std::vector<Matrix>{result.y, result.lse};
    });
    const bool rounds = cuda::TakesTensorCores(in.shape);
    const Case rounded = rounds ? WithRoundedOperands(in) : in;
    const Result want = Run(true, rounded, Whole(rounded));
    Matrix error = got[0];
    for (int64_t i = 0; i < error.rows; ++i) {
      for (int64_t j = 0; j < error.cols; ++j) error.at(i, j) -= want.y.at(i, j);
    }
    EXPECT_LT(Largest(error), (rounds ? 1.0 / 512 + 1e-5 : 1e-5) * Largest(rounded.v));
    EXPECT_LT(Difference(got[1], want.lse), 2e-6);
    EXPECT_TRUE(SameBits(Run(false, in, Whole(in), false).y, got[0]));
    // It is another arithmetic than float32's where it may be.
    Case single = in;
    single.shape.dtype = Dtype::kFloat32;
    EXPECT_EQ(SameBits(Run(false, single, Whole(in)).y, got[0]), !rounds);
  }
}

// Every token by itself, other sequences beside it: other kernels (few rows), other neighbours.
TEST_F(CudaAttentionTest, TokenByTokenHasTheBitsOfTheWhole) {
  constexpr Dtype kHalf = Dtype::kBFloat16;
  for (const Case& in :
       {Case({4, 2, 64}, {70, 3}, 4), Case({3, 3, 20}, {66, 66}, 1), Case({8, 1, 8}, {131}, 0),
        Case({4, 2, 64, kHalf}, {70, 3}, 4), Case({5, 1, 128, kHalf}, {67, 66}, 4),
        Case({3, 3, 20, kHalf}, {66, 66}, 1), Case({12, 1, 8, kHalf}, {131}, 0)}) {
    SCOPED_TRACE(Name(in));
    const Result whole = Run(false, in, Whole(in));
    for (int64_t t = 0; t < in.segments[0].length; ++t) {
      std::vector<Piece> pieces;
      for (size_t s = 0; s < in.segments.size(); ++s) {
        if (t < in.segments[s].length) pieces.push_back({s, t, 1});
      }
      ExpectSameRows(in, whole, pieces);
    }
  }
}

TEST_F(CudaAttentionTest, RowsHaveTheSameBitsWhereverASequenceIsCut) {
  std::mt19937 engine(4);
  std::vector<Case> cases = Cases(), half = HalfCases();
  cases.insert(cases.end(), half.begin(), half.end());
  for (const Case& in : cases) {
    SCOPED_TRACE(Name(in));
    const Result whole = Run(false, in, Whole(in));
    for (size_t s = 0; s < in.segments.size(); ++s) {
      const int64_t length = in.segments[s].length;
      ExpectSameRows(in, whole, {{s, 0, length}});  // alone
      for (const int64_t cut : {17, 63, 64}) {
        if (cut >= length) continue;
        // The two ends beside each other, then a piece in the middle beside all others.
        ExpectSameRows(in, whole, {{s, cut, length - cut}, {s, 0, cut}});
        std::vector<Piece> pieces = Whole(in);
        const int64_t count = 1 + static_cast<int64_t>(engine()) % (length - cut);
        pieces.insert(pieces.begin() + static_cast<int64_t>(s), {s, cut, count});
        ExpectSameRows(in, whole, pieces);
      }
    }
  }
}

// Keys and values that a query does not see may be anything.
TEST_F(CudaAttentionTest, LaterTokensOfTheSameCallAreNeverMultiplied) {
  for (Case in : {Case({4, 2, 64}, {80}, 4), Case({1, 1, 9}, {30}, 0)}) {
    const Result whole = Run(false, in, Whole(in));
    const int64_t rows = in.q.rows, poisoned = rows - 6;
    for (int64_t t = poisoned; t < rows; ++t) {
      std::fill_n(in.k.row(t), in.k.cols, NAN);
      std::fill_n(in.v.row(t), in.v.cols, t % 2 == 0 ? NAN : INFINITY);
    }
    const Result got = Run(false, in, Whole(in));
    for (int64_t t = 0; t < poisoned; ++t) {
      ASSERT_TRUE(SameBits(whole.y.row(t), got.y.row(t), in.q.cols)) << t;
      ASSERT_TRUE(SameBits(whole.lse.row(t), got.lse.row(t), in.shape.q_heads)) << t;
    }
  }
}

// By tensor cores a key that a row does not see is multiplied by zero: whatever it is, if finite.
TEST_F(CudaAttentionTest, LaterTokensOfTheSameCallChangeNoBitsInBFloat16) {
  for (Case in :
       {Case({4, 2, 64, Dtype::kBFloat16}, {80}, 4), Case({1, 1, 9, Dtype::kBFloat16}, {30}, 0)}) {
    const Result whole = Run(false, in, Whole(in));
    const int64_t rows = in.q.rows, poisoned = rows - 6;
    for (int64_t t = poisoned; t < rows; ++t) {
      std::fill_n(in.k.row(t), in.k.cols, NAN);
      std::fill_n(in.v.row(t), in.v.cols, t % 2 == 0 ? 1e38f : -1e38f);
    }
    const Result got = Run(false, in, Whole(in));
    for (int64_t t = 0; t < poisoned; ++t) {
      ASSERT_TRUE(SameBits(whole.y.row(t), got.y.row(t), in.q.cols)) << t;
      ASSERT_TRUE(SameBits(whole.lse.row(t), got.lse.row(t), in.shape.q_heads)) << t;
    }
  }
}

// Wherever one of the matrices lies askew, quads are taken float by float, by the same threads. (A
// quad that is read whole after all stops a GPU, not the emulator.)
TEST_F(CudaAttentionTest, MemoryThatIsNotAlignedGivesTheSameBits) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    const Case in({4, 2, 64, dtype}, {70}, 0);
    const Result whole = Run(false, in, Whole(in));
    enum { kQ, kY, kKeys, kValues, kStride, kMatrices };
    for (int askew = 0; askew < kMatrices; ++askew) {
      const auto place = [&](const Matrix& from, int64_t first, int64_t rows, int64_t stride,
                             int matrix) {
        float* const to = Empty(kAttentionTile * 2 * stride + 1) + (askew == matrix);
        for (int64_t r = 0; r < rows; ++r)
          std::copy_n(from.row(first + r), from.cols, to + r * stride);
        return to;
      };
      const int64_t stride = in.k.cols + (askew == kStride);
      std::vector<const float*> keys, values;
      for (const int64_t first : {0, 64}) {
        const int64_t rows = std::min<int64_t>(64, in.k.rows - first);
        keys.push_back(place(in.k, first, rows, stride, kKeys));
        values.push_back(place(in.v, first, rows, stride, kValues));
      }
      const View<float> q(place(in.q, 0, in.q.rows, in.q.cols, kQ), in.q.rows, in.q.cols);
      const View<float> y(place(in.q, 0, 0, in.q.cols, kY), in.q.rows, in.q.cols);
      const std::vector<KeyValueTiles> tiles = {{keys.data(), values.data(), stride}};
      cuda().attention(cuda_stream(), in.shape, in.segments, q, tiles, y, nullptr);
      EXPECT_TRUE(SameBits(Get(y), whole.y)) << askew;
    }
  }
}

TEST_F(CudaAttentionTest, LargeScoresNeitherOverflowNorVanish) {
  Case in({2, 1, 16}, {140}, 0);
  for (float& value : in.q.values) value *= 60.0f;
  EXPECT_LT(Difference(Run(false, in, Whole(in)).y, Run(true, in, Whole(in)).y), 1e-4);
  in = WithRoundedOperands(in);
  const Matrix want = Run(true, in, Whole(in)).y;
  in.shape.dtype = Dtype::kBFloat16;
  EXPECT_LT(Difference(Run(false, in, Whole(in)).y, want), 1.0 / 512);
}

TEST_F(CudaAttentionTest, GradientsAgreeWithTheCpu) {
  for (const Case& in : Cases()) {
    SCOPED_TRACE(Name(in));
    const Result forward = Run(false, in, Whole(in));
    const std::vector<Matrix> got = TwiceTheSame([&] { return RunBackward(in, forward); });
    Matrix dq(in.q.rows, in.q.cols), dk(in.k.rows, in.k.cols), dv(in.k.rows, in.k.cols);
    cpu().attention_backward(cpu_stream(), in.shape, in.segments, in.q, in.k, in.v, forward.y,
                             forward.lse.row(0), in.dy, dq, dk, dv);
    EXPECT_LT(Difference(got[0], dq), 5e-6);
    EXPECT_LT(Difference(got[1], dk), 5e-6);
    EXPECT_LT(Difference(got[2], dv), 5e-6);
  }
}

// Against float32's gradients of the rounded operands, dy too. Weights and slopes are rounded
// before they are multiplied, and the y in delta came from rounded weights: each by 2^-9 of itself
// at most, in sums whose terms are no larger than the largest gradient's.
TEST_F(CudaAttentionTest, BFloat16GradientsAgreeWithTheCpuOnRoundedOperands) {
  for (const Case& in : HalfCases()) {
    SCOPED_TRACE(Name(in));
    const Result forward = Run(false, in, Whole(in));
    const std::vector<Matrix> got = TwiceTheSame([&] { return RunBackward(in, forward); });
    const Case rounded = cuda::TakesTensorCores(in.shape) ? WithRoundedOperands(in) : in;
    const Result exact = Run(true, rounded, Whole(rounded));
    Matrix dq(in.q.rows, in.q.cols), dk(in.k.rows, in.k.cols), dv(in.k.rows, in.k.cols);
    cpu().attention_backward(cpu_stream(), in.shape, in.segments, rounded.q, rounded.k, rounded.v,
                             exact.y, exact.lse.row(0), rounded.dy, dq, dk, dv);
    EXPECT_LT(Difference(got[0], dq), 1.0 / 256);
    EXPECT_LT(Difference(got[1], dk), 1.0 / 256);
    EXPECT_LT(Difference(got[2], dv), 1.0 / 256);
  }
}

TEST_F(CudaAttentionTest, ASequencesGradientsAreTheSameAloneAndAmongOthers) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    const Case both({4, 2, 8, dtype}, {70, 33}, 0);
    const Result forward = Run(false, both, Whole(both));
    const std::vector<Matrix> among = RunBackward(both, forward);
    for (const Segment& segment : both.segments) {
      Case alone = both;
      alone.segments = {{0, segment.length, 0}};
      const auto rows = [&](const Matrix& from) {
        Matrix part(segment.length, from.cols);
        for (int64_t t = 0; t < segment.length; ++t) {
          std::copy_n(from.row(segment.begin + t), from.cols, part.row(t));
        }
        return part;
      };
      alone.q = rows(both.q);
      alone.k = rows(both.k);
      alone.v = rows(both.v);
      alone.dy = rows(both.dy);
      const std::vector<Matrix> got = RunBackward(alone, {rows(forward.y), rows(forward.lse)});
      for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(SameBits(got[i], rows(among[i]))) << i;
    }
  }
}

TEST_F(CudaAttentionTest, StoringFillsTheRowsOfTheTilesAndNoOthers) {
  for (const int64_t cols : {40, 7, 1030}) {
    const std::vector<Segment> segments = {{0, 3, 62}, {3, 1, 0}, {4, 70, 64}};
    const Matrix x = RandomMatrix(74, cols, 1, 1.0f, 4);
    std::vector<std::vector<float*>> tiles;
    std::vector<float* const*> pointers;
    for (const int64_t count : {2, 1, 3}) {
      tiles.emplace_back();
      for (int64_t i = 0; i < count; ++i) tiles.back().push_back(Empty(kAttentionTile * cols));
    }
    tiles[2][0] = nullptr;  // need not be there: nothing of it is written
    for (const auto& of : tiles) pointers.push_back(of.data());
    cuda().store_tiles(cuda_stream(), segments, Put(x), pointers);
    for (size_t s = 0; s < segments.size(); ++s) {
      for (size_t i = 0; i < tiles[s].size(); ++i) {
        if (tiles[s][i] == nullptr) continue;
        const Matrix got = Get(View<float>(tiles[s][i], kAttentionTile, cols));
        for (int64_t r = 0; r < kAttentionTile; ++r) {
          const int64_t t = static_cast<int64_t>(i) * kAttentionTile + r - segments[s].position;
          if (t >= 0 && t < segments[s].length) {
            EXPECT_TRUE(SameBits(got.row(r), x.row(segments[s].begin + t), cols));
          } else {
            EXPECT_TRUE(std::all_of(got.row(r), got.row(r) + cols,
                                    [](float value) { return std::isnan(value); }));
          }
        }
      }
    }
  }
}

TEST_F(CudaAttentionTest, NothingIsDoneForNoTokens) {
  const AttentionShape shape = {4, 2, 8};
  const View<float> q(Empty(32), 0, 32), k(Empty(16), 0, 16);
  cuda().attention(cuda_stream(), shape, {}, q, {}, q, nullptr);
  cuda().attention_backward(cuda_stream(), shape, {}, q, k, k, q, q.data, q, q, k, k);
  cuda().store_tiles(cuda_stream(), {}, k, {});
}

// GPUs of compute capability 8.6 and 8.9 have the least.
TEST(CudaAttentionSizesTest, NoKernelAsksForMoreSharedMemoryThanEveryGpuGrants) {
  using cuda::AttentionKernel;
  static_assert(cuda::kSharedBytesMax == 96 * 1024);
  for (const AttentionKernel kernel :
       {AttentionKernel::kFewQueries, AttentionKernel::kManyQueries, AttentionKernel::kGradients}) {
    for (const int head_dim : {64, 80, 128, 192, 256}) {
      EXPECT_LE(cuda::AttentionSharedBytes(kernel, head_dim), cuda::kSharedBytesMax) << head_dim;
    }
    for (int head_dim = 1; head_dim <= cuda::kHeadDimMax; ++head_dim) {
      EXPECT_LE(cuda::AttentionSharedBytes(kernel, head_dim), cuda::kSharedBytesMax) << head_dim;
    }
    EXPECT_LE(cuda::TensorSharedBytes(kernel, cuda::kTensorDepthMax), cuda::kSharedBytesMax);
  }
}

}  // namespace
}  // namespace temper::kernels
