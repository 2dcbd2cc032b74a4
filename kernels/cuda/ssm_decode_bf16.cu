// The recurrence for one token of each of many sequences by tensor cores: to the bit the row that
// ssm_scan_bf16.cu's walk computes (ssm_bf16.h).
//
// What limits it: memory, as in float32 (ssm_scan.cu counts 44 KB a head and step), of which no
// byte is read twice or more than there. A block of the head's 64 columns does 64 mma for 32 KB of
// h: a tenth of the time that these take to come. Its 128 threads ask for all of h at once, 64
// floats each; 4 blocks of up to 128 registers a thread have 128 KB under way, where 30 hide the
// wait.
#include <algorithm>
#include <span>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/ssm_bf16.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kBlocksAtOnce = 3;  // advancing, on a multiprocessor
constexpr int RowAdvanceBytes(int state) {
  return 2 * kChunk * (state + kTileGap) + 4 * (kChunk * kXRow + kChunk);
}

// One block a (row, group); warp w has the sixteen tokens j from 16 w on. products: [rows, G, 64]
template <int kState, bool kPairs>
__global__ void __launch_bounds__(kTileThreads, 4)
    TensorRowProductsKernel(SsmSizes sizes, const DecodeRow* rows, Matrix<const float> c,
                            float* products) {
  const DecodeRow own = rows[blockIdx.x / static_cast<unsigned>(sizes.groups)];
  const int group = static_cast<int>(blockIdx.x % static_cast<unsigned>(sizes.groups));
  const int64_t column = int64_t{group} * sizes.state;
  const LanePlace place;
  const int first_j = 16 * place.warp;
  if (first_j > own.offset) return;
  const float* const vector = c.row(own.row) + column;
  Sixteen<kState> b;
  LoadSixteen<kState, kPairs>(own.running + sizes.b_at(first_j) + column, sizes.b_width(),
                              static_cast<int>(own.offset) + 1 - first_j, sizes.state, b);
  float sum[4] = {};
#pragma unroll
  for (int n = 0; n < kState; n += 16) {
    if (n >= sizes.state) break;
    uint32_t a[4], right[2];
    RoundSixteen(b, n / 8, a);
    RoundVector([&](int at) { return at < sizes.state ? vector[at] : 0.0f; }, n, right);
    MmaBFloat16(sum, a, right);
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int j = first_j + place.g + 8 * h;
    if (place.t == 0 && j <= own.offset) {
      products[static_cast<int64_t>(blockIdx.x) * kChunk + j] = sum[2 * h];
    }
  }
}

// One block a (row, head, slice).
template <int kState, bool kPairs>
__global__ void __launch_bounds__(kTileThreads, 4)
    TensorRowKernel(SsmSizes sizes, const DecodeRow* rows, const float* products,
                    Matrix<const float> c, const float* d, Matrix<float> y) {
  __shared__ float weights[kChunk];
  const int slices = HeadSlices(sizes);
  const int64_t which = blockIdx.x / static_cast<unsigned>(slices * sizes.heads);
  const DecodeRow own = rows[which];
  const int head = static_cast<int>(blockIdx.x / slices % sizes.heads), group = sizes.group(head);
  const LanePlace place;
  const int own_p = kHeadSlice * static_cast<int>(blockIdx.x % slices) + 16 * place.warp;
  const int own_columns = sizes.head_dim - own_p;
  const int r = static_cast<int>(own.offset);
  const float sum_r = own.running[sizes.sum_at(r) + head];

  Sixteen<kState> h;
  const float* const before = HeadState(sizes, own.boundary, head, own_p);
  LoadSixteen<kState, kPairs>(before, sizes.state, before == nullptr ? 0 : own_columns, sizes.state,
                              h);
  if (threadIdx.x < kChunk) {
    const int j = static_cast<int>(threadIdx.x);
    weights[j] =
        j <= r ? RowWeight(products[(which * sizes.groups + group) * kChunk + j], sum_r,
                           own.running[sizes.sum_at(j) + head], own.running[sizes.dt_at(j) + head])
               : 0.0f;
  }
  float row[4] = {};
  if (before != nullptr) {
    const float* const vector = c.row(own.row) + int64_t{group} * sizes.state;
#pragma unroll
    for (int n = 0; n < kState; n += 16) {
      if (n >= sizes.state) break;
      uint32_t upper[4], lower[4], right[2];
      RoundSixteen(h, n / 8, upper);
      RoundRest(h, n / 8, upper, lower);
      RoundVector([&](int at) { return at < sizes.state ? vector[at] : 0.0f; }, n, right);
      MmaBFloat16(row, upper, right);
      MmaBFloat16(row, lower, right);
    }
    const float grown = expf(sum_r);
#pragma unroll
    for (int i = 0; i < 4; ++i) row[i] *= grown;
  }
  __syncthreads();
  const float* const x = own.running + sizes.x_at(0) + int64_t{head} * sizes.head_dim + own_p;
#pragma unroll
  for (int j = 0; j < kChunk; j += 16) {
    if (j > r) break;
    uint32_t a[4], right[2];
    RoundTokens(
        [&](int token, int p) {
          return j + token <= r && p < own_columns ? x[(j + token) * sizes.x_width() + p] : 0.0f;
        },
        a);
    RoundVector([&](int at) { return weights[at]; }, j, right);
    MmaBFloat16(row, a, right);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int p = place.g + 8 * half;
    if (place.t != 0 || p >= own_columns) continue;
    y.row(own.row)[int64_t{head} * sizes.head_dim + own_p + p] =
        FinishTensorRow(row[2 * half], d[head], x[r * sizes.x_width() + p]);
  }
}

