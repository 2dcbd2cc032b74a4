// States at the chunks' starts and the gradients of states at their ends: what makes the chunks of
// the recurrence's backward independent of each other.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ssm_chunk_backward.h"
#include "kernels/cuda/ssm_square.h"

namespace temper::kernels::cuda {

namespace {

// One block a (segment, head, 64 x 64 tile of the state): the state forward, or its gradient
// backward, which stay in registers.
template <bool kTensor, bool kBackward>
__global__ void __launch_bounds__(kSquareThreads, kTensor ? 2 : 3)
    BordersKernel(BackwardInputs in, HeadWindow window, const BackwardSegment* segments,
                  int p_tiles, int n_tiles) {
  __align__(16) __shared__ typename Square<kTensor>::Element left[Square<kTensor>::kTile],
      right[Square<kTensor>::kTile];
  __shared__ float weights[kChunk];
  const SsmSizes& sizes = in.sizes;
  unsigned index = blockIdx.x;
  const int first_n = kChunk * static_cast<int>(index % n_tiles);
  index /= n_tiles;
  const int first_p = kChunk * static_cast<int>(index % p_tiles);
  index /= p_tiles;
  const int slot = static_cast<int>(index % window.count), head = window.first + slot;
  const BackwardSegment segment = segments[index / window.count];
  const int64_t left_column = int64_t{head} * sizes.head_dim + first_p;
  const int64_t right_column = int64_t{sizes.group(head)} * sizes.state + first_n;
  const int columns_left = sizes.head_dim - first_p, columns_right = sizes.state - first_n;
  const Matrix<const float>& from_left = kBackward ? in.dy : in.x;
  const Matrix<const float>& from_right = kBackward ? in.c : in.b;
  float* const borders = kBackward ? window.adjoints : window.states;
  const Square<kTensor> place;

  float state[4][4] = {};
  for (int64_t step = 0; step + 1 < segment.chunks; ++step) {
    const int64_t which = segment.first_chunk + (kBackward ? segment.chunks - 1 - step : step);
    const BackwardChunk chunk = in.chunks[which];
    const auto sum_at = [&](int j) { return in.sum[(chunk.row + j) * sizes.heads + head]; };
    const float sum_end = sum_at(chunk.count - 1);
    if (threadIdx.x < kChunk) {
      const int j = static_cast<int>(threadIdx.x);
      float weight = 0;
      if (j < chunk.count) {
        weight = kBackward
                     ? expf(sum_at(j))
                     : EndWeight(sum_end, sum_at(j), in.dt[(chunk.row + j) * sizes.heads + head]);
      }
      weights[j] = weight;
    }
    __syncthreads();
    FillAlongColumns<kTensor>(left, chunk.count, [&](int j, int p) {
      return p < columns_left ? weights[j] * from_left.at(chunk.row + j, left_column + p) : 0.0f;
    });
    FillAlongColumns<kTensor>(right, chunk.count, [&](int j, int n) {
      return n < columns_right ? from_right.at(chunk.row + j, right_column + n) : 0.0f;
    });
    __syncthreads();
    const float decay = expf(sum_end);
    for (int i = 0; i < 4; ++i) {
      for (int m = 0; m < 4; ++m) state[i][m] *= decay;
    }
    AddSquares(left, right, chunk.count, state);
    float* const to =
        borders + ((which + (kBackward ? -1 : 1)) * window.count + slot) * sizes.head_floats();
    for (int i = 0; i < 4; ++i) {
      for (int m = 0; m < 4; ++m) {
        const int p = first_p + place.row(i), n = first_n + place.column(m);
        if (p < sizes.head_dim && n < sizes.state) to[int64_t{p} * sizes.state + n] = state[i][m];
      }
    }
  }
}

}  // namespace

void WalkBorders(CudaStream& cuda, const BackwardInputs& in, const HeadWindow& window,
                 const BackwardSegment* segments, int64_t count) {
  const auto tiles = [](int width) { return (width + kChunk - 1) / kChunk; };
  const int p_tiles = tiles(in.sizes.head_dim), n_tiles = tiles(in.sizes.state);
  const dim3 blocks(static_cast<unsigned>(count * window.count * p_tiles * n_tiles));
  const bool tensor = in.sizes.tensor;
  TEMPER_LAUNCH((tensor ? BordersKernel<true, false> : BordersKernel<false, false>), cuda, blocks,
                kSquareThreads, 0, in, window, segments, p_tiles, n_tiles);
  TEMPER_LAUNCH((tensor ? BordersKernel<true, true> : BordersKernel<false, true>), cuda, blocks,
                kSquareThreads, 0, in, window, segments, p_tiles, n_tiles);
}

}  // namespace temper::kernels::cuda
