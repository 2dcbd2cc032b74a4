// The chunk form of the Mamba-2 recurrence: how a sequence is cut, what its state holds, and the
// arithmetic that prefill and decode must share to the bit.
//
// The token at position p of its sequence has offset r = p % 64 in chunk p / 64. With h the state
// at the chunk's start and s_r the running sum of dt A in the chunk,
//   y_r = exp(s_r) (C_r . h) + sum_{j<=r} exp(s_r - s_j) dt_j (C_r . B_j) x_j + D x_r,
// and the chunk's end advances h to exp(s_63) h + sum_j exp(s_63 - s_j) dt_j x_j (outer) B_j.
// Every sum has one order, told beside its function; no row looks past itself, so that its bits
// depend on its own sequence alone, wherever the chunk was cut into calls.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/device_code.h"
#include "kernels/cuda/matrix.h"
#include "kernels/shapes.h"

namespace temper::kernels::cuda {

inline constexpr int kChunk = 64;
inline constexpr int kTensorStateMax = 128;  // larger states are computed in float32

// SsmShape as kernels take it, and where things lie in a sequence's state (SsmState). boundary: h
// [H, P, N]. running: the current chunk's inputs by offset: x [64, H*P], b [64, G*N], dt [64, H]
// (after bias, softplus and clamp) and sums s [64, H]. Nothing counts the offset: a segment's
// position tells it.
struct SsmSizes {
  int heads = 0, head_dim = 0, state = 0, groups = 0;
  float dt_min = 0, dt_max = 0;
  bool tensor = false;  // computed by tensor cores (ssm_bf16.h)

  static constexpr size_t kFieldBytes = 4 * sizeof(int) + 2 * sizeof(float) + sizeof(bool);

  explicit SsmSizes(const SsmShape& shape)
      : heads(static_cast<int>(shape.heads)),
        head_dim(static_cast<int>(shape.head_dim)),
        state(static_cast<int>(shape.state)),
        groups(static_cast<int>(shape.groups)),
        dt_min(shape.dt_min),
        dt_max(shape.dt_max),
        tensor(shape.dtype == Dtype::kBFloat16 && shape.state <= kTensorStateMax) {}

  __host__ __device__ int group(int head) const { return head / (heads / groups); }
  __host__ __device__ int64_t x_width() const { return int64_t{heads} * head_dim; }
  __host__ __device__ int64_t b_width() const { return int64_t{groups} * state; }
  __host__ __device__ int64_t head_floats() const { return int64_t{head_dim} * state; }
  __host__ __device__ int64_t x_at(int j) const { return j * x_width(); }
  __host__ __device__ int64_t b_at(int j) const { return x_at(kChunk) + j * b_width(); }
  __host__ __device__ int64_t dt_at(int j) const { return b_at(kChunk) + int64_t{j} * heads; }
  __host__ __device__ int64_t sum_at(int j) const { return dt_at(kChunk) + int64_t{j} * heads; }
  __host__ __device__ int64_t running_floats() const { return sum_at(kChunk); }
};

// One head's part of a boundary state, which may be missing.
template <typename Float>
__device__ __forceinline__ Float* HeadState(const SsmSizes& sizes, Float* h, int head, int p = 0) {
  return h == nullptr ? nullptr : h + head * sizes.head_floats() + int64_t{p} * sizes.state;
}

// The tokens of one call that lie in one chunk of one sequence.
struct ChunkPiece {
  int64_t row = 0;                 // of the first of them
  int32_t first = 0, end = 0;      // their offsets in the chunk: [first, end)
  const float* running = nullptr;  // holds the inputs before `first`; null: they are zero
};

// ---- what a token's step is
// softplus, clamped; NaN stays.
__device__ __forceinline__ float StepSize(const SsmSizes& sizes, float biased) {
  const float step = biased > 20.0f ? biased : log1pf(expf(biased));
  return step < sizes.dt_min ? sizes.dt_min : step > sizes.dt_max ? sizes.dt_max : step;
}
__device__ __forceinline__ float DecayRate(float a_log) { return -expf(a_log); }
__device__ __forceinline__ float NextSum(float sum, float dt, float rate) {
  return fmaf(dt, rate, sum);
}

// ---- what a row is made of
// The share of token j in row r, x_j's factor.
__device__ __forceinline__ float RowWeight(float product, float sum_r, float sum_j, float dt_j) {
  return product * expf(sum_r - sum_j) * dt_j;
}
// y_r from C_r . h and the sum over the chunk.
__device__ __forceinline__ float FinishRow(float sum_r, float boundary, float within, float d,
                                           float x) {
  return fmaf(d, x, fmaf(expf(sum_r), boundary, within));
}
// The share of token j in the state at the chunk's end, x_j's factor.
__device__ __forceinline__ float EndWeight(float sum_end, float sum_j, float dt_j) {
  return expf(sum_end - sum_j) * dt_j;
}

// ---- sums over the state's width N, of C_r . h and C_r . B_j
// In blocks of 128 columns; a block's quads of four columns go to eight parts, quad i to part i %
// 8, so that eight lanes side by side read 128 bytes at once; a part is one fmaf chain, and the
// total adds the parts of all blocks in order.
inline constexpr int kDotBlock = 128;
inline constexpr int kDotParts = 8;

// Quads of the block that begins at column n; columns past the end count as zeros.
__host__ __device__ __forceinline__ int QuadsOfBlock(int n, int state) {
  const int left = state - n < kDotBlock ? state - n : kDotBlock;
  return (left + 3) / 4;
}
__host__ __device__ __forceinline__ int PartsOfBlock(int n, int state) {
  const int quads = QuadsOfBlock(n, state);
  return quads < kDotParts ? quads : kDotParts;
}
__device__ __forceinline__ float AddQuad(float4 a, float4 b, float part) {
  return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, part))));
}

