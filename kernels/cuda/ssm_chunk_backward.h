// The two parts of the recurrence's backward, for a window of heads: states and their gradients at
// the chunks' borders, then every chunk on its own.
#pragma once

#include <cstdint>

#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ssm_chunk.h"

namespace temper::kernels::cuda {

// A chunk of a segment; all of them but the last have 64 tokens.
struct BackwardChunk {
  int64_t row = 0;
  int32_t count = 0;
  int32_t first = 0, last = 0;  // 1: of its segment
};
struct BackwardSegment {
  int64_t first_chunk = 0;
  int64_t chunks = 0;
};

// Heads [first, first + count), and what is kept for them.
struct HeadWindow {
  int first = 0, count = 0;
  float* states = nullptr;    // [chunks, count, P, N]: at the chunk's start; the first's unwritten
  float* adjoints = nullptr;  // [chunks, count, P, N]: gradients at its end; the last's unwritten
  float *db = nullptr, *dc = nullptr;  // [count, tokens, N]: each head's share
};

// What all kernels read.
struct BackwardInputs {
  SsmSizes sizes;
  const BackwardChunk* chunks = nullptr;
  Matrix<const float> x, b, c, dy;
  const float* dt = nullptr;        // [tokens, H]
  const float* sum = nullptr;       // [tokens, H]
  const float* products = nullptr;  // [tokens, G, 64]

  static constexpr size_t kFieldBytes =
      SsmSizes::kFieldBytes + 4 * sizeof(void*) + 4 * sizeof(Matrix<float>);
};

// Fills the window's states and adjoints: a walk forward, a walk backward. ssm_borders.cu
void WalkBorders(CudaStream& cuda, const BackwardInputs& in, const HeadWindow& window,
                 const BackwardSegment* segments, int64_t count);

// What the chunks write besides the window's shares of dB and dC.
struct ChunkOutputs {
  Matrix<float> dx, ddt;
  double* sums = nullptr;  // [chunks, H, 3]: of a_log, d, dt_bias
  SsmParameters parameters;
  Matrix<const float> raw;
};

void ChunksBackward(CudaStream& cuda, const BackwardInputs& in, const HeadWindow& window,
                    int64_t chunks, const ChunkOutputs& out);

}  // namespace temper::kernels::cuda
