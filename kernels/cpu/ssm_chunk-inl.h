// One head of the recurrence, cut into chunks of sixteen tokens: its working memory, the decays of
// a chunk, its rows, and the state from chunk to chunk.
//
// What the backward pass stands on. Included once per Highway target.
#if defined(TEMPER_KERNELS_CPU_SSM_CHUNK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_KERNELS_CPU_SSM_CHUNK_INL_H_
#undef TEMPER_KERNELS_CPU_SSM_CHUNK_INL_H_
#else
#define TEMPER_KERNELS_CPU_SSM_CHUNK_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <utility>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/small_gemm-inl.h"
#include "kernels/cpu/vector_math.h"
#include "kernels/view.h"

#ifndef TEMPER_KERNELS_CPU_SSM_HEAD_
#define TEMPER_KERNELS_CPU_SSM_HEAD_
namespace temper::kernels::cpu {

// One head of one segment.
struct SsmHead {
  int64_t tokens;
  int64_t head_dim;
  int64_t state;
  float dt_min, dt_max;
  float a_log, d, dt_bias;
  View<const float> x, dy;  // [tokens, P]
  View<const float> b, c;   // [tokens, N]
  View<const float> dt;     // [tokens, 1]
  View<float> dx;           // [tokens, P]
  View<float> db, dc;       // [tokens, N]: written by a group's first head, added to by the others
  View<float> ddt;          // [tokens, 1]
  bool first_of_group;
};

}  // namespace temper::kernels::cpu
#endif  // TEMPER_KERNELS_CPU_SSM_HEAD_

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// Tokens of a chunk: as many as there are lanes. A short last chunk is filled up with tokens that
// are all zero, which change nothing.
inline constexpr int64_t kChunk = 16;
inline constexpr int64_t kSquare = kChunk * kChunk;
inline constexpr int64_t kSpan = 8;  // chunks

// Working memory of one head; `p` and `n` are P and N rounded up, the padding is zero.
struct HeadMemory {
  HeadMemory(const SsmHead& head, Scratch& scratch)
      : p(RoundUpTo16(head.head_dim)),
        n(RoundUpTo16(head.state)),
        chunks((head.tokens + kChunk - 1) / kChunk),
        spans((chunks + kSpan - 1) / kSpan) {
    float* next = scratch.Take(3 * chunks * kChunk + (spans + kSpan - 1) * p * n +
                               kChunk * (8 * p + 5 * n) + 7 * kSquare);
    const auto take = [&next](int64_t floats) { return std::exchange(next, next + floats); };
    dt = take(chunks * kChunk);
    lam = take(chunks * kChunk);
    slope = take(chunks * kChunk);
    span_states = take((spans - 1) * p * n);
    chunk_states = take((kSpan - 1) * p * n);
    dstate = take(p * n);
    x = take(kChunk * p);
    dy = take(kChunk * p);
    x_transposed = take(kChunk * p);
    weighted_u = take(kChunk * p);
    decayed_dy = take(kChunk * p);
    du = take(kChunk * p);
    dx = take(kChunk * p);
    b = take(kChunk * n);
    c = take(kChunk * n);
    b_transposed = take(kChunk * n);
    db = take(kChunk * n);
    dc = take(kChunk * n);
    cb = take(kSquare);
    cb_decayed = take(kSquare);
    dyx = take(kSquare);
    dcb = take(kSquare);
    rectangle = take(kSquare);
    up_to = take(kSquare);
    before = take(kSquare);
    for (int64_t i = 0; i < kChunk; ++i) {
      for (int64_t j = 0; j < kChunk; ++j) {
        up_to[i * kChunk + j] = j <= i ? 1.0f : 0.0f;
        before[i * kChunk + j] = i < j ? 1.0f : 0.0f;
      }
    }
  }

  // At the chunk's start; null for the first, where it is zero. Within a span: valid while that
  // span is worked.
  float* state(int64_t chunk) const {
    if (chunk == 0) return nullptr;
    if (chunk % kSpan == 0) return span_states + (chunk / kSpan - 1) * p * n;
    return chunk_states + (chunk % kSpan - 1) * p * n;
  }

  int64_t p, n, chunks, spans;
  float *dt, *lam, *slope;  // [tokens]: step, dt A, d dt / d (dt before bias and softplus)
  float *span_states, *chunk_states;  // [., p, n]
  float* dstate;                      // [p, n]: gradient of the state at the chunk's end
  float *x, *dy, *dx;                 // [token, p]
  float* weighted_u;                  // [token j, p]: exp(s_last - s_j) dt_j x_j
  float* decayed_dy;                  // [token i, p]: exp(s_i) dy_i
  float *x_transposed, *du;           // [p, token]; du is the gradient of dt x
  float *b, *c, *db, *dc;             // [token, n]
  float* b_transposed;                // [n, token]
  float *cb, *cb_decayed;  // [i, j]: C_i . B_j; times exp(s_i - s_j) where j <= i, else 0
  float *dyx, *dcb;        // [i, j]: dy_i . x_j; gradient of C_i . B_j
  float* rectangle;        // [i, k]: sum over j < k of the gradient of s_i - s_j
  float *up_to, *before;   // [i, j]: 1 where j <= i; 1 where i < j
};

// What the decays of one chunk are; lane j is token j.
struct ChunkDecay {
  Lanes16 dt;
  Lanes16 sum;         // s_j
  Lanes16 from_start;  // exp(s_j)
  Lanes16 to_end;      // exp(s_last - s_j)
  float whole;         // exp(s_last)
};

