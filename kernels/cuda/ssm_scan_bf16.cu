// The recurrence forward in chunk form by tensor cores (ssm_bf16.h): the products C_r . B_j, and
// the walk of a segment chunk after chunk. Single tokens go to ssm_decode_bf16.cu.
//
// What limits it, for one token of one head at P = 64, N = 128, 16 heads a group: the second-level
// cache. Bytes: x and y 512, products 130, B and C 512 (a chunk's tiles come once to each head's
// block; the products' kernel rounds them once for all), dt and s 8: 1.2 KB, 0.2 ns at about 5.5
// TB/s; of them from memory 0.6 KB. Multiply-adds by mma: h C^T 16 K (the state's two parts), the
// sum over the chunk 2.5 K, the advance 8 K, C B^T 0.3 K: 27 K, 0.1 ns at half of an H200's 990
// Tflop/s; the float32 kernel's 19 K take 0.6 ns. Shared memory: a chunk's warps read 64 KB of C,
// 64 of B, 32 of x and 20 of weights, 1,440 clocks for 848 mma of 1 to 2. 61 KiB and 128 threads of
// up to 168 registers: 3 blocks a multiprocessor, of which one multiplies while others fetch. A
// lone sequence has only H * P / 64 blocks; each is then alone on its multiprocessor and waits for
// memory once a chunk, all of a chunk under way together.
#include <span>

#include "kernels/cuda/fours.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ssm_bf16.h"

namespace temper::kernels::cuda {

namespace {

// The tile, without its gaps, to global memory.
template <int kState>
__device__ __forceinline__ void StoreRoundedTile(const uint16_t* tile, uint16_t* to) {
  constexpr int kVectors = kState / 8;
  for (int e = static_cast<int>(threadIdx.x); e < kChunk * kVectors; e += kTileThreads) {
    *reinterpret_cast<uint4*>(to + 8 * e) = *reinterpret_cast<const uint4*>(
        tile + e / kVectors * (kState + kTileGap) + e % kVectors * 8);
  }
}

// One block a (piece, group); warp w has the sixteen tokens j from 16 w on. The rounded tiles of B
// and C go to global memory too, where there is a place for them.
template <int kState, bool kVector>
__global__ void __launch_bounds__(kTileThreads)
    TensorProductsKernel(SsmSizes sizes, const ChunkPiece* pieces, Matrix<const float> b,
                         Matrix<const float> c, float* products, RoundedTiles tiles) {
  constexpr int kRow = kState + kTileGap;
  TEMPER_DYNAMIC_SHARED(uint16_t, b_tile);          // [64, kRow]
  uint16_t* const c_tile = b_tile + kChunk * kRow;  // [64, kRow]
  const ChunkPiece piece = pieces[blockIdx.x / static_cast<unsigned>(sizes.groups)];
  const int group = static_cast<int>(blockIdx.x % static_cast<unsigned>(sizes.groups));
  const int64_t column = int64_t{group} * sizes.state;
  const LanePlace place;
  const int first_j = 16 * place.warp;
  LoadRoundedTile<kState, kVector>(b_tile, sizes.state, [&](int j) -> const float* {
    if (j >= piece.end) return nullptr;
    if (j >= piece.first) return b.row(piece.row + j - piece.first) + column;
    return piece.running == nullptr ? nullptr : piece.running + sizes.b_at(j) + column;
  });
  LoadRoundedTile<kState, kVector>(c_tile, sizes.state, [&](int r) -> const float* {
    return r < piece.first || r >= piece.end ? nullptr
                                             : c.row(piece.row + r - piece.first) + column;
  });
  __syncthreads();
  if (tiles.b != nullptr) {
    const int64_t at = static_cast<int64_t>(blockIdx.x) * kChunk * kState;
    StoreRoundedTile<kState>(b_tile, tiles.b + at);
    StoreRoundedTile<kState>(c_tile, tiles.c + at);
  }
  const auto has = [&](int r) {  // whether the warp computes any of rows r .. r + 15
    return r >= first_j && r < piece.end && r + 16 > piece.first;
  };
  float sums[kChunk / 8][4] = {};  // [j, r]
#pragma unroll
  for (int n = 0; n < kState; n += 16) {
    if (n >= sizes.state) break;
    uint32_t a[4];
    LoadA(b_tile + first_j * kRow + n, kRow, a);
#pragma unroll
    for (int r = 0; r < kChunk; r += 16) {
      if (!has(r)) continue;  // the same for the whole warp
      uint32_t right[2][2];
      LoadTwoB(c_tile + r * kRow + n, kRow, right);
      MmaBFloat16(sums[r / 8], a, right[0]);
      MmaBFloat16(sums[r / 8 + 1], a, right[1]);
    }
  }
#pragma unroll
  for (int n = 0; n < kChunk / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int j = first_j + place.g + i / 2 * 8, r = 8 * n + 2 * place.t + i % 2;
      if (r < piece.first || r >= piece.end || j > r) continue;
      const int64_t row = piece.row + r - piece.first;
      products[(row * sizes.groups + group) * kChunk + j] = sums[n][i];
    }
  }
}

// weights[r][j] of the piece's rows, rounded; zero elsewhere. A thread has two tokens j of every
// fourth row; Load asks for their products, Store makes weights of them.
struct RowWeights {
  static constexpr int kPairs = kChunk / 2, kStep = kTileThreads / kPairs;
  float2 products[kChunk / kStep];
  int j, first_row;

