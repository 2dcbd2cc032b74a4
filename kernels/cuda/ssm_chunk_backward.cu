// The recurrence's backward within one chunk of one head, as products of 64 x 64 tiles.
//
// With s_i the running sum of dt A, every decay is exp(s_i - s_j) <= 1, so nothing overflows; dlam,
// the gradient of dt A, is a sum of like terms, never a difference of prefix sums.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ssm_chunk_backward.h"
#include "kernels/cuda/ssm_square.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kTokenArrays = 9;
constexpr int kRoom = Square<false>::kTile;  // floats
template <bool kTensor>
constexpr size_t ChunkShared() {
  return (kRoom + kTokenArrays * kChunk + kSquareThreads / kWarp) * sizeof(float) +
         3 * Square<kTensor>::kTile * sizeof(typename Square<kTensor>::Element);
}

// out[row] += the sum over the row's sixteen threads of `mine`, in order. Begins with a barrier;
// `room` is free, and in use until the next one.
template <bool kTensor>
__device__ __forceinline__ void AddRowSums(const float (&mine)[4], float* room, float* out) {
  constexpr int kStride = 17;
  const Square<kTensor> place;
  __syncthreads();
  for (int i = 0; i < 4; ++i) room[place.row(i) * kStride + place.tx] = mine[i];
  __syncthreads();
  if (threadIdx.x < kChunk) {
    float sum = 0;
    for (int t = 0; t < 16; ++t) sum += room[threadIdx.x * kStride + t];
    out[threadIdx.x] += sum;
  }
}

