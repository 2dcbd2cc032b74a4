// Sums over the rows of a call, for gradients of parameters: the same bits for the same call.
//
// Two stages through scratch: blocks of kSumRows rows, counted from row 0, and then a sum over the
// blocks. In either, eight warps take every eighth row each, lanes are columns, and the warps' sums
// are added in order: chains are short, whatever the number of rows.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace temper::kernels::cuda {

inline constexpr int kSumWarps = 8;
inline constexpr int kSumThreads = kSumWarps * kWarp;
inline constexpr int64_t kSumRows = 128;

// The sum of `count` values of this lane's column. add(sum, i): the sum with value i in it. Called
// once by a kernel, by all kSumThreads threads; each gets the sum of its lane.
template <class Add>
__device__ __forceinline__ float SumOverWarps(int64_t count, Add add) {
  __shared__ float of_warp[kSumWarps][kWarp];
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  float sum = 0.0f;
#pragma unroll 4
  for (int64_t i = warp; i < count; i += kSumWarps) sum = add(sum, i);
  of_warp[warp][lane] = sum;
  __syncthreads();
  sum = of_warp[0][lane];
#pragma unroll
  for (int w = 1; w < kSumWarps; ++w) sum += of_warp[w][lane];
  return sum;
}

// sums[block, j] = sum over the block's rows. grid: (row blocks, column blocks)
// add(sum, i, j): the sum with what row i has for column j.
template <class Add>
__global__ void SumRowBlocksKernel(Add add, int64_t rows, int64_t cols, float* sums) {
  const int64_t j = static_cast<int64_t>(blockIdx.y) * kWarp + threadIdx.x % kWarp;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSumRows;
  const bool inside = j < cols;
  const int64_t left = rows - first;
  const float sum = SumOverWarps(left < kSumRows ? left : kSumRows, [&](float so_far, int64_t i) {
    return inside ? add(so_far, first + i, j) : 0.0f;
  });
  if (inside && threadIdx.x < kWarp) sums[blockIdx.x * cols + j] = sum;
}

// keep(j, sum over the blocks of sums[block, j]). grid: column blocks
template <class Keep>
__global__ void SumOverBlocksKernel(const float* sums, int64_t blocks, int64_t cols, Keep keep) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x % kWarp;
  const bool inside = j < cols;
  const float sum = SumOverWarps(blocks, [&](float so_far, int64_t block) {
    return inside ? so_far + sums[block * cols + j] : 0.0f;
  });
  if (inside && threadIdx.x < kWarp) keep(j, sum);
}

struct AddTo {
  float* values;
  __device__ __forceinline__ void operator()(int64_t j, float sum) const { values[j] += sum; }
};

template <class Keep>
void SumOverBlocks(CudaStream& cuda, const float* sums, int64_t blocks, int64_t cols, Keep keep) {
  const dim3 grid(static_cast<unsigned>((cols + kWarp - 1) / kWarp));
  TEMPER_LAUNCH(SumOverBlocksKernel<Keep>, cuda, grid, kSumThreads, 0, sums, blocks, cols, keep);
}

// gradient[j] += sum over all rows; add as above. Reads what `add` reads once; the scratch in
// between is 1/128 of that.
template <class Add>
void AddColumnSums(CudaStream& cuda, Add add, int64_t rows, int64_t cols, float* gradient) {
  if (rows == 0) return;
  const int64_t blocks = (rows + kSumRows - 1) / kSumRows;
  float* const sums = cuda.Scratch<float>(blocks * cols);
  const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>((cols + kWarp - 1) / kWarp));
  TEMPER_LAUNCH(SumRowBlocksKernel<Add>, cuda, grid, kSumThreads, 0, add, rows, cols, sums);
  SumOverBlocks(cuda, sums, blocks, cols, AddTo{gradient});
}

}  // namespace temper::kernels::cuda
