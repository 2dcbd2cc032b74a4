// The one arithmetic of a row's log-softmax, for whoever draws tokens and whoever learns from them.
//
// A row is cut into blocks of kSoftmaxBlock columns from column 0, always. A block's sums are
// relative to its own greatest logit and have one order: a thread's sixteen columns, then the
// block's threads (BlockSum). One warp joins a row's blocks: lane l takes blocks l, l + 32, ...,
// then WarpSum. So the bits depend on the row alone, and one row keeps as many blocks busy as it
// has.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/device_code.h"
#include "kernels/cuda/quad.h"

namespace temper::kernels::cuda {

inline constexpr int kSoftmaxThreads = 256;
inline constexpr int kSoftmaxQuads = 4;  // that a thread takes of a block
inline constexpr int kSoftmaxBlock = kSoftmaxThreads * kSoftmaxQuads * 4;

// exp is 0 below it; as a bound it keeps 0 * infinity out of sums.
inline constexpr float kLeastExponent = -128.0f;

// Of a block's logits x: most = max x, and over d = (x - most) / temperature
// weight = sum exp(d), moment = sum exp(d) d.
struct SoftmaxSums {
  float most, weight, moment;
};

// Of a row. log_softmax = (logit - most) / temperature - log_weight, which is never above 0.
struct SoftmaxNorm {
  float most, log_weight, entropy;
};

__device__ __forceinline__ float LogProb(float logit, float inverse_temperature,
                                         const SoftmaxNorm& norm) {
  return (logit - norm.most) * inverse_temperature - norm.log_weight;
}
__device__ __forceinline__ float LogSumExp(float inverse_temperature, const SoftmaxNorm& norm) {
  return norm.most * inverse_temperature + norm.log_weight;
}

// A thread's columns of a block of which `left` columns are there: quads t, t + 256, ...
struct SoftmaxColumns {
  float4 quads[kSoftmaxQuads];

  __device__ __forceinline__ static int Begin(int quad) {
    return 4 * (static_cast<int>(threadIdx.x) + quad * kSoftmaxThreads);
  }
  __device__ __forceinline__ void Load(const float* block, int64_t left, float fill) {
    const bool aligned = QuadAligned(block);
#pragma unroll
    for (int q = 0; q < kSoftmaxQuads; ++q) {
      quads[q] = LoadQuad(block + Begin(q), left - Begin(q), aligned, fill);
    }
  }
  __device__ __forceinline__ void Store(float* block, int64_t left) const {
    const bool aligned = QuadAligned(block);
#pragma unroll
    for (int q = 0; q < kSoftmaxQuads; ++q) {
      StoreQuad(quads[q], block + Begin(q), left - Begin(q), aligned);
    }
  }
  // value = body(value, column in the block), in column order.
  template <class Body>
  __device__ __forceinline__ void ForEach(Body body) {
#pragma unroll
    for (int q = 0; q < kSoftmaxQuads; ++q) {
      quads[q].x = body(quads[q].x, Begin(q));
      quads[q].y = body(quads[q].y, Begin(q) + 1);
      quads[q].z = body(quads[q].z, Begin(q) + 2);
      quads[q].w = body(quads[q].w, Begin(q) + 3);
    }
  }
};

// The greatest over a block of threads; NaN counts for nothing. `shared`: a float a warp.
__device__ __forceinline__ float BlockMax(float value, float* shared) {
  value = WarpMax(value);
  __syncthreads();  // the last use of `shared` is over
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  float most = shared[0];
  for (int warp = 1; warp < kSoftmaxThreads / kWarp; ++warp) most = fmaxf(most, shared[warp]);
  return most;
}

// Called by all threads of a block; absent columns are -infinity. A block of nothing else weighs 0;
// NaN stays NaN.
__device__ __forceinline__ SoftmaxSums SumsOfBlock(SoftmaxColumns& columns,
                                                   float inverse_temperature, float* shared) {
  float most = -INFINITY;
  columns.ForEach([&](float logit, int) {
    most = fmaxf(most, logit);
    return logit;
  });
  most = BlockMax(most, shared);
  const float top = most == -INFINITY ? 0.0f : most;
  float weight = 0.0f, moment = 0.0f;
  columns.ForEach([&](float logit, int) {
    const float below = (logit - top) * inverse_temperature;
    const float e = expf(below);
    weight += e;
    moment = fmaf(e, fmaxf(below, kLeastExponent), moment);
    return logit;
  });
  weight = BlockSum(weight, shared, kSoftmaxThreads);
  moment = BlockSum(moment, shared, kSoftmaxThreads);
  return {most, weight, moment};
}

// Called by one whole warp, the same in each lane. A row that is -infinity throughout gives NaN.
__device__ __forceinline__ SoftmaxNorm NormOfRow(const SoftmaxSums* blocks, int64_t count,
                                                 float inverse_temperature) {
  const int lane = threadIdx.x % kWarp;
  float most = -INFINITY;
  for (int64_t i = lane; i < count; i += kWarp) most = fmaxf(most, blocks[i].most);
  most = WarpMax(most);
  float weight = 0.0f, moment = 0.0f;
  for (int64_t i = lane; i < count; i += kWarp) {
    const SoftmaxSums block = blocks[i];
    const float below = (block.most - most) * inverse_temperature;
    const float e = expf(below);
    weight = fmaf(e, block.weight, weight);
    moment = fmaf(e, fmaf(block.weight, fmaxf(below, kLeastExponent), block.moment), moment);
  }
  weight = WarpSum(weight);
  moment = WarpSum(moment);
  const float log_weight = logf(weight);
  return {most, log_weight, log_weight - moment / weight};
}

}  // namespace temper::kernels::cuda
