// The Mamba-2 recurrence for one token of each of many sequences: the row r of a chunk whose inputs
// the sequence's state holds, to the bit the row that ssm_scan.cu's walk computes.
#include <algorithm>
#include <vector>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/ssm_chunk.h"
#include "kernels/cuda/ssm_tiles.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kBeginThreads = 256;
constexpr int kBeginBlocks = 8;  // a row
constexpr int kDotRows = kThreads / kDotParts;
constexpr int kBlocksOfChunk = kChunk / 16;
constexpr int kBlocksAtOnce = 3;  // advancing, on a multiprocessor

int PartsOf(int state) {
  return state / kDotBlock * kDotParts +
         (state % kDotBlock == 0 ? 0 : PartsOfBlock(state / kDotBlock * kDotBlock, state));
}

// parts[i][.] of vector . rows[i]; eight lanes a row, each with its part of every block. All quads
// of kAtOnce rows are under way together.
// rows: [count, N] with a stride  parts: [count, per_row + 1] in shared memory
template <bool kVector>
__device__ __forceinline__ void DotParts(const float* vector, const float* rows, int64_t stride,
                                         int count, int state, int per_row, float* parts) {
  constexpr int kQuads = kDotBlock / 4 / kDotParts;
  constexpr int kAtOnce = 2;
  const int q = static_cast<int>(threadIdx.x) % kDotParts;
  const int first = static_cast<int>(threadIdx.x) / kDotParts;
  int block = 0;
  for (int n = 0; n < state; n += kDotBlock, ++block) {
    float4 left[kQuads];
#pragma unroll
    for (int i = 0; i < kQuads; ++i) {
      left[i] = LoadQuad<kVector>(vector, n + 4 * (q + kDotParts * i), state);
    }
    if (q >= PartsOfBlock(n, state)) continue;
    for (int row = first; row < count; row += kAtOnce * kDotRows) {
      float4 right[kAtOnce][kQuads];
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
#pragma unroll
        for (int i = 0; i < kQuads; ++i) {
          right[k][i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          if (row + k * kDotRows < count) {
            right[k][i] = LoadQuad<kVector>(rows + (row + k * kDotRows) * stride,
                                            n + 4 * (q + kDotParts * i), state);
          }
        }
      }
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        float part = 0;
#pragma unroll
        for (int i = 0; i < kQuads; ++i) {
          if (n + 4 * (q + kDotParts * i) < state) part = AddQuad(left[i], right[k][i], part);
        }
        if (row + k * kDotRows < count) {
          parts[(row + k * kDotRows) * (per_row + 1) + block * kDotParts + q] = part;
        }
      }
    }
  }
}

__device__ __forceinline__ float SumParts(const float* parts, int per_row) {
  float total = 0;
  for (int i = 0; i < per_row; ++i) total += parts[i];
  return total;
}

// The token's inputs go to its offset.
__global__ void BeginKernel(SsmSizes sizes, const DecodeRow* rows, Matrix<const float> x,
                            Matrix<const float> b, Matrix<const float> raw, const float* bias,
                            const float* a_log) {
  const DecodeRow own = rows[blockIdx.x];
  const int j = static_cast<int>(own.offset);
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kBeginThreads + threadIdx.x;
  constexpr int64_t kStep = kBeginBlocks * kBeginThreads;
  for (int64_t head = first; head < sizes.heads; head += kStep) {
    const float before = j == 0 ? 0.0f : own.running[sizes.sum_at(j - 1) + head];
    const float dt = StepSize(sizes, raw.at(own.row, head) + bias[head]);
    own.running[sizes.dt_at(j) + head] = dt;
    own.running[sizes.sum_at(j) + head] = NextSum(before, dt, DecayRate(a_log[head]));
  }
  float* const x_to = own.running + sizes.x_at(j);
  for (int64_t i = first; i < sizes.x_width(); i += kStep) x_to[i] = __ldg(&x.at(own.row, i));
  float* const b_to = own.running + sizes.b_at(j);
  for (int64_t i = first; i < sizes.b_width(); i += kStep) b_to[i] = __ldg(&b.at(own.row, i));
}

