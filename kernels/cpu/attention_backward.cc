// Causal attention backward: scores are recomputed tile by tile from the saved log-sum-exp.
//
// One item is one key/value head of one segment: key tiles ascending, under each the query tiles
// ascending and the query heads in order, so every sum has one order whatever the threads.
#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_backward.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/small_gemm-inl.h"
#include "kernels/cpu/targets.h"
#include "kernels/cpu/vector_math.h"

#ifndef TEMPER_KERNELS_CPU_ATTENTION_BACKWARD_TYPES_
#define TEMPER_KERNELS_CPU_ATTENTION_BACKWARD_TYPES_
namespace temper::kernels::cpu {

// One segment's rows of one key/value head and of the `heads` query heads that share it.
struct AttentionSlice {
  int64_t tokens;
  int64_t heads;
  int64_t head_dim;
  View<const float> q, y, dy;  // [tokens, heads * head_dim]
  View<const float> k, v;      // [tokens, head_dim]
  View<float> dq, dk, dv;
  const float* lse;  // row of `heads` floats a token
  int64_t lse_row;
};

}  // namespace temper::kernels::cpu
#endif  // TEMPER_KERNELS_CPU_ATTENTION_BACKWARD_TYPES_

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

inline constexpr int64_t kTile = kAttentionTile;

// Working memory of one slice; rows are padded with zeros to `width`.
struct BackwardMemory {
  BackwardMemory(const AttentionSlice& slice, Scratch& scratch)
      : width(RoundUpTo16(slice.head_dim)), tokens((slice.tokens + kTile - 1) / kTile * kTile) {
    const int64_t rows = tokens * slice.heads;
    const int64_t floats = 3 * rows * width + 2 * rows + 6 * kTile * width + 2 * kTile * kTile;
    float* next = scratch.Take(floats);
    std::fill_n(next, floats, 0.0f);
    const auto take = [&next](int64_t count) { return std::exchange(next, next + count); };
    q = take(rows * width);
    dy = take(rows * width);
    dq = take(rows * width);
    lse = take(rows);
    delta = take(rows);
    k = take(kTile * width);
    v_transposed = take(kTile * width);
    k_transposed = take(kTile * width);
    dk = take(kTile * width);
    dv = take(kTile * width);
    v = take(kTile * width);
    weights = take(kTile * kTile);
    slopes = take(kTile * kTile);
  }

  int64_t width;
  int64_t tokens;                      // rounded up to whole tiles
  float *q, *dy, *dq;                  // [heads, tokens, width]; q scaled
  float *lse, *delta;                  // [heads, tokens]; delta = dy . y
  float *k, *v, *dk, *dv;              // [tile, width]
  float *k_transposed, *v_transposed;  // [width, tile]
  float* weights;                      // [query, key]: softmax
  float* slopes;                       // [query, key]: d loss / d score
};

void LoadQueries(const AttentionSlice& slice, const BackwardMemory& memory) {
  const int64_t dim = slice.head_dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  for (int64_t h = 0; h < slice.heads; ++h) {
    for (int64_t t = 0; t < slice.tokens; ++t) {
      const int64_t row = h * memory.tokens + t;
      const float* q = slice.q.row(t) + h * dim;
      const float* dy = slice.dy.row(t) + h * dim;
      for (int64_t i = 0; i < dim; ++i) memory.q[row * memory.width + i] = q[i] * scale;
      std::copy_n(dy, dim, memory.dy + row * memory.width);
      memory.lse[row] = slice.lse[t * slice.lse_row + h];
      memory.delta[row] = Dot16(dy, slice.y.row(t) + h * dim, dim);
    }
  }
}

// Keys and values of one tile, both ways round; rows past the segment's end are zero.
void LoadKeys(const AttentionSlice& slice, const BackwardMemory& memory, int64_t first) {
  const int64_t count = std::min(kTile, slice.tokens - first);
  std::fill_n(memory.k, kTile * memory.width, 0.0f);
  std::fill_n(memory.v, kTile * memory.width, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(slice.k.row(first + i), slice.head_dim, memory.k + i * memory.width);
    std::copy_n(slice.v.row(first + i), slice.head_dim, memory.v + i * memory.width);
  }
  Transpose(memory.k, memory.width, kTile, memory.width, memory.k_transposed, kTile);
  Transpose(memory.v, memory.width, kTile, memory.width, memory.v_transposed, kTile);
}

// Turns scores into softmax weights and d loss / d weight into d loss / d score, for one row that
// sees `count` keys of the tile.
void RowSlopes(int64_t count, float lse, float delta, float* weights, float* slopes) {
  const Lanes16 shift = Set16(lse), offset = Set16(delta);
  for (int64_t i = 0; i < kTile; i += 16) {
    const Lanes16 weight = Exp16(Sub16(Load16(weights + i), shift));
    Store16(weight, weights + i);
    Store16(Mul16(weight, Sub16(Load16(slopes + i), offset)), slopes + i);
  }
  std::fill(weights + count, weights + kTile, 0.0f);
  std::fill(slopes + count, slopes + kTile, 0.0f);
}

