// The Mamba-2 recurrence forward in chunk form (ssm_chunk.h): many tokens of a sequence, chunk
// after chunk; single tokens go to ssm_decode.cu. That is float32's; bfloat16's is
// ssm_scan_bf16.cu, the state's width permitting.
//
// What limits it, for one token of one head at P = 64, N = 128, 16 heads a group, in float32:
//
// Prefill and training: arithmetic. Multiply-adds: C . h 8 K, the sum over the chunk 2.6 K (warps
// skip sixteens past their rows), the advance 8 K, C . B 0.4 K (6 K a group): 19 K, which an H200
// does in 0.6 ns (67 Tflop/s). Bytes: x and y 512, products 256 a slice, B and C 1 K a slice (they
// are the group's: second-level cache), dt and s 16; h stays in shared memory. About 0.8 KB from
// memory: 0.2 ns. Next to arithmetic comes shared memory: a thread reads 16 bytes for 8
// multiply-adds in C . h, for 11 in the advance. 60 KB and 168 registers a thread leave 3 blocks,
// 12 warps, a multiprocessor. A lone sequence has only H * P/32 blocks, which walk it chunk by
// chunk.
//
// Decode at offset r, 32 on average: memory. Bytes: h 32 K, read once; of the ring x 256 r = 8 K, B
// 512 r a group = 1 K, dt and s 8 r = 0.3 K; products, C, y and the token into the ring 1.5 K;
// every 64th step reads and writes h again, 1 K. Together 44 KB, 10 ns at 4.3 TB/s, where reading
// and writing the state each step takes 65.5 KB. Multiply-adds: 8 K + 64 r + 8 r = 10.5 K. In a
// sequence's first chunk h is zero and not read: 11 KB.
#include <algorithm>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/ssm_chunk.h"
#include "kernels/cuda/ssm_tiles.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kKeepThreads = 256;
constexpr int64_t kSharedFloatsMax = (int64_t{227} << 10) / 4;

// A row whose inputs later calls need: they go to this offset.
struct KeptRow {
  float* running = nullptr;
  int64_t row = 0;
  int64_t offset = 0;
};

int64_t WalkSharedFloats(const SsmSizes& sizes) {
  return int64_t{kSlice} * StateStride(sizes.state) + kWideTile + kSliceTile + 2 * kChunk;
}

// weights[r][j] of the piece's rows, zero elsewhere. products: row r at r * stride
__device__ __forceinline__ void StoreWeights(const ChunkPiece& piece, const float* products,
                                             int64_t stride, const float* dt, const float* sum,
                                             float* weights) {
  constexpr int kAtOnce = 8;
#pragma unroll 1
  for (int e = static_cast<int>(threadIdx.x); e < kChunk * kChunk; e += kAtOnce * kTileThreads) {
    float held[kAtOnce];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int r = (e + k * kTileThreads) / kChunk, j = e % kChunk;
      held[k] = 0.0f;
      if (r >= piece.first && r < piece.end && j <= r) held[k] = products[r * stride + j];
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int r = (e + k * kTileThreads) / kChunk, j = e % kChunk;
      const bool own = r >= piece.first && r < piece.end && j <= r;
      weights[r * kChunkStride + j] = own ? RowWeight(held[k], sum[r], sum[j], dt[j]) : 0.0f;
    }
  }
}