inline ChunkDecay DecayOf(const HeadMemory& memory, int64_t chunk) {
  HWY_ALIGN float sum[kChunk];
  float running = 0;
  for (int64_t j = 0; j < kChunk; ++j) sum[j] = running += memory.lam[chunk * kChunk + j];
  ChunkDecay decay;
  decay.dt = Load16(memory.dt + chunk * kChunk);
  decay.sum = Load16(sum);
  decay.from_start = Exp16(decay.sum);
  decay.to_end = Exp16(Sub16(Set16(running), decay.sum));
  HWY_ALIGN float from_start[kChunk];
  Store16(decay.from_start, from_start);
  decay.whole = from_start[kChunk - 1];
  return decay;
}

// dt, dt A and the slope of dt for all tokens; zero after the last. Returns A.
inline float PrepareSteps(const SsmHead& head, const HeadMemory& memory) {
  HWY_ALIGN float lanes[kChunk];
  Store16(Sub16(Set16(0.0f), Exp16(Set16(head.a_log))), lanes);
  const float a = lanes[0];
  const Lanes16 bias = Set16(head.dt_bias), low = Set16(head.dt_min), high = Set16(head.dt_max);
  for (int64_t t = 0; t < memory.chunks * kChunk; t += kChunk) {
    const int64_t count = std::min(kChunk, head.tokens - t);
    for (int64_t j = 0; j < kChunk; ++j) lanes[j] = j < count ? *head.dt.row(t + j) : 0.0f;
    const Lanes16 before = Add16(Load16(lanes), bias);
    TEMPER_EACH_PART({
      const V16 step = Softplus(D16(), before.part[p]);
      const auto inside = hn::And(hn::Ge(step, low.part[p]), hn::Le(step, high.part[p]));
      const V16 kept = hn::Min(hn::Max(step, low.part[p]), high.part[p]);
      const V16 slope = hn::IfThenElseZero(inside, Sigmoid(D16(), before.part[p]));
      hn::StoreU(kept, D16(), memory.dt + t + p * kVectorLanes);
      hn::StoreU(slope, D16(), memory.slope + t + p * kVectorLanes);
      hn::StoreU(hn::Mul(kept, hn::Set(D16(), a)), D16(), memory.lam + t + p * kVectorLanes);
    })
    std::fill_n(memory.dt + t + count, kChunk - count, 0.0f);
    std::fill_n(memory.lam + t + count, kChunk - count, 0.0f);
  }
  return a;
}

// Rows [first, first + 16) of `from`, zeros after its end and right of its columns.
inline void LoadRows(View<const float> from, int64_t first, float* to, int64_t width) {
  for (int64_t j = 0; j < kChunk; ++j) {
    const int64_t count = first + j < from.rows ? from.cols : 0;
    if (count > 0) std::copy_n(from.row(first + j), count, to + j * width);
    std::fill(to + j * width + count, to + (j + 1) * width, 0.0f);
  }
}
// Asks for the same rows of the chunk to be worked next: rows lie a model's width apart, where no
// hardware looks ahead.
inline void PrefetchRows(View<const float> rows, int64_t first) {
  if (first < 0) return;
  for (int64_t j = first; j < std::min(first + kChunk, rows.rows); ++j) {
    for (int64_t i = 0; i < rows.cols; i += 16) hwy::Prefetch(rows.row(j) + i);
  }
}
inline void StoreRows(const float* from, int64_t width, int64_t first, bool add, View<float> to) {
  const int64_t count = std::min(kChunk, to.rows - first);
  for (int64_t j = 0; j < count; ++j) {
    float* row = to.row(first + j);
    const float* values = from + j * width;
    if (add) {
      for (int64_t i = 0; i < to.cols; ++i) row[i] += values[i];
    } else {
      std::copy_n(values, to.cols, row);
    }
  }
}

// to[j] = factor[j] * from[j] for the rows of a chunk.
inline void ScaleRows(const Lanes16& factor, const float* from, float* to, int64_t width) {
  HWY_ALIGN float factors[kChunk];
  Store16(factor, factors);
  for (int64_t j = 0; j < kChunk; ++j) {
    const Lanes16 each = Set16(factors[j]);
    for (int64_t i = j * width; i < (j + 1) * width; i += 16) {
      Store16(Mul16(each, Load16(from + i)), to + i);
    }
  }
}

// The state after a chunk from the one before it; start null: zero; out may be start.
inline void AdvanceState(const SsmHead& head, const HeadMemory& memory, int64_t chunk,
                         const float* start, float* out) {
  const ChunkDecay decay = DecayOf(memory, chunk);
  LoadRows(head.x, chunk * kChunk, memory.x, memory.p);
  LoadRows(head.b, chunk * kChunk, memory.b, memory.n);
  PrefetchRows(head.x, (chunk + 1) * kChunk);
  PrefetchRows(head.b, (chunk + 1) * kChunk);
  ScaleRows(Mul16(decay.to_end, decay.dt), memory.x, memory.weighted_u, memory.p);
  Multiply(
      memory.p, memory.n, kChunk, {memory.weighted_u, 1, memory.p}, {memory.b, memory.n},
      {.out = out, .row = memory.n, .start = start, .start_row = memory.n, .scale = decay.whole});
}

// Pass 1: the state at the start of every span.
inline void KeepSpanStates(const SsmHead& head, const HeadMemory& memory) {
  for (int64_t span = 0; span + 1 < memory.spans; ++span) {
    const int64_t first = span * kSpan;
    float* out = memory.state(first + kSpan);
    for (int64_t chunk = first; chunk < first + kSpan; ++chunk) {
      AdvanceState(head, memory, chunk, chunk == first ? memory.state(first) : out, out);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
