// What the rows of a chunk are made from: step sizes, running sums, and the products C_r . B_j that
// the heads of a group share.
#include <algorithm>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/ssm_chunk.h"
#include "kernels/cuda/ssm_tiles.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kStepThreads = 128;
constexpr int kSlices = kChunk / kSlice;  // of a chunk's j
constexpr size_t kProductsShared = (kWideTile + kSlice * kWideStride) * sizeof(float);

// One thread a (piece, head), through the piece's tokens in order.
__global__ void StepsKernel(SsmSizes sizes, const ChunkPiece* pieces, int64_t count,
                            Matrix<const float> raw, const float* bias, const float* a_log,
                            float* dt, float* sum) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * kStepThreads + threadIdx.x;
  if (e >= count * sizes.heads) return;
  const ChunkPiece piece = pieces[e / sizes.heads];
  const int head = static_cast<int>(e % sizes.heads);
  const float rate = DecayRate(a_log[head]), own_bias = bias[head];
  float running = piece.first > 0 && piece.running != nullptr
                      ? piece.running[sizes.sum_at(piece.first - 1) + head]
                      : 0.0f;
#pragma unroll 4
  for (int i = 0; i < piece.end - piece.first; ++i) {
    const int64_t row = piece.row + i;
    const float step = StepSize(sizes, raw.at(row, head) + own_bias);
    running = NextSum(running, step, rate);
    dt[row * sizes.heads + head] = step;
    sum[row * sizes.heads + head] = running;
  }
}

// One block a (piece, group, 32 of the chunk's j).
template <bool kVector>
__global__ void __launch_bounds__(kTileThreads)
    ProductsKernel(SsmSizes sizes, const ChunkPiece* pieces, Matrix<const float> b,
                   Matrix<const float> c, float* products) {
  const ChunkPiece piece = pieces[blockIdx.x / (kSlices * sizes.groups)];
  const int group = static_cast<int>(blockIdx.x / kSlices % sizes.groups);
  const int first_j = kSlice * static_cast<int>(blockIdx.x % kSlices);
  if (first_j >= piece.end) return;
  TEMPER_DYNAMIC_SHARED(float, c_tile);
  float* const b_tile = c_tile + kWideTile;
  const TilePlace place;
  const int64_t column = int64_t{group} * sizes.state;
  float total[4][4] = {};
  for (int n = 0; n < sizes.state; n += kDotBlock) {
    LoadWideTile<kVector>(c_tile, kWideStride, kChunk, n, sizes.state, [&](int r) -> const float* {
      return r < piece.first || r >= piece.end ? nullptr
                                               : c.row(piece.row + r - piece.first) + column;
    });
    LoadWideTile<kVector>(b_tile, kWideStride, kSlice, n, sizes.state, [&](int i) -> const float* {
      const int j = first_j + i;
      if (j >= piece.end) return nullptr;
      if (j >= piece.first) return b.row(piece.row + j - piece.first) + column;
      return piece.running == nullptr ? nullptr : piece.running + sizes.b_at(j) + column;
    });
    __syncthreads();
    AddDots(c_tile, kWideStride, b_tile, kWideStride, QuadsOfBlock(n, sizes.state), total);
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i) {
    const int r = place.row(i);
    if (r < piece.first || r >= piece.end) continue;
    const int64_t row = piece.row + r - piece.first;
    for (int k = 0; k < 4; ++k) {
      const int j = first_j + place.column(k);
      if (j <= r) products[(row * sizes.groups + group) * kChunk + j] = total[i][k];
    }
  }
}

}  // namespace

void CutIntoPieces(const Segment& segment, const float* running, std::vector<ChunkPiece>& pieces) {
  for (int64_t done = 0; done < segment.length;) {
    const int64_t first = (segment.position + done) % kChunk;
    const int64_t count = std::min(segment.length - done, kChunk - first);
    pieces.push_back({.row = segment.begin + done,
                      .first = static_cast<int32_t>(first),
                      .end = static_cast<int32_t>(first + count),
                      .running = running});
    done += count;
  }
}

ChunkSteps PrepareChunks(CudaStream& cuda, const SsmSizes& sizes,
                         std::span<const ChunkPiece> pieces, const SsmInputs& inputs,
                         const SsmParameters& parameters, bool for_walk) {
  const int64_t rows = inputs.x.rows, count = static_cast<int64_t>(pieces.size());
  float* const dt = cuda.Scratch<float>(rows * sizes.heads);
  float* const sum = cuda.Scratch<float>(rows * sizes.heads);
  float* const products = cuda.Scratch<float>(rows * sizes.groups * kChunk);
  const ChunkPiece* const uploaded = cuda.Upload(pieces);
  const int64_t threads = count * sizes.heads;
  TEMPER_LAUNCH(StepsKernel, cuda,
                dim3(static_cast<unsigned>((threads + kStepThreads - 1) / kStepThreads)),
                kStepThreads, 0, sizes, uploaded, count, inputs.dt, parameters.dt_bias,
                parameters.a_log, dt, sum);
  bool vector = InQuads(sizes, inputs.b.data, inputs.b.stride) &&
                InQuads(sizes, inputs.c.data, inputs.c.stride);
  for (const ChunkPiece& piece : pieces) vector = vector && InQuads(sizes, piece.running, 0);
  RoundedTiles tiles;
  if (sizes.tensor) {
    if (for_walk) tiles = PlaceForTiles(cuda, sizes, count);
    TensorProducts(cuda, sizes, uploaded, count, vector, inputs, products, tiles);
  } else {
    TEMPER_LAUNCH((vector ? ProductsKernel<true> : ProductsKernel<false>), cuda,
                  dim3(static_cast<unsigned>(count * sizes.groups * kSlices)), kTileThreads,
                  kProductsShared, sizes, uploaded, inputs.b, inputs.c, products);
  }
  return {uploaded, dt, sum, products, tiles, vector};
}

}  // namespace temper::kernels::cuda