  // products: row r at r * stride
  __device__ __forceinline__ void Load(const ChunkPiece& piece, const float* from, int64_t stride) {
    j = static_cast<int>(threadIdx.x) % kPairs * 2;
    first_row = static_cast<int>(threadIdx.x) / kPairs;
#pragma unroll
    for (int k = 0; k < kChunk / kStep; ++k) {
      const int r = first_row + k * kStep;
      products[k] = make_float2(0.0f, 0.0f);
      if (r < piece.first || r >= piece.end || j > r) continue;
      products[k].x = from[r * stride + j];
      if (j < r) products[k].y = from[r * stride + j + 1];
    }
  }
  __device__ __forceinline__ void Store(const ChunkPiece& piece, const float* dt, const float* sum,
                                        uint16_t* weights) const {
#pragma unroll
    for (int k = 0; k < kChunk / kStep; ++k) {
      const int r = first_row + k * kStep;
      const bool own = r >= piece.first && r < piece.end;
      const float low = own && j <= r ? RowWeight(products[k].x, sum[r], sum[j], dt[j]) : 0.0f;
      const float high =
          own && j < r ? RowWeight(products[k].y, sum[r], sum[j + 1], dt[j + 1]) : 0.0f;
      *reinterpret_cast<uint32_t*>(weights + r * kWeightRow + j) = RoundPair(low, high);
    }
  }
};

constexpr int TensorWalkBytes(int state) {
  return 2 * (2 * kChunk * (state + kTileGap) + kChunk * kWeightRow) +
         4 * (kChunk * kXRow + 4 * kChunk);
}

// One block a (segment, head, slice of the head's columns); the slice's state stays in registers.
template <int kState, bool kVector>
__global__ void __launch_bounds__(kTileThreads, 3)
    TensorWalkKernel(SsmSizes sizes, const Walk* walks, ChunkSteps steps, Matrix<const float> x,
                     const float* d, Matrix<float> y) {
  constexpr int kRow = kState + kTileGap;
  const int slices = HeadSlices(sizes);
  const Walk walk = walks[blockIdx.x / static_cast<unsigned>(slices * sizes.heads)];
  const int head = static_cast<int>(blockIdx.x / slices % sizes.heads);
  const int first_p = kHeadSlice * static_cast<int>(blockIdx.x % slices);
  const int group = sizes.group(head);
  const int64_t head_column = int64_t{head} * sizes.head_dim;
  const LanePlace place;
  const int own_p = first_p + 16 * place.warp, own_columns = sizes.head_dim - own_p;

  TEMPER_DYNAMIC_SHARED(float, x_tile);                                   // [64, kXRow]
  float* const dt = x_tile + kChunk * kXRow;                              // [64]
  float* const sum = dt + kChunk;                                         // [64]
  float* const grown = sum + kChunk;                                      // [64]: exp(s)
  float* const to_end = grown + kChunk;                                   // [64]: EndWeight
  uint16_t* const b_tile = reinterpret_cast<uint16_t*>(to_end + kChunk);  // [64, kRow]
  uint16_t* const c_tile = b_tile + kChunk * kRow;                        // [64, kRow]
  uint16_t* const weights = c_tile + kChunk * kRow;                       // [64, kWeightRow]

  const float* const before = HeadState(sizes, walk.boundary, head, own_p);
  bool fresh = before == nullptr, advanced = false;
  Sixteen<kState> h;
  LoadSixteen<kState, kVector>(before, sizes.state, fresh ? 0 : own_columns, sizes.state, h);

  for (int which = 0; which < walk.pieces; ++which) {
    const ChunkPiece piece = steps.pieces[walk.first_piece + which];
    const bool ends = piece.end == kChunk;
    const auto row_of = [&](int j) { return piece.row + j - piece.first; };
    __syncthreads();  // the last chunk's tiles have been used
    if (threadIdx.x < kChunk) {
      const int j = static_cast<int>(threadIdx.x);
      const bool of_call = j >= piece.first && j < piece.end;
      const bool kept = j < piece.first && piece.running != nullptr;
      const int64_t at = row_of(j) * sizes.heads + head;
      dt[j] = of_call ? steps.dt[at] : kept ? piece.running[sizes.dt_at(j) + head] : 0.0f;
      sum[j] = of_call ? steps.sum[at] : kept ? piece.running[sizes.sum_at(j) + head] : 0.0f;
    }
    FetchTokens<kVector, 1>(
        sizes, first_p, x.data,
        [&](int j) -> const float* {
          if (j >= piece.end) return nullptr;
          if (j >= piece.first) return x.row(row_of(j)) + head_column;
          return piece.running == nullptr ? nullptr : piece.running + sizes.x_at(j) + head_column;
        },
        x_tile);
    const int64_t tile = ((walk.first_piece + which) * sizes.groups + group) * kChunk * kState;
    if (!fresh) FetchRoundedTile<kState>(steps.tiles.c + tile, c_tile);
    if (ends) FetchRoundedTile<kState>(steps.tiles.b + tile, b_tile);
    CommitFetches();
    RowWeights row_weights;
    row_weights.Load(piece, steps.products + (row_of(0) * sizes.groups + group) * kChunk,
                     int64_t{sizes.groups} * kChunk);
    __syncthreads();
    if (threadIdx.x < kChunk) {
      const int j = static_cast<int>(threadIdx.x);
      grown[j] = expf(sum[j]);
      to_end[j] = EndWeight(sum[kChunk - 1], sum[j], dt[j]);
    }
    row_weights.Store(piece, dt, sum, weights);
    WaitForFetches<0>();
    __syncthreads();

    const auto has = [&](int r) { return r < piece.end && r + 16 > piece.first; };
    float rows[kChunk / 8][4] = {};  // [p, r]
    if (!fresh) {
#pragma unroll
      for (int n = 0; n < kState; n += 16) {
        if (n >= sizes.state) break;
        uint32_t upper[4], lower[4];
        RoundSixteen(h, n / 8, upper);
        RoundRest(h, n / 8, upper, lower);
#pragma unroll
        for (int r = 0; r < kChunk; r += 16) {
          if (!has(r)) continue;  // the same for the whole block
          uint32_t right[2][2];
          LoadTwoB(c_tile + r * kRow + n, kRow, right);
          MmaBFloat16(rows[r / 8], upper, right[0]);
          MmaBFloat16(rows[r / 8 + 1], upper, right[1]);
          MmaBFloat16(rows[r / 8], lower, right[0]);
          MmaBFloat16(rows[r / 8 + 1], lower, right[1]);
        }
      }
#pragma unroll
      for (int n = 0; n < kChunk / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) rows[n][i] *= grown[8 * n + 2 * place.t + i % 2];
      }
    }
#pragma unroll 1
    for (int j = 0; j < piece.end; j += 16) {
      uint32_t a[4];
      RoundTokens(
          [&](int token, int row) { return x_tile[(j + token) * kXRow + 16 * place.warp + row]; },
          a);
#pragma unroll
      for (int r = 0; r < kChunk; r += 16) {
        if (r < j || !has(r)) continue;
        uint32_t right[2][2];
        LoadTwoB(weights + r * kWeightRow + j, kWeightRow, right);
        MmaBFloat16(rows[r / 8], a, right[0]);
        MmaBFloat16(rows[r / 8 + 1], a, right[1]);
      }
    }
    const float own_d = d[head];
    const float* own_x = x_tile + 2 * place.t * kXRow + 16 * place.warp + place.g;
    int64_t at = row_of(2 * place.t) * y.stride + head_column + own_p + place.g;
#pragma unroll
    for (int n = 0; n < kChunk / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int p = i / 2 * 8, r = 8 * n + 2 * place.t + i % 2;
        if (r < piece.first || r >= piece.end || place.g + p >= own_columns) continue;
        y.data[at + i % 2 * y.stride + p] =
            FinishTensorRow(rows[n][i], own_d, own_x[i % 2 * kXRow + p]);
      }
      own_x += 8 * kXRow;
      at += 8 * y.stride;
    }
    if (ends) {  // else it was the last
      AdvanceSixteen<kState>(x_tile, to_end, b_tile, sizes.state, grown[kChunk - 1], h);
      fresh = false;
      advanced = true;
    }
  }
  float* const after = HeadState(sizes, walk.next_boundary, head, own_p);
  if (advanced && after != nullptr) {
    StoreSixteen<kState>(h, sizes.state, own_columns, sizes.state, after);
  }
}

}  // namespace