// One block a (row, group). products: [rows, G, 64]
template <bool kVector>
__global__ void __launch_bounds__(kThreads)
    RowProductsKernel(SsmSizes sizes, const DecodeRow* rows, int per_row, Matrix<const float> c,
                      float* products) {
  const DecodeRow own = rows[blockIdx.x / sizes.groups];
  const int group = static_cast<int>(blockIdx.x % sizes.groups);
  const int64_t column = int64_t{group} * sizes.state;
  TEMPER_DYNAMIC_SHARED(float, parts);
  DotParts<kVector>(c.row(own.row) + column, own.running + sizes.b_at(0) + column, sizes.b_width(),
                    static_cast<int>(own.offset) + 1, sizes.state, per_row, parts);
  __syncthreads();
  const int j = static_cast<int>(threadIdx.x);
  if (j <= own.offset) {
    products[static_cast<int64_t>(blockIdx.x) * kChunk + j] =
        SumParts(parts + j * (per_row + 1), per_row);
  }
}

// One block a (row, head).
template <bool kVector>
__global__ void __launch_bounds__(kThreads)
    RowKernel(SsmSizes sizes, const DecodeRow* rows, int per_row, const float* products,
              Matrix<const float> c, const float* d, Matrix<float> y) {
  const int64_t which = blockIdx.x / sizes.heads;
  const DecodeRow own = rows[which];
  const int head = static_cast<int>(blockIdx.x % sizes.heads), group = sizes.group(head);
  const int r = static_cast<int>(own.offset), width = sizes.head_dim;
  const int64_t head_column = int64_t{head} * width;
  TEMPER_DYNAMIC_SHARED(float, weights);               // [64]
  float* const sums = weights + kChunk;                // [4, P]: of sixteen tokens each
  float* const parts = sums + kBlocksOfChunk * width;  // [P, per_row + 1]

  const float sum_r = own.running[sizes.sum_at(r) + head];
  const int j = static_cast<int>(threadIdx.x);
  if (j <= r) {
    weights[j] = RowWeight(products[(which * sizes.groups + group) * kChunk + j], sum_r,
                           own.running[sizes.sum_at(j) + head], own.running[sizes.dt_at(j) + head]);
  }
  const float* const before = HeadState(sizes, own.boundary, head);
  if (before != nullptr) {
    DotParts<kVector>(c.row(own.row) + int64_t{group} * sizes.state, before, sizes.state, width,
                      sizes.state, per_row, parts);
  }
  __syncthreads();
  for (int e = static_cast<int>(threadIdx.x); e < kBlocksOfChunk * width; e += kThreads) {
    const int p = e % width, first = e / width * 16;
    if (first > r) break;
    const float* const x = own.running + sizes.x_at(0) + head_column + p;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      if (first + i <= r) sum = fmaf(weights[first + i], x[(first + i) * sizes.x_width()], sum);
    }
    sums[e] = sum;
  }
  __syncthreads();
  for (int p = static_cast<int>(threadIdx.x); p < width; p += kThreads) {
    const float boundary = before == nullptr ? 0.0f : SumParts(parts + p * (per_row + 1), per_row);
    float within = 0;
    for (int block = 0; block <= r / 16; ++block) within += sums[block * width + p];
    const float x = own.running[sizes.x_at(r) + head_column + p];
    y.at(own.row, head_column + p) = FinishRow(sum_r, boundary, within, d[head], x);
  }
}

// Where a row was its chunk's last, one head's slice of the next boundary state. h: [32, N]
template <bool kVector>
__device__ __forceinline__ void AdvanceRow(const SsmSizes& sizes, const DecodeRow& own, int head,
                                           int first_p, float* h) {
  float* const wide = h + kSlice * StateStride(sizes.state);
  float* const x_tile = wide + kWideTile;  // [32, 64]
  float* const dt = x_tile + kSliceTile;   // [64]
  float* const sum = dt + kChunk;          // [64]
  const float* const before = HeadState(sizes, own.boundary, head);
  if (before != nullptr) LoadStateSlice<kVector>(sizes, before, first_p, h);
  LoadSliceOfX(
      sizes, first_p,
      [&](int j) { return own.running + sizes.x_at(j) + int64_t{head} * sizes.head_dim; }, x_tile);
  const int j = static_cast<int>(threadIdx.x);
  if (j < kChunk) {
    dt[j] = own.running[sizes.dt_at(j) + head];
    sum[j] = own.running[sizes.sum_at(j) + head];
  }
  __syncthreads();
  AdvanceSlice<kVector>(
      sizes, x_tile, dt, sum,
      [&](int i) { return own.running + sizes.b_at(i) + int64_t{sizes.group(head)} * sizes.state; },
      wide, before == nullptr, h);
  StoreStateSlice(sizes, h, first_p, HeadState(sizes, own.next_boundary, head));
}

