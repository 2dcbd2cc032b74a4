// A product of few rows with a bfloat16 weight, forward: a block computes 32 columns of all rows,
// 64 of more than 32.
//
// Decoding's product, whose time is the weight's way from memory: 2 bytes a value, read once. 4.8
// TB/s over 132 multiprocessors ask for some 25 KB under way on each; a block has 4 stages of 8 KB
// of the weight under way, and 4096 columns are 128 blocks. Each block reads all rows besides, from
// the second-level cache: 64 bytes of the weight a depth, and of the rows 4 bytes each up to 8
// rows, 2 beyond. With 16 rows that is half of what the weight has; with 64 it would be twice as
// much, and that cache the limit: so 64 columns then, as much of the one as of the other, though
// 4096 columns are 64 blocks only.
//
// An element has WideTile's bits: one chain of the same instructions, over as many sixteens of
// depth. Up to 8 rows are rounded to bfloat16 on their way to registers, which spares decoding's
// smallest steps a launch; more rows once, before.
#pragma once

#include <type_traits>

#include "kernels/cuda/copy_async.h"
#include "kernels/cuda/mma.h"
#include "kernels/cuda/packed_weight.h"
#include "kernels/cuda/product_tile.h"
#include "kernels/cuda/product_wide.h"

namespace temper::kernels::cuda {

inline constexpr int64_t kFewRowsMax = 64;

// y (=|+=) a * transpose(weight) for at most kFewRowsMax rows, to the bit what the wide tile
// gives; within an op that has begun. product_few_rows.cu
void MultiplyFewRows(CudaStream& cuda, View<const float> a, const CudaPackedWeight& weight,
                     View<float> y, Write write);

// The block that is made for up to kRows rows: each warp has 16 rows and 8, 16 or 32 columns.
template <int kRows>
struct FewRowsBlock {
  static_assert(kRows == 8 || kRows == 16 || kRows == 32 || kRows == kFewRowsMax);
  static constexpr bool kRounded = kRows > 8;  // before
  using A = std::conditional_t<kRounded, uint16_t, float>;
  static constexpr int kCols = kRows <= 32 ? 32 : 64;
  static constexpr int kThreads = kRows <= 32 ? 128 : 256;
  static constexpr int kEights = kRows <= 16 ? 1 : kRows / 16;  // of columns, a warp
  static constexpr int kWarpsAcross = kCols / (8 * kEights);
  // Of a step: each has a barrier, and addresses to compute, beside its multiplications. More than
  // 32 rows leave no room for long ones.
  static constexpr int kDepth = kRows <= 32 ? 128 : 64;
  // Elements of either operand between rows in shared memory, at which a warp's fragments lie in
  // different banks.
  static constexpr int kPitch = kDepth + 8;
  static constexpr int kBytesA = kRows * kPitch * static_cast<int>(sizeof(A));
  static constexpr int kStageBytes = kBytesA + kCols * kPitch * static_cast<int>(sizeof(uint16_t));
  static constexpr int kStages = 5;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static_assert(kSharedBytes <= 99 << 10, "what a block may have on Ada");
};

// What one thread brings of an operand each step: 16 bytes of every kDown-th of up to kSides sides.
template <int kThreads, int kSides, int kDepth, class T>
struct ThreadsSides {
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kAcross = kDepth / kVector, kDown = kThreads / kAcross;
  static constexpr int kPitch = kDepth + 8;
  static_assert(kSides % kDown == 0 && kThreads % kAcross == 0);
  const T* data;
  int64_t apart;      // elements between the thread's sides
  int side, col, at;  // the first of them, the place in a step's depths and in a slot
  int sides;          // of the operand
  bool aligned;

  explicit __device__ __forceinline__ ThreadsSides(const TileOperand<T>& operand)
      : apart(kDown * operand.stride),
        side(static_cast<int>(threadIdx.x) / kAcross),
        col(static_cast<int>(threadIdx.x) % kAcross * kVector),
        at(side * kPitch + col),
        sides(static_cast<int>(operand.sides)),
        aligned(operand.aligned) {
    data = operand.data + (side < sides ? side * operand.stride : 0);
  }

  // Depths from `begin` on, all of which exist, of the sides that exist.
  __device__ __forceinline__ void FetchWhole(int64_t begin, T* slot) const {
#pragma unroll
    for (int i = 0; i < kSides / kDown; ++i) {
      if (side + i * kDown < sides) {
        FetchAsync(slot + at + i * kDown * kPitch, data + i * apart + begin + col, 16);
      }
    }
  }

  // Zeros for what does not exist.
  __device__ __forceinline__ void Fetch(int64_t begin, int64_t depth, T* slot) const {
    const int64_t left = depth - begin - col;
    const int most = left < 0 ? 0 : left > kVector ? kVector : static_cast<int>(left);
#pragma unroll 1
    for (int i = 0; i < kSides / kDown; ++i) {
      const int count = side + i * kDown < sides ? most : 0;
      FetchVector(slot + at + i * kDown * kPitch, count > 0 ? data + i * apart + begin + col : data,
                  count, aligned);
    }
  }
};

// A warp's fragment of A, of whose 16 rows the first 8 are at `a` and the others zeros.
__device__ __forceinline__ void LoadFewRounded(const float* a, int pitch, uint32_t (&to)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float2 v = *reinterpret_cast<const float2*>(a + g * pitch + 8 * half + 2 * t);
    to[2 * half] = RoundPair(v.x, v.y);
    to[2 * half + 1] = 0;
  }
}