// What the queries [first_query, first_query + 64) of one head bring to the loaded key tile, and it
// to them.
void BackwardTile(const AttentionSlice& slice, const BackwardMemory& memory, int64_t first_key,
                  int64_t head, int64_t first_query) {
  const int64_t width = memory.width, row = head * memory.tokens + first_query;
  const int64_t queries = std::min(kTile, slice.tokens - first_query);
  const float* q = memory.q + row * width;
  const float* dy = memory.dy + row * width;
  float* dq = memory.dq + row * width;
  Multiply(queries, kTile, slice.head_dim, {q, width, 1}, {memory.k_transposed, kTile},
           {.out = memory.weights, .row = kTile});
  Multiply(queries, kTile, slice.head_dim, {dy, width, 1}, {memory.v_transposed, kTile},
           {.out = memory.slopes, .row = kTile});
  for (int64_t i = 0; i < queries; ++i) {
    const int64_t count = std::min(kTile, first_query + i - first_key + 1);
    RowSlopes(count, memory.lse[row + i], memory.delta[row + i], memory.weights + i * kTile,
              memory.slopes + i * kTile);
  }
  const auto accumulate = [width](float* to) {
    return Product{.out = to, .row = width, .start = to, .start_row = width};
  };
  Multiply(kTile, width, queries, {memory.weights, 1, kTile}, {dy, width}, accumulate(memory.dv));
  Multiply(kTile, width, queries, {memory.slopes, 1, kTile}, {q, width}, accumulate(memory.dk));
  Multiply(queries, width, kTile, {memory.slopes, kTile, 1}, {memory.k, width}, accumulate(dq));
}

void AttentionSliceBackward(const AttentionSlice& slice, Scratch& scratch) {
  const BackwardMemory memory(slice, scratch);
  const int64_t dim = slice.head_dim, width = memory.width;
  LoadQueries(slice, memory);
  for (int64_t first = 0; first < slice.tokens; first += kTile) {
    LoadKeys(slice, memory, first);
    std::fill_n(memory.dk, kTile * width, 0.0f);
    std::fill_n(memory.dv, kTile * width, 0.0f);
    for (int64_t query = first; query < slice.tokens; query += kTile) {
      for (int64_t head = 0; head < slice.heads; ++head) {
        BackwardTile(slice, memory, first, head, query);
      }
    }
    for (int64_t i = 0; i < std::min(kTile, slice.tokens - first); ++i) {
      std::copy_n(memory.dk + i * width, dim, slice.dk.row(first + i));
      std::copy_n(memory.dv + i * width, dim, slice.dv.row(first + i));
    }
  }
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  for (int64_t h = 0; h < slice.heads; ++h) {
    for (int64_t t = 0; t < slice.tokens; ++t) {
      const float* from = memory.dq + (h * memory.tokens + t) * width;
      float* to = slice.dq.row(t) + h * dim;
      for (int64_t i = 0; i < dim; ++i) to[i] = from[i] * scale;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(AttentionSliceBackward);

void AttentionBackward(Stream& stream, const AttentionShape& shape,
                       std::span<const Segment> segments, View<const float> q, View<const float> k,
                       View<const float> v, View<const float> y, const float* lse,
                       View<const float> dy, View<float> dq, View<float> dk, View<float> dv) {
  TEMPER_KERNEL_CHECK(shape.kv_heads > 0 && shape.q_heads % shape.kv_heads == 0);
  TEMPER_KERNEL_CHECK(lse != nullptr);
  TEMPER_KERNEL_CHECK(q.cols == shape.q_heads * shape.head_dim && dq.cols == q.cols);
  TEMPER_KERNEL_CHECK(k.cols == shape.kv_heads * shape.head_dim && dk.cols == k.cols);
  const int64_t heads = shape.q_heads / shape.kv_heads, dim = shape.head_dim;
  const int64_t items = static_cast<int64_t>(segments.size()) * shape.kv_heads;
  Cpu(stream).pool().ParallelFor(items, [&](int64_t i) {
    static thread_local Scratch scratch;
    const Segment& segment = segments[i / shape.kv_heads];
    const int64_t head = i % shape.kv_heads, begin = segment.begin, count = segment.length;
    const auto of_queries = [&](auto view) {
      return view.Rows(begin, count).Columns(head * heads * dim, heads * dim);
    };
    const auto of_keys = [&](auto view) {
      return view.Rows(begin, count).Columns(head * dim, dim);
    };
    const AttentionSlice slice = {.tokens = count,
                                  .heads = heads,
                                  .head_dim = dim,
                                  .q = of_queries(q),
                                  .y = of_queries(y),
                                  .dy = of_queries(dy),
                                  .k = of_keys(k),
                                  .v = of_keys(v),
                                  .dq = of_queries(dq),
                                  .dk = of_keys(dk),
                                  .dv = of_keys(dv),
                                  .lse = lse + begin * shape.q_heads + head * heads,
                                  .lse_row = shape.q_heads};
    HWY_DYNAMIC_DISPATCH(AttentionSliceBackward)(slice, scratch);
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