// Whether rows of N floats that begin there, a stride apart, all lie on 16 bytes.
inline bool InQuads(const SsmSizes& sizes, const float* data, int64_t stride) {
  return sizes.state % 4 == 0 && stride % 4 == 0 && reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

// ---- ssm_chunk.cu: what a call's pieces need before their rows
// The pieces of a segment, in order, added to `pieces`.
void CutIntoPieces(const Segment& segment, const float* running, std::vector<ChunkPiece>& pieces);

// B and C of every (piece, group), rounded: [64, N in 64 or 128 columns] each, zeros where there is
// nothing. Null where nobody reads them.
struct RoundedTiles {
  uint16_t *b = nullptr, *c = nullptr;
};

// The pieces on the device, and of each token of the call: dt, s [tokens, H], and
// C_r . B_j [tokens, G, 64] of every j <= r. Tokens in no piece are left out.
struct ChunkSteps {
  const ChunkPiece* pieces = nullptr;
  const float* dt = nullptr;
  const float* sum = nullptr;
  const float* products = nullptr;
  RoundedTiles tiles;
  bool vector = false;  // rows of b, c and of the states are read by sixteen bytes

  static constexpr size_t kFieldBytes = 6 * sizeof(void*) + sizeof(bool);
};
// for_walk: with the tiles that TensorWalks reads, if that is to compute.
ChunkSteps PrepareChunks(CudaStream& cuda, const SsmSizes& sizes,
                         std::span<const ChunkPiece> pieces, const SsmInputs& inputs,
                         const SsmParameters& parameters, bool for_walk);

// The pieces of one segment, in order.
struct Walk {
  int64_t first_piece = 0;
  int64_t pieces = 0;
  const float* boundary = nullptr;  // null: zero
  float* next_boundary = nullptr;   // null: not kept
};

// ---- ssm_decode.cu: one token of a sequence that has a state
struct DecodeRow {
  float* running = nullptr;
  const float* boundary = nullptr;  // null in the sequence's first chunk: h is zero
  float* next_boundary = nullptr;   // null but at the chunk's end
  int64_t row = 0;
  int64_t offset = 0;  // in its chunk
};
void DecodeRows(CudaStream& cuda, const SsmSizes& sizes, std::span<const DecodeRow> rows,
                const SsmInputs& inputs, const SsmParameters& parameters, View<float> y);

// ---- the same by tensor cores, within ops that have begun; `vector` as in ChunkSteps
// ssm_scan_bf16.cu
RoundedTiles PlaceForTiles(CudaStream& cuda, const SsmSizes& sizes, int64_t pieces);
void TensorProducts(CudaStream& cuda, const SsmSizes& sizes, const ChunkPiece* pieces,
                    int64_t count, bool vector, const SsmInputs& inputs, float* products,
                    const RoundedTiles& tiles);
void TensorWalks(CudaStream& cuda, const SsmSizes& sizes, std::span<const Walk> walks,
                 const ChunkSteps& steps, View<const float> x, const float* d, View<float> y);
// Rows whose tokens lie in `running`; `ends`: as many, first those that are their chunks' last,
// then such as have no next_boundary. ssm_decode_bf16.cu
void TensorRows(CudaStream& cuda, const SsmSizes& sizes, const DecodeRow* rows, int64_t count,
                std::span<const DecodeRow> ends, bool vector, View<const float> c, const float* d,
                View<float> y);

}  // namespace temper::kernels::cuda