// One step of a warp whose first row is at `a` and whose first column at `b`; `left`: depths from
// here on.
template <int kRows>
__device__ __forceinline__ void MultiplyStep(const typename FewRowsBlock<kRows>::A* a,
                                             const uint16_t* b, int64_t left,
                                             float (&sum)[FewRowsBlock<kRows>::kEights][4]) {
  constexpr int kSixteens = FewRowsBlock<kRows>::kDepth / 16,
                kEights = FewRowsBlock<kRows>::kEights;
  constexpr int kPitch = FewRowsBlock<kRows>::kPitch;
  // All loads first: the instructions of one chain wait for each other, not for memory as well.
  uint32_t from_a[kSixteens][4], from_b[kSixteens][kEights][2];
#pragma unroll
  for (int s = 0; s < kSixteens; ++s) {
    if constexpr (FewRowsBlock<kRows>::kRounded) {
      LoadA(a + 16 * s, kPitch, from_a[s]);
    } else {
      LoadFewRounded(a + 16 * s, kPitch, from_a[s]);
    }
    if constexpr (kEights == 1) {
      if (s % 2 == 0) LoadBOfTwoSteps(b + 16 * s, kPitch, from_b[s][0], from_b[s + 1][0]);
    } else {
#pragma unroll
      for (int j = 0; j < kEights; j += 2) {
        uint32_t two[2][2];
        LoadTwoB(b + 8 * j * kPitch + 16 * s, kPitch, two);
        from_b[s][j][0] = two[0][0], from_b[s][j][1] = two[0][1];
        from_b[s][j + 1][0] = two[1][0], from_b[s][j + 1][1] = two[1][1];
      }
    }
  }
#pragma unroll
  for (int s = 0; s < kSixteens; ++s) {
    // WideTile ends with its own step; a sixteen of zeros more would make 0 of -0.
    if (s > 0 && 16 * s % kWideDepth == 0 && 16 * s >= left) break;
#pragma unroll
    for (int j = 0; j < kEights; ++j) MmaBFloat16(sum[j], from_a[s], from_b[s][j]);
  }
}

// store(row, column, sum) for the block's elements; a: the rows, b: the block's columns, both along
// depth. shared: FewRowsBlock<kRows>::kSharedBytes.
template <int kRows, class Store>
__device__ __forceinline__ void MultiplyFewRowsBlock(
    unsigned char* shared, const TileOperand<typename FewRowsBlock<kRows>::A>& a,
    const TileOperand<uint16_t>& b, int64_t depth, Store store) {
  using Block = FewRowsBlock<kRows>;
  using A = typename Block::A;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warp_row = warp / Block::kWarpsAcross * 16;
  const int warp_col = warp % Block::kWarpsAcross * 8 * Block::kEights;
  const ThreadsSides<Block::kThreads, kRows, Block::kDepth, A> fetch_a(a);
  const ThreadsSides<Block::kThreads, Block::kCols, Block::kDepth, uint16_t> fetch_b(b);
  // Steps of whole depths, nearly all there are, cost few instructions. Where sides are missing,
  // each slot's first step makes zeros of them, which stay.
  const int64_t whole_end = a.aligned && b.aligned ? depth / Block::kDepth : 0;
  const int64_t whole_begin = a.sides == kRows && b.sides == Block::kCols ? 0 : Block::kStages;
  int64_t left = depth;
  float sum[Block::kEights][4] = {};
  ForEachStep<Block::kStages>(
      (depth + Block::kDepth - 1) / Block::kDepth,
      [&](int64_t step, int slot) {
        unsigned char* const stage = shared + slot * Block::kStageBytes;
        A* const slot_a = reinterpret_cast<A*>(stage);
        uint16_t* const slot_b = reinterpret_cast<uint16_t*>(stage + Block::kBytesA);
        const int64_t begin = step * Block::kDepth;
        if (step >= whole_begin && step < whole_end) {
          fetch_b.FetchWhole(begin, slot_b);
          fetch_a.FetchWhole(begin, slot_a);
        } else {
          fetch_b.Fetch(begin, depth, slot_b);
          fetch_a.Fetch(begin, depth, slot_a);
        }
      },
      [&](int slot) {
        const unsigned char* const stage = shared + slot * Block::kStageBytes;
        if (warp_row < a.sides) {  // the same for the whole warp
          MultiplyStep<kRows>(
              reinterpret_cast<const A*>(stage) + warp_row * Block::kPitch,
              reinterpret_cast<const uint16_t*>(stage + Block::kBytesA) + warp_col * Block::kPitch,
              left, sum);
        }
        left -= Block::kDepth;
      });
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int j = 0; j < Block::kEights; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int row = warp_row + g + e / 2 * 8, col = warp_col + 8 * j + 2 * t + e % 2;
      if (row < a.sides && col < b.sides) store(row, col, sum[j][e]);
    }
  }
}

}  // namespace temper::kernels::cuda