// One block a (chunk, head). i and j are tokens of the chunk, j the earlier.
template <bool kTensor>
__global__ void __launch_bounds__(kSquareThreads, 2)
    ChunkBackwardKernel(BackwardInputs in, HeadWindow window, ChunkOutputs out) {
  const SsmSizes& sizes = in.sizes;
  const int64_t which = blockIdx.x / window.count;
  const int slot = static_cast<int>(blockIdx.x % window.count), head = window.first + slot;
  const int P = sizes.head_dim, N = sizes.state, group = sizes.group(head);
  const BackwardChunk chunk = in.chunks[which];
  const int count = chunk.count;
  const float* const state = window.states + (which * window.count + slot) * sizes.head_floats();
  const float* const adjoint =
      window.adjoints + (which * window.count + slot) * sizes.head_floats();
  using Element = typename Square<kTensor>::Element;
  constexpr int kStride = Square<kTensor>::kStride, kTile = Square<kTensor>::kTile;
  constexpr int kRoomStride = Square<false>::kStride;
  const Square<kTensor> place;

  TEMPER_DYNAMIC_SHARED(float, room);                           // for sums, and
  Element* const a = reinterpret_cast<Element*>(room);          // a product's left side
  Element* const b = reinterpret_cast<Element*>(room + kRoom);  // its right side
  Element* const decayed = b + kTile;         // [i, j]: C_i . B_j exp(s_i - s_j); 0 for j > i
  Element* const dproduct = decayed + kTile;  // [i, j]: the gradient of C_i . B_j
  // From here on [64], zero past the last token.
  float* const dt = reinterpret_cast<float*>(dproduct + kTile);
  float* const sum = dt + kChunk;                 // s
  float* const to_end = sum + kChunk;             // exp(s_last - s_j)
  float* const x_du = to_end + kChunk;            // x_j . gradient of dt_j x_j
  float* const end_slope = x_du + kChunk;         // gradient of exp(s_last - s_j), times itself
  float* const start_slope = end_slope + kChunk;  // gradient of exp(s_i), times itself
  float* const dlam = start_slope + kChunk;       // gradient of dt A
  float* const dy_x = dlam + kChunk;              // dy_j . x_j
  float* const raw_slope = dy_x + kChunk;         // gradient of dt before bias and softplus
  float* const warps = raw_slope + kChunk;

  const int64_t x_column = int64_t{head} * P, b_column = int64_t{group} * N;
  const auto x_at = [&](int j, int p) {
    return j < count && p < P ? in.x.at(chunk.row + j, x_column + p) : 0.0f;
  };
  const auto dy_at = [&](int i, int p) {
    return i < count && p < P ? in.dy.at(chunk.row + i, x_column + p) : 0.0f;
  };
  const auto b_at = [&](int j, int n) {
    return j < count && n < N ? in.b.at(chunk.row + j, b_column + n) : 0.0f;
  };
  const auto c_at = [&](int i, int n) {
    return i < count && n < N ? in.c.at(chunk.row + i, b_column + n) : 0.0f;
  };
  const auto of_state = [&](const float* from, int p, int n) {
    return p < P && n < N ? from[int64_t{p} * N + n] : 0.0f;
  };
  const auto depth_from = [](int first, int end) {
    return end - first < kChunk ? end - first : kChunk;
  };

  if (threadIdx.x < kChunk) {
    const int j = static_cast<int>(threadIdx.x);
    const int64_t at = (chunk.row + j) * sizes.heads + head;
    dt[j] = j < count ? in.dt[at] : 0.0f;
    sum[j] = j < count ? in.sum[at] : 0.0f;
    const float sum_end = in.sum[(chunk.row + count - 1) * sizes.heads + head];
    to_end[j] = j < count ? expf(sum_end - sum[j]) : 0.0f;
    x_du[j] = end_slope[j] = start_slope[j] = dy_x[j] = 0;
  }

  {  // dy_i . x_j, and with it the token-by-token matrices
    float dyx[4][4] = {};
    for (int p = 0; p < P; p += kChunk) {
      const int depth = depth_from(p, P);
      __syncthreads();
      FillAlongDepth<kTensor>(a, depth, [&](int k, int i) { return dy_at(i, p + k); });
      FillAlongDepth<kTensor>(b, depth, [&](int k, int j) { return x_at(j, p + k); });
      __syncthreads();
      AddSquares(a, b, depth, dyx);
    }
    __syncthreads();
    for (int row = 0; row < 4; ++row) {
      for (int m = 0; m < 4; ++m) {
        const int i = place.row(row), j = place.column(m);
        float product = 0, decay = 0;
        if (j <= i && i < count) {
          product = in.products[((chunk.row + i) * sizes.groups + group) * kChunk + j];
          decay = expf(sum[i] - sum[j]);
        }
        const float slope = decay * dt[j] * dyx[row][m];
        decayed[i * kStride + j] = Square<kTensor>::Of(product * decay);
        dproduct[i * kStride + j] = Square<kTensor>::Of(slope);
        room[i * kRoomStride + j] = product * slope;  // the gradient of s_i - s_j
        if (i == j) dy_x[i] = dyx[row][m];
      }
    }
    __syncthreads();
    // s_i - s_j has dt A of the tokens k with j < k <= i.
    if (threadIdx.x < kChunk) {
      float* const row = room + threadIdx.x * kRoomStride;
      float before = 0;
      for (int k = 0; k <= static_cast<int>(threadIdx.x); ++k) {
        const float own = row[k];
        row[k] = before;
        before += own;
      }
    }
    __syncthreads();
    if (threadIdx.x < kChunk) {
      float total = 0;
      for (int i = static_cast<int>(threadIdx.x); i < kChunk; ++i) {
        total += room[i * kRoomStride + threadIdx.x];
      }
      dlam[threadIdx.x] = total;
    }
  }

  for (int p = 0; p < P; p += kChunk) {  // du and dx; rows are j
    float du[4][4] = {};
    if (chunk.last == 0) {
      for (int n = 0; n < N; n += kChunk) {
        const int depth = depth_from(n, N);
        __syncthreads();
        FillAlongDepth<kTensor>(a, depth, [&](int k, int j) { return b_at(j, n + k); });
        FillAlongDepth<kTensor>(b, depth,
                                [&](int k, int q) { return of_state(adjoint, p + q, n + k); });
        __syncthreads();
        AddSquares(a, b, depth, du);
      }
      float slope[4] = {};
      for (int i = 0; i < 4; ++i) {
        const int j = place.row(i);
        for (int m = 0; m < 4; ++m) {
          du[i][m] *= to_end[j];
          slope[i] = fmaf(dt[j] * du[i][m], x_at(j, p + place.column(m)), slope[i]);
        }
      }
      AddRowSums<kTensor>(slope, room, end_slope);
    }
    __syncthreads();
    FillAlongColumns<kTensor>(b, count, [&](int i, int q) { return dy_at(i, p + q); });
    __syncthreads();
    AddSquares(decayed, b, count, du);
    float own[4] = {};
    for (int i = 0; i < 4; ++i) {
      const int j = place.row(i);
      for (int m = 0; m < 4; ++m) {
        const int q = p + place.column(m);
        own[i] = fmaf(du[i][m], x_at(j, q), own[i]);
        if (j < count && q < P) {
          out.dx.at(chunk.row + j, x_column + q) =
              fmaf(out.parameters.d[head], dy_at(j, q), dt[j] * du[i][m]);
        }
      }
    }
    AddRowSums<kTensor>(own, room, x_du);
  }

  const auto store_share = [&](float* share, int n, const float(&values)[4][4]) {
    for (int i = 0; i < 4; ++i) {
      for (int m = 0; m < 4; ++m) {
        const int j = place.row(i), q = n + place.column(m);
        if (j < count && q < N) {
          share[(int64_t{slot} * in.x.rows + chunk.row + j) * N + q] = values[i][m];
        }
      }
    }
  };
  for (int n = 0; n < N; n += kChunk) {  // dC; rows are i
    float dc[4][4] = {};
    if (chunk.first == 0) {
      for (int p = 0; p < P; p += kChunk) {
        const int depth = depth_from(p, P);
        __syncthreads();
        FillAlongDepth<kTensor>(a, depth, [&](int k, int i) { return dy_at(i, p + k); });
        FillAlongColumns<kTensor>(b, depth,
                                  [&](int k, int q) { return of_state(state, p + k, n + q); });
        __syncthreads();
        AddSquares(a, b, depth, dc);
      }
      float slope[4] = {};
      for (int i = 0; i < 4; ++i) {
        const float decay = expf(sum[place.row(i)]);
        for (int m = 0; m < 4; ++m) {
          dc[i][m] *= decay;
          slope[i] = fmaf(dc[i][m], c_at(place.row(i), n + place.column(m)), slope[i]);
        }
      }
      AddRowSums<kTensor>(slope, room, start_slope);
    }
    __syncthreads();
    for (int e = static_cast<int>(threadIdx.x); e < kChunk * kChunk; e += kSquareThreads) {
      const int i = e / kChunk, j = e % kChunk;
      a[j * kStride + i] = dproduct[i * kStride + j];
    }
    FillAlongColumns<kTensor>(b, count, [&](int j, int q) { return b_at(j, n + q); });
    __syncthreads();
    AddSquares(a, b, count, dc);
    store_share(window.dc, n, dc);
  }
  for (int n = 0; n < N; n += kChunk) {  // dB; rows are j
    float db[4][4] = {};
    if (chunk.last == 0) {
      for (int p = 0; p < P; p += kChunk) {
        const int depth = depth_from(p, P);
        __syncthreads();
        FillAlongDepth<kTensor>(a, depth, [&](int k, int j) { return x_at(j, p + k); });
        FillAlongColumns<kTensor>(b, depth,
                                  [&](int k, int q) { return of_state(adjoint, p + k, n + q); });
        __syncthreads();
        AddSquares(a, b, depth, db);
      }
      for (int i = 0; i < 4; ++i) {
        const float weight = to_end[place.row(i)] * dt[place.row(i)];
        for (int m = 0; m < 4; ++m) db[i][m] *= weight;
      }
    }
    __syncthreads();
    FillAlongColumns<kTensor>(b, count, [&](int i, int q) { return c_at(i, n + q); });
    __syncthreads();
    AddSquares(dproduct, b, count, db);
    store_share(window.db, n, db);
  }

  float whole = 0;  // gradient of exp(s_last) that decays the state through the chunk, times itself
  if (chunk.first == 0 && chunk.last == 0) {
    for (int64_t e = threadIdx.x; e < sizes.head_floats(); e += kSquareThreads) {
      whole = fmaf(state[e], adjoint[e], whole);
    }
    whole = expf(sum[count - 1]) * BlockSum(whole, warps, kSquareThreads);
  }
  __syncthreads();
  if (static_cast<int>(threadIdx.x) < count) {
    // s_k takes part in exp(s_i) for i >= k, in exp(s_last - s_j) for j < k, and in exp(s_last).
    const int k = static_cast<int>(threadIdx.x);
    float late = 0, early = 0;
    for (int i = kChunk - 1; i >= k; --i) late += start_slope[i];
    for (int j = 0; j < k; ++j) early += end_slope[j];
    dlam[k] += late + early + whole;
    const float biased = out.raw.at(chunk.row + k, head) + out.parameters.dt_bias[head];
    const float open = biased > 20.0f ? biased : log1pf(expf(biased));
    const bool clamped = open < sizes.dt_min || open > sizes.dt_max;
    const float rate = DecayRate(out.parameters.a_log[head]);
    raw_slope[k] = clamped ? 0.0f : fmaf(rate, dlam[k], x_du[k]) * Sigmoid(biased);
    out.ddt.at(chunk.row + k, head) = raw_slope[k];
  }
  __syncthreads();
  if (threadIdx.x < 3) {
    const double rate = DecayRate(out.parameters.a_log[head]);
    double total = 0;
    for (int k = 0; k < count; ++k) {
      total += threadIdx.x == 0   ? rate * dt[k] * dlam[k]
               : threadIdx.x == 1 ? static_cast<double>(dy_x[k])
                                  : static_cast<double>(raw_slope[k]);
    }
    out.sums[(which * sizes.heads + head) * 3 + threadIdx.x] = total;
  }
}

}  // namespace

void ChunksBackward(CudaStream& cuda, const BackwardInputs& in, const HeadWindow& window,
                    int64_t chunks, const ChunkOutputs& out) {
  const dim3 blocks(static_cast<unsigned>(chunks * window.count));
  const bool tensor = in.sizes.tensor;
  TEMPER_LAUNCH((tensor ? ChunkBackwardKernel<true> : ChunkBackwardKernel<false>), cuda, blocks,
                kSquareThreads, tensor ? ChunkShared<true>() : ChunkShared<false>(), in, window,
                out);
}

}  // namespace temper::kernels::cuda
