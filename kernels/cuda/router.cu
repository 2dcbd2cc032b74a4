// Chooses the experts of every token, and takes the gradient of their weights back to the logits.
// One warp a token; the choice is the CPU's for the same scores, to the last tie.
#include <cstdint>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;

// RouterShape as kernels take it.
struct Shape {
  int experts, chosen, groups, groups_chosen;
  float scale;
  bool normalize;

  static constexpr size_t kFieldBytes = 4 * sizeof(int) + sizeof(float) + sizeof(bool);
};

// Values as unsigned numbers of the same order: equal zeros, a NaN less than all, and kTaken less
// than that.
constexpr uint32_t kTaken = 0, kNaN = 1, kMinusInfinity = 0x007fffffu;

__device__ __forceinline__ uint32_t ToKey(float value) {
  if (value != value) return kNaN;
  const uint32_t bits = __float_as_uint(value + 0.0f);  // -0 becomes 0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float FromKey(uint32_t key) {
  if (key <= kNaN) return __uint_as_float(0x7fc00000u);
  return __uint_as_float((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}

// The index of the largest of keys[0, n), equals by the lowest index, marked as taken. By a whole
// warp, the same in all lanes.
__device__ __forceinline__ int TakeLargest(uint32_t* keys, int n, int lane) {
  __syncwarp();
  uint64_t best = 0;  // key, then the complement of the index
  for (int i = lane; i < n; i += kWarp) {
    const uint64_t candidate = static_cast<uint64_t>(keys[i]) << 32 | ~static_cast<uint32_t>(i);
    best = candidate > best ? candidate : best;
  }
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const uint64_t other = __shfl_xor_sync(kAllLanes, best, distance);
    best = other > best ? other : best;
  }
  const int at = static_cast<int>(~static_cast<uint32_t>(best));
  if (lane == 0) keys[at] = kTaken;
  __syncwarp();
  return at;
}

// A group counts by the sum of its two largest, the larger first; its one where it has but one.
__device__ __forceinline__ uint32_t GroupKey(const uint32_t* keys, int width) {
  uint32_t first = kTaken, second = kTaken;
  for (int i = 0; i < width; ++i) {
    if (keys[i] > first) {
      second = first;
      first = keys[i];
    } else if (keys[i] > second) {
      second = keys[i];
    }
  }
  return ToKey(width > 1 ? FromKey(first) + FromKey(second) : FromKey(first));
}

// Takes the experts of all but the best groups out of the running. group_keys: [groups]
__device__ __forceinline__ void LimitGroups(const Shape& shape, uint32_t* keys,
                                            uint32_t* group_keys, int lane) {
  const int width = shape.experts / shape.groups;
  __syncwarp();
  for (int g = lane; g < shape.groups; g += kWarp)
    group_keys[g] = GroupKey(keys + g * width, width);
  for (int i = 0; i < shape.groups_chosen; ++i) TakeLargest(group_keys, shape.groups, lane);
  for (int e = lane; e < shape.experts; e += kWarp) {
    if (group_keys[e / width] != kTaken) keys[e] = kMinusInfinity;
  }
}

// What the scores of the chosen are divided by; `score`: of the token's j-th chosen.
template <class Score>
__device__ __forceinline__ float Total(const Shape& shape, Score score) {
  if (!shape.normalize) return 1.0f;
  float sum = 0.0f;
  for (int j = 0; j < shape.chosen; ++j) sum += score(j);
  return sum + 1e-20f;
}

// score may be logits. chosen: [tokens * shape.chosen]
__global__ void __launch_bounds__(kThreads)
    RouteKernel(Shape shape, Matrix<const float> logits, const float* correction,
                Matrix<float> score, int32_t* chosen, Matrix<float> weight) {
  TEMPER_DYNAMIC_SHARED(uint32_t, shared);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t token = static_cast<int64_t>(blockIdx.x) * kWarps + warp;
  if (token >= logits.rows) return;
  uint32_t* const keys = shared + warp * (shape.experts + shape.groups + 2 * shape.chosen);
  uint32_t* const group_keys = keys + shape.experts;
  uint32_t* const picks = group_keys + shape.groups;  // in the order of their value, as words
  uint32_t* const sorted = picks + shape.chosen;      // scores of the chosen by ascending id

  for (int e = lane; e < shape.experts; e += kWarp) {
    const float s = Sigmoid(logits.at(token, e));
    score.at(token, e) = s;
    keys[e] = ToKey(correction == nullptr ? s : s + correction[e]);
  }
  if (shape.groups_chosen < shape.groups) LimitGroups(shape, keys, group_keys, lane);
  for (int j = 0; j < shape.chosen; ++j) {
    const int expert = TakeLargest(keys, shape.experts, lane);
    if (lane == 0) picks[j] = static_cast<uint32_t>(expert);
  }
  __syncwarp();
  for (int j = lane; j < shape.chosen; j += kWarp) {
    const uint32_t expert = picks[j];
    int rank = 0;
    for (int other = 0; other < shape.chosen; ++other) rank += picks[other] < expert;
    chosen[token * shape.chosen + rank] = static_cast<int32_t>(expert);
    sorted[rank] = __float_as_uint(score.at(token, expert));
  }
  __syncwarp();
  const auto of = [&](int j) { return __uint_as_float(sorted[j]); };
  const float total = Total(shape, of);
  for (int j = lane; j < shape.chosen; j += kWarp) {
    weight.at(token, j) = of(j) / total * shape.scale;
  }
}

// d_logits may be score.
__global__ void __launch_bounds__(kThreads)
    RouteBackwardKernel(Shape shape, Matrix<const float> score, const int32_t* chosen,
                        Matrix<const float> d_weight, Matrix<float> d_logits) {
  TEMPER_DYNAMIC_SHARED(float, shared);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t token = static_cast<int64_t>(blockIdx.x) * kWarps + warp;
  if (token >= score.rows) return;
  float* const scores = shared + warp * shape.chosen;
  const int32_t* const experts = chosen + token * shape.chosen;
  for (int j = lane; j < shape.chosen; j += kWarp) scores[j] = score.at(token, experts[j]);
  __syncwarp();
  const float total = Total(shape, [&](int j) { return scores[j]; });
  float mean = 0.0f;  // of d_weight, weighted by the scores: what normalising takes away
  if (shape.normalize) {
    for (int j = 0; j < shape.chosen; ++j) mean += d_weight.at(token, j) * scores[j];
    mean /= total;
  }
  for (int e = lane; e < shape.experts; e += kWarp) d_logits.at(token, e) = 0.0f;
  __syncwarp();
  for (int j = lane; j < shape.chosen; j += kWarp) {
    const float s = scores[j];
    d_logits.at(token, experts[j]) =
        shape.scale / total * (d_weight.at(token, j) - mean) * (s * (1.0f - s));
  }
}

Shape CheckedShape(const RouterShape& shape) {
  TEMPER_KERNEL_CHECK(shape.groups >= 1 && shape.experts % shape.groups == 0);
  TEMPER_KERNEL_CHECK(shape.groups_chosen >= 1 && shape.groups_chosen <= shape.groups);
  TEMPER_KERNEL_CHECK(shape.chosen >= 1);
  TEMPER_KERNEL_CHECK(shape.chosen <= shape.experts / shape.groups * shape.groups_chosen);
  return {.experts = static_cast<int>(shape.experts),
          .chosen = static_cast<int>(shape.chosen),
          .groups = static_cast<int>(shape.groups),
          .groups_chosen = static_cast<int>(shape.groups_chosen),
          .scale = shape.scale,
          .normalize = shape.normalize};
}

dim3 BlocksForTokens(int64_t tokens) {
  return dim3(static_cast<unsigned>((tokens + kWarps - 1) / kWarps));
}

void Route(Stream& stream, const RouterShape& router, View<const float> logits,
           const float* correction, View<float> score, int32_t* chosen, View<float> weight) {
  const Shape shape = CheckedShape(router);
  TEMPER_KERNEL_CHECK(logits.cols == router.experts && weight.cols == router.chosen);
  TEMPER_KERNEL_CHECK(score.rows == logits.rows && score.cols == logits.cols);
  TEMPER_KERNEL_CHECK(weight.rows == logits.rows);
  CudaStream& cuda = BeginOp(stream);
  const int words = kWarps * (shape.experts + shape.groups + 2 * shape.chosen);
  TEMPER_LAUNCH(RouteKernel, cuda, BlocksForTokens(logits.rows), kThreads,
                static_cast<size_t>(words) * sizeof(uint32_t), shape, logits, correction, score,
                chosen, weight);
}

void RouteBackward(Stream& stream, const RouterShape& router, View<const float> score,
                   const int32_t* chosen, View<const float> d_weight, View<float> d_logits) {
  const Shape shape = CheckedShape(router);
  TEMPER_KERNEL_CHECK(score.cols == router.experts && d_weight.cols == router.chosen);
  TEMPER_KERNEL_CHECK(d_logits.rows == score.rows && d_logits.cols == score.cols);
  TEMPER_KERNEL_CHECK(d_weight.rows == score.rows);
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(RouteBackwardKernel, cuda, BlocksForTokens(score.rows), kThreads,
                static_cast<size_t>(kWarps * shape.chosen) * sizeof(float), shape, score, chosen,
                d_weight, d_logits);
}

}  // namespace

void AddRouterOps(Ops& ops) {
  ops.route = Route;
  ops.route_backward = RouteBackward;
}

}  // namespace temper::kernels::cuda