// Where a row was its chunk's last, one head's slice of the next boundary state.
template <int kState, bool kVector>
__device__ __forceinline__ void AdvanceTensorRow(const SsmSizes& sizes, const DecodeRow& own,
                                                 int head, int first_p, float* x_tile) {
  const LanePlace place;
  const int own_p = first_p + 16 * place.warp, own_columns = sizes.head_dim - own_p;
  float* const to_end = x_tile + kChunk * kXRow;                          // [64]: EndWeight
  uint16_t* const b_tile = reinterpret_cast<uint16_t*>(to_end + kChunk);  // [64, N]
  const float sum_end = own.running[sizes.sum_at(kChunk - 1) + head];
  FetchTokens<false, 8>(
      sizes, first_p, own.running,
      [&](int j) { return own.running + sizes.x_at(j) + int64_t{head} * sizes.head_dim; }, x_tile);
  if (threadIdx.x < kChunk) {
    const int j = static_cast<int>(threadIdx.x);
    to_end[j] =
        EndWeight(sum_end, own.running[sizes.sum_at(j) + head], own.running[sizes.dt_at(j) + head]);
  }
  LoadRoundedTile<kState, kVector>(b_tile, sizes.state, [&](int j) {
    return own.running + sizes.b_at(j) + int64_t{sizes.group(head)} * sizes.state;
  });
  __syncthreads();
  Sixteen<kState> h;
  const float* const before = HeadState(sizes, own.boundary, head, own_p);
  LoadSixteen<kState, kVector>(before, sizes.state, before == nullptr ? 0 : own_columns,
                               sizes.state, h);
  AdvanceSixteen<kState>(x_tile, to_end, b_tile, sizes.state, expf(sum_end), h);
  StoreSixteen<kState>(h, sizes.state, own_columns, sizes.state,
                       HeadState(sizes, own.next_boundary, head, own_p));
}

// ends: `most` rows, those at their chunk's end first, as ssm_decode.cu has them.
template <int kState, bool kVector>
__global__ void __launch_bounds__(kTileThreads, kBlocksAtOnce)
    TensorRowAdvanceKernel(SsmSizes sizes, const DecodeRow* ends, int most) {
  TEMPER_DYNAMIC_SHARED(float, x_tile);  // [64, kXRow], and what AdvanceTensorRow has after it
  const int slices = HeadSlices(sizes), of_row = sizes.heads * slices;
  for (int64_t item = blockIdx.x; item < int64_t{most} * of_row; item += gridDim.x) {
    const DecodeRow own = ends[item / of_row];
    if (own.next_boundary == nullptr) return;
    const int place = static_cast<int>(item % of_row);
    AdvanceTensorRow<kState, kVector>(sizes, own, place / slices, kHeadSlice * (place % slices),
                                      x_tile);
    __syncthreads();  // the tiles are loaded anew
  }
}

}  // namespace

void TensorRows(CudaStream& cuda, const SsmSizes& sizes, const DecodeRow* rows, int64_t count,
                std::span<const DecodeRow> ends, bool vector, View<const float> c, const float* d,
                View<float> y) {
  float* const products = cuda.Scratch<float>(count * sizes.groups * kChunk);
  const int64_t of_row = int64_t{sizes.heads} * HeadSlices(sizes);
  const auto grid = [](int64_t blocks) { return dim3(static_cast<unsigned>(blocks)); };
  ForState(sizes, [&]<int kState>() {
    TEMPER_LAUNCH(
        (vector ? TensorRowProductsKernel<kState, true> : TensorRowProductsKernel<kState, false>),
        cuda, grid(count * sizes.groups), kTileThreads, 0, sizes, rows, c, products);
    TEMPER_LAUNCH((vector ? TensorRowKernel<kState, true> : TensorRowKernel<kState, false>), cuda,
                  grid(count * of_row), kTileThreads, 0, sizes, rows, products, c, d, y);
    const auto blocks = std::min<int64_t>(count * of_row, kBlocksAtOnce * cuda.multiprocessors());
    TEMPER_LAUNCH(
        (vector ? TensorRowAdvanceKernel<kState, true> : TensorRowAdvanceKernel<kState, false>),
        cuda, grid(blocks), kTileThreads, RowAdvanceBytes(kState), sizes, cuda.Upload(ends),
        static_cast<int>(count));
  });
}

}  // namespace temper::kernels::cuda