// One block a (segment, head, slice of the head's columns); the slice's state stays in shared
// memory.
template <bool kVector>
__global__ void __launch_bounds__(kTileThreads, 3)
    WalkKernel(SsmSizes sizes, const Walk* walks, ChunkSteps steps, int slices,
               Matrix<const float> x, Matrix<const float> b, Matrix<const float> c, const float* d,
               Matrix<float> y) {
  const Walk walk = walks[blockIdx.x / (static_cast<unsigned>(slices) * sizes.heads)];
  const int head = static_cast<int>(blockIdx.x / slices % sizes.heads);
  const int first_p = kSlice * static_cast<int>(blockIdx.x % slices);
  const int group = sizes.group(head);
  const int64_t head_column = int64_t{head} * sizes.head_dim;
  const int64_t group_column = int64_t{group} * sizes.state;
  const TilePlace place;

  TEMPER_DYNAMIC_SHARED(float, h);                            // [32, N]
  float* const wide = h + kSlice * StateStride(sizes.state);  // a [64, 128] tile; the weights
  float* const x_tile = wide + kWideTile;                     // [32, 64]
  float* const dt = x_tile + kSliceTile;                      // [64]
  float* const sum = dt + kChunk;                             // [64]

  const float* const before = HeadState(sizes, walk.boundary, head);
  if (before != nullptr) LoadStateSlice<kVector>(sizes, before, first_p, h);
  bool fresh = before == nullptr, advanced = false;

  for (int which = 0; which < walk.pieces; ++which) {
    const ChunkPiece piece = steps.pieces[walk.first_piece + which];
    const auto row_of = [&](int j) { return piece.row + j - piece.first; };
    const auto b_at = [&](int j) -> const float* {
      if (j >= piece.end) return nullptr;
      if (j >= piece.first) return b.row(row_of(j)) + group_column;
      return piece.running == nullptr ? nullptr : piece.running + sizes.b_at(j) + group_column;
    };
    LoadSliceOfX(
        sizes, first_p,
        [&](int j) -> const float* {
          if (j >= piece.end) return nullptr;
          if (j >= piece.first) return x.row(row_of(j)) + head_column;
          return piece.running == nullptr ? nullptr : piece.running + sizes.x_at(j) + head_column;
        },
        x_tile);
    if (threadIdx.x < kChunk) {
      const int j = static_cast<int>(threadIdx.x);
      const bool of_call = j >= piece.first && j < piece.end;
      const bool kept = j < piece.first && piece.running != nullptr;
      const int64_t at = row_of(j) * sizes.heads + head;
      dt[j] = of_call ? steps.dt[at] : kept ? piece.running[sizes.dt_at(j) + head] : 0.0f;
      sum[j] = of_call ? steps.sum[at] : kept ? piece.running[sizes.sum_at(j) + head] : 0.0f;
    }
    // Warps whose sixteen rows are not in the piece only load and advance.
    const bool works = 16 * place.warp < piece.end && 16 * place.warp + 16 > piece.first;

    float boundary[4][4] = {}, within[4][4] = {};
    if (!fresh) {
      for (int n = 0; n < sizes.state; n += kDotBlock) {
        LoadWideTile<kVector>(
            wide, kWideStride, kChunk, n, sizes.state, [&](int r) -> const float* {
              return r < piece.first || r >= piece.end ? nullptr : c.row(row_of(r)) + group_column;
            });
        __syncthreads();
        if (works) {
          AddDots(wide, kWideStride, h + n, StateStride(sizes.state), QuadsOfBlock(n, sizes.state),
                  boundary);
        }
        __syncthreads();
      }
    } else {
      __syncthreads();
    }

    StoreWeights(piece, steps.products + (row_of(0) * sizes.groups + group) * kChunk,
                 int64_t{sizes.groups} * kChunk, dt, sum, wide);
    __syncthreads();
    if (works) {
      SumRows(wide, x_tile, within);
      const float own_d = d[head];
      for (int i = 0; i < 4; ++i) {
        const int r = place.row(i);
        if (r < piece.first || r >= piece.end) continue;
        float* const to = y.row(row_of(r)) + head_column + first_p;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const int p = place.column(k);
          if (first_p + p >= sizes.head_dim) continue;
          to[p] =
              FinishRow(sum[r], boundary[i][k], within[i][k], own_d, x_tile[p * kChunkStride + r]);
        }
      }
    }
    if (piece.end == kChunk) {  // else it was the last
      AdvanceSlice<kVector>(sizes, x_tile, dt, sum, b_at, wide, fresh, h);
      fresh = false;
      advanced = true;
    }
  }
  float* const after = HeadState(sizes, walk.next_boundary, head);
  if (advanced && after != nullptr) StoreStateSlice(sizes, h, first_p, after);
}

// One block a row.
__global__ void KeepKernel(SsmSizes sizes, const KeptRow* rows, Matrix<const float> x,
                           Matrix<const float> b, const float* dt, const float* sum) {
  const KeptRow kept = rows[blockIdx.x];
  const int j = static_cast<int>(kept.offset);
  const auto copy = [&](const float* from, float* to, int64_t count) {
    for (int64_t i = threadIdx.x; i < count; i += kKeepThreads) to[i] = __ldg(from + i);
  };
  copy(x.row(kept.row), kept.running + sizes.x_at(j), sizes.x_width());
  copy(b.row(kept.row), kept.running + sizes.b_at(j), sizes.b_width());
  copy(dt + kept.row * sizes.heads, kept.running + sizes.dt_at(j), sizes.heads);
  copy(sum + kept.row * sizes.heads, kept.running + sizes.sum_at(j), sizes.heads);
}

void CheckShapes(const SsmShape& shape, const SsmInputs& inputs, View<float> y) {
  TEMPER_KERNEL_CHECK(shape.groups > 0 && shape.heads % shape.groups == 0);
  TEMPER_KERNEL_CHECK(inputs.x.cols == shape.heads * shape.head_dim && inputs.x.rows == y.rows);
  TEMPER_KERNEL_CHECK(inputs.b.cols == shape.groups * shape.state);
  TEMPER_KERNEL_CHECK(inputs.c.cols == shape.groups * shape.state);
  TEMPER_KERNEL_CHECK(inputs.dt.cols == shape.heads && y.cols == inputs.x.cols);
}

// What the segment begins with; null: zero.
const float* BoundaryAt(const SsmState& state, const Segment& segment) {
  return state.running == nullptr || segment.position < kChunk ? nullptr : state.boundary;
}