RoundedTiles PlaceForTiles(CudaStream& cuda, const SsmSizes& sizes, int64_t pieces) {
  RoundedTiles tiles;
  ForState(sizes, [&]<int kState>() {
    const int64_t count = pieces * sizes.groups * kChunk * kState;
    tiles = {.b = cuda.Scratch<uint16_t>(count), .c = cuda.Scratch<uint16_t>(count)};
  });
  return tiles;
}

void TensorProducts(CudaStream& cuda, const SsmSizes& sizes, const ChunkPiece* pieces,
                    int64_t count, bool vector, const SsmInputs& inputs, float* products,
                    const RoundedTiles& tiles) {
  ForState(sizes, [&]<int kState>() {
    TEMPER_LAUNCH(
        (vector ? TensorProductsKernel<kState, true> : TensorProductsKernel<kState, false>), cuda,
        dim3(static_cast<unsigned>(count * sizes.groups)), kTileThreads,
        2 * 2 * kChunk * (kState + kTileGap), sizes, pieces, inputs.b, inputs.c, products, tiles);
  });
}

void TensorWalks(CudaStream& cuda, const SsmSizes& sizes, std::span<const Walk> walks,
                 const ChunkSteps& steps, View<const float> x, const float* d, View<float> y) {
  const int64_t blocks = static_cast<int64_t>(walks.size()) * sizes.heads * HeadSlices(sizes);
  const bool vector = steps.vector && InFours(x) && sizes.head_dim % 4 == 0;
  ForState(sizes, [&]<int kState>() {
    TEMPER_LAUNCH((vector ? TensorWalkKernel<kState, true> : TensorWalkKernel<kState, false>), cuda,
                  dim3(static_cast<unsigned>(blocks)), kTileThreads, TensorWalkBytes(kState), sizes,
                  cuda.Upload(walks), steps, x, d, y);
  });
}

}  // namespace temper::kernels::cuda