// ends: `most` rows, those at their chunk's end first. The number of blocks does not depend on how
// many are, so that a step is the same request wherever its rows stand in their chunks.
template <bool kVector>
__global__ void __launch_bounds__(kTileThreads, kBlocksAtOnce)
    RowAdvanceKernel(SsmSizes sizes, const DecodeRow* ends, int most, int slices) {
  TEMPER_DYNAMIC_SHARED(float, h);
  const int of_row = sizes.heads * slices;
  for (int64_t item = blockIdx.x; item < int64_t{most} * of_row; item += gridDim.x) {
    const DecodeRow own = ends[item / of_row];
    if (own.next_boundary == nullptr) return;
    const int place = static_cast<int>(item % of_row);
    AdvanceRow<kVector>(sizes, own, place / slices, kSlice * (place % slices), h);
    __syncthreads();  // h is loaded anew
  }
}

template <bool kVector>
void LaunchRows(CudaStream& cuda, const SsmSizes& sizes, const DecodeRow* rows, int64_t count,
                View<const float> c, const float* d, View<float> y) {
  const int per_row = PartsOf(sizes.state);
  const auto bytes = [](int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); };
  float* const products = cuda.Scratch<float>(count * sizes.groups * kChunk);
  TEMPER_LAUNCH(RowProductsKernel<kVector>, cuda, dim3(static_cast<unsigned>(count * sizes.groups)),
                kThreads, bytes(kChunk * (per_row + 1)), sizes, rows, per_row, c, products);
  TEMPER_LAUNCH(RowKernel<kVector>, cuda, dim3(static_cast<unsigned>(count * sizes.heads)),
                kThreads, bytes(kChunk + int64_t{sizes.head_dim} * (kBlocksOfChunk + per_row + 1)),
                sizes, rows, per_row, products, c, d, y);
}

}  // namespace

void DecodeRows(CudaStream& cuda, const SsmSizes& sizes, std::span<const DecodeRow> rows,
                const SsmInputs& inputs, const SsmParameters& parameters, View<float> y) {
  if (rows.empty()) return;
  const auto count = static_cast<int64_t>(rows.size());
  const DecodeRow* const uploaded = cuda.Upload(rows);
  TEMPER_LAUNCH(BeginKernel, cuda, dim3(static_cast<unsigned>(count), kBeginBlocks), kBeginThreads,
                0, sizes, uploaded, inputs.x, inputs.b, inputs.dt, parameters.dt_bias,
                parameters.a_log);
  bool vector = InQuads(sizes, inputs.c.data, inputs.c.stride);
  std::vector<DecodeRow> ends;  // filled up with rows that are at no chunk's end
  for (const DecodeRow& row : rows) {
    vector = vector && InQuads(sizes, row.running, 0) && InQuads(sizes, row.boundary, 0);
    if (row.next_boundary != nullptr) ends.push_back(row);
  }
  ends.resize(rows.size());
  if (sizes.tensor) {
    TensorRows(cuda, sizes, uploaded, count, ends, vector, inputs.c, parameters.d, y);
    return;
  }
  if (vector) {
    LaunchRows<true>(cuda, sizes, uploaded, count, inputs.c, parameters.d, y);
  } else {
    LaunchRows<false>(cuda, sizes, uploaded, count, inputs.c, parameters.d, y);
  }
  const int slices = (sizes.head_dim + kSlice - 1) / kSlice;
  const int64_t floats =
      int64_t{kSlice} * StateStride(sizes.state) + kWideTile + kSliceTile + 2 * kChunk;
  const int64_t items = count * sizes.heads * slices;
  const auto blocks = std::min<int64_t>(items, kBlocksAtOnce * cuda.multiprocessors());
  TEMPER_LAUNCH((vector ? RowAdvanceKernel<true> : RowAdvanceKernel<false>), cuda,
                dim3(static_cast<unsigned>(blocks)), kTileThreads,
                static_cast<size_t>(floats) * sizeof(float), sizes,
                cuda.Upload(std::span<const DecodeRow>(ends)), static_cast<int>(count), slices);
}

}  // namespace temper::kernels::cuda
