// Chooses the experts of every token, and takes the gradient of their weights back to the logits.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/router.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE Lanes16 Sigmoid16(const Lanes16& a) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = Sigmoid(D16(), a.part[p]))
  return r;
}

void SigmoidRow(const float* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) Store16(Sigmoid16(Load16(x + i)), y + i);
  if (i < n) StoreSome16(Sigmoid16(LoadSome16(x + i, n - i)), y + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(SigmoidRow);

namespace {

constexpr int64_t kRowsPerItem = 4;
constexpr float kNever = -std::numeric_limits<float>::infinity();

// The `count` largest of values[0, n), largest first, equals by the lowest index; a NaN is less
// than all.
void Largest(const float* values, int64_t n, int64_t count, int32_t* largest) {
  int64_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t at = found;
    while (at > 0 && !(values[largest[at - 1]] >= values[i]) && !std::isnan(values[i])) --at;
    if (at == count) continue;
    if (found < count) ++found;
    for (int64_t j = found - 1; j > at; --j) largest[j] = largest[j - 1];
    largest[at] = static_cast<int32_t>(i);
  }
}

// Takes the experts of all but the best groups out of the running. value: [experts]
void LimitGroups(const RouterShape& shape, float* value) {
  static thread_local Scratch scratch;
  const int64_t width = shape.experts / shape.groups;
  float* const group_value = scratch.Take(2 * shape.groups);
  auto* const kept = reinterpret_cast<int32_t*>(group_value + shape.groups);
  for (int64_t g = 0; g < shape.groups; ++g) {
    int32_t best[2];
    Largest(value + g * width, width, std::min<int64_t>(2, width), best);
    group_value[g] = value[g * width + best[0]];
    if (width > 1) group_value[g] += value[g * width + best[1]];
  }
  Largest(group_value, shape.groups, shape.groups_chosen, kept);
  std::sort(kept, kept + shape.groups_chosen);
  for (int64_t g = 0, k = 0; g < shape.groups; ++g) {
    if (k < shape.groups_chosen && kept[k] == g) {
      ++k;
    } else {
      std::fill_n(value + g * width, width, kNever);
    }
  }
}

// chosen: [shape.chosen], ascending.
void ChooseExperts(const RouterShape& shape, const float* score, const float* correction,
                   int32_t* chosen) {
  static thread_local Scratch scratch;
  float* const value = scratch.Take(shape.experts);
  for (int64_t e = 0; e < shape.experts; ++e) {
    value[e] = correction == nullptr ? score[e] : score[e] + correction[e];
  }
  if (shape.groups_chosen < shape.groups) LimitGroups(shape, value);
  Largest(value, shape.experts, shape.chosen, chosen);
  std::sort(chosen, chosen + shape.chosen);
}

// What the scores of the chosen are divided by.
float Total(const RouterShape& shape, const float* score, const int32_t* chosen) {
  if (!shape.normalize) return 1.0f;
  float sum = 0;
  for (int64_t j = 0; j < shape.chosen; ++j) sum += score[chosen[j]];
  return sum + 1e-20f;
}

void WeighExperts(const RouterShape& shape, const float* score, const int32_t* chosen,
                  float* weight) {
  const float total = Total(shape, score, chosen);
  for (int64_t j = 0; j < shape.chosen; ++j) weight[j] = score[chosen[j]] / total * shape.scale;
}

// d_logits of one token from g = d_weight; score may be d_logits.
void RouteBackwardRow(const RouterShape& shape, const float* score, const int32_t* chosen,
                      const float* g, float* d_logits) {
  static thread_local Scratch scratch;
  float* const slope = scratch.Take(shape.chosen);
  const float total = Total(shape, score, chosen);
  float mean = 0;  // of g, weighted by the scores: what normalising takes away
  if (shape.normalize) {
    for (int64_t j = 0; j < shape.chosen; ++j) mean += g[j] * score[chosen[j]];
    mean /= total;
  }
  for (int64_t j = 0; j < shape.chosen; ++j) {
    const float s = score[chosen[j]];
    slope[j] = shape.scale / total * (g[j] - mean) * (s * (1.0f - s));
  }
  std::fill_n(d_logits, shape.experts, 0.0f);
  for (int64_t j = 0; j < shape.chosen; ++j) d_logits[chosen[j]] = slope[j];
}

void CheckShape(const RouterShape& shape) {
  TEMPER_KERNEL_CHECK(shape.groups >= 1 && shape.experts % shape.groups == 0);
  TEMPER_KERNEL_CHECK(shape.groups_chosen >= 1 && shape.groups_chosen <= shape.groups);
  TEMPER_KERNEL_CHECK(shape.chosen >= 1);
  TEMPER_KERNEL_CHECK(shape.chosen <= shape.experts / shape.groups * shape.groups_chosen);
}

}  // namespace

void Route(Stream& stream, const RouterShape& shape, View<const float> logits,
           const float* correction, View<float> score, int32_t* chosen, View<float> weight) {
  CheckShape(shape);
  TEMPER_KERNEL_CHECK(logits.cols == shape.experts && weight.cols == shape.chosen);
  TEMPER_KERNEL_CHECK(score.rows == logits.rows && score.cols == logits.cols);
  TEMPER_KERNEL_CHECK(weight.rows == logits.rows);
  const auto sigmoid = HWY_DYNAMIC_DISPATCH(SigmoidRow);
  Cpu(stream).pool().ParallelRanges(logits.rows, kRowsPerItem, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int32_t* const experts = chosen + t * shape.chosen;
      sigmoid(logits.row(t), score.row(t), shape.experts);
      ChooseExperts(shape, score.row(t), correction, experts);
      WeighExperts(shape, score.row(t), experts, weight.row(t));
    }
  });
}

void RouteBackward(Stream& stream, const RouterShape& shape, View<const float> score,
                   const int32_t* chosen, View<const float> d_weight, View<float> d_logits) {
  CheckShape(shape);
  TEMPER_KERNEL_CHECK(score.cols == shape.experts && d_weight.cols == shape.chosen);
  TEMPER_KERNEL_CHECK(d_logits.rows == score.rows && d_logits.cols == score.cols);
  TEMPER_KERNEL_CHECK(d_weight.rows == score.rows);
  Cpu(stream).pool().ParallelRanges(score.rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      RouteBackwardRow(shape, score.row(t), chosen + t * shape.chosen, d_weight.row(t),
                       d_logits.row(t));
    }
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