void CheckState(const SsmState& state, const Segment& segment) {
  if (state.running == nullptr) return;
  TEMPER_KERNEL_CHECK(segment.position < kChunk || state.boundary != nullptr);
  const bool ends = SsmStateSize{.chunk = kChunk}.Ends(segment.position, segment.length);
  TEMPER_KERNEL_CHECK(!ends || state.next_boundary != nullptr);
}

void WalkSegments(CudaStream& cuda, const SsmSizes& sizes, std::span<const Segment> segments,
                  std::span<const SsmState> states, const SsmInputs& inputs,
                  const SsmParameters& parameters, View<float> y) {
  if (segments.empty()) return;
  std::vector<ChunkPiece> pieces;
  std::vector<Walk> walks;
  std::vector<KeptRow> kept;
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    float* const running = states[s].running;
    Walk walk = {.first_piece = static_cast<int64_t>(pieces.size()),
                 .boundary = BoundaryAt(states[s], segment),
                 .next_boundary = states[s].next_boundary};
    CutIntoPieces(segment, running, pieces);
    walk.pieces = static_cast<int64_t>(pieces.size()) - walk.first_piece;
    walks.push_back(walk);
    const ChunkPiece& last = pieces.back();
    if (running == nullptr || last.end == kChunk) continue;
    for (int64_t j = last.first; j < last.end; ++j) {
      kept.push_back({.running = running, .row = last.row + j - last.first, .offset = j});
    }
  }
  // The longest first, since a block walks its whole segment.
  std::stable_sort(walks.begin(), walks.end(),
                   [](const Walk& a, const Walk& b) { return a.pieces > b.pieces; });
  ChunkSteps steps = PrepareChunks(cuda, sizes, pieces, inputs, parameters, true);
  for (const Walk& walk : walks) steps.vector = steps.vector && InQuads(sizes, walk.boundary, 0);
  if (sizes.tensor) {
    TensorWalks(cuda, sizes, walks, steps, inputs.x, parameters.d, y);
  } else {
    const int slices = (sizes.head_dim + kSlice - 1) / kSlice;
    TEMPER_LAUNCH((steps.vector ? WalkKernel<true> : WalkKernel<false>), cuda,
                  dim3(static_cast<unsigned>(walks.size() * static_cast<size_t>(sizes.heads) *
                                             static_cast<size_t>(slices))),
                  kTileThreads, static_cast<size_t>(WalkSharedFloats(sizes)) * sizeof(float), sizes,
                  cuda.Upload(std::span<const Walk>(walks)), steps, slices, inputs.x, inputs.b,
                  inputs.c, parameters.d, y);
  }
  // Last, since the walk's first pieces read what lay there.
  TEMPER_LAUNCH(KeepKernel, cuda, dim3(static_cast<unsigned>(kept.size())), kKeepThreads, 0, sizes,
                cuda.Upload(std::span<const KeptRow>(kept)), inputs.x, inputs.b, steps.dt,
                steps.sum);
}

void SsmScan(Stream& stream, const SsmShape& shape, std::span<const Segment> segments,
             const SsmInputs& inputs, const SsmParameters& parameters,
             std::span<const SsmState> states, View<float> y) {
  CheckShapes(shape, inputs, y);
  TEMPER_KERNEL_CHECK(states.empty() || states.size() == segments.size());
  CudaStream& cuda = BeginOp(stream);
  const SsmSizes sizes(shape);
  TEMPER_KERNEL_CHECK(sizes.tensor || WalkSharedFloats(sizes) <= kSharedFloatsMax);
  std::vector<DecodeRow> rows;
  std::vector<Segment> longer;
  std::vector<SsmState> longer_states;
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    const SsmState state = states.empty() ? SsmState() : states[s];
    CheckState(state, segment);
    if (segment.length == 1 && state.running != nullptr) {
      const int64_t offset = segment.position % kChunk;
      rows.push_back({.running = state.running,
                      .boundary = BoundaryAt(state, segment),
                      .next_boundary = offset == kChunk - 1 ? state.next_boundary : nullptr,
                      .row = segment.begin,
                      .offset = offset});
    } else if (segment.length > 0) {
      longer.push_back(segment);
      longer_states.push_back(state);
    }
  }
  DecodeRows(cuda, sizes, rows, inputs, parameters, y);
  WalkSegments(cuda, sizes, longer, longer_states, inputs, parameters, y);
}

// Whole 256 bytes, so that states side by side are aligned alike.
SsmStateSize SizeOfSsmState(const SsmShape& shape) {
  const auto whole = [](int64_t floats) { return (floats + 63) / 64 * 64; };
  return {.running = whole(SsmSizes(shape).running_floats()),
          .boundary = whole(shape.state_floats()),
          .chunk = kChunk};
}

}  // namespace

void AddSsmOps(Ops& ops) {
  ops.ssm_scan = SsmScan;
  ops.ssm_state_size = SizeOfSsmState;
}

}  // namespace temper::kernels::cuda
