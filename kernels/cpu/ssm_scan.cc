// The Mamba-2 recurrence forward: one token after another, every state element in its own lane.
//
// State layout: [H, N, P], so that lanes run over P and no sum crosses them. A token's arithmetic
// is the same in a decode step and in the middle of a prefill; only how many tokens are taken per
// pass over the state differs. y_t[p] is summed over n in two chains, even and odd n.
#include <algorithm>
#include <cstring>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/ssm_scan.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/small_gemm-inl.h"
#include "kernels/cpu/targets.h"
#include "kernels/cpu/vector_math.h"

#ifndef TEMPER_KERNELS_CPU_SSM_SCAN_TOKEN_
#define TEMPER_KERNELS_CPU_SSM_SCAN_TOKEN_
namespace temper::kernels::cpu {
// What one token brings to one head.
struct ScanToken {
  const float* x;  // [P]
  const float* b;  // [N]
  const float* c;  // [N]
  float* y;        // [P]
  float dt;
  float decay;
};
}  // namespace temper::kernels::cpu
#endif  // TEMPER_KERNELS_CPU_SSM_SCAN_TOKEN_

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// bias and a = -exp(a_log), padded with zeros to `padded` heads.
void PadParameters(const SsmShape& shape, const SsmParameters& parameters, float* bias, float* a,
                   int64_t padded) {
  for (int64_t h = 0; h < padded; ++h) {
    bias[h] = h < shape.heads ? parameters.dt_bias[h] : 0.0f;
    a[h] = h < shape.heads ? parameters.a_log[h] : 0.0f;
  }
  for (int64_t h = 0; h < padded; h += 16) {
    Store16(Sub16(Set16(0.0f), Exp16(Load16(a + h))), a + h);
  }
}

// dt = clamp(softplus(raw + bias)) and decay = exp(-exp(a_log) dt) of one token; rows of H floats
// padded to sixteens. bias and a = -exp(a_log) are padded alike.
void StepSizes(const SsmShape& shape, const float* raw, const float* bias, const float* a,
               float* dt, float* decay) {
  const Lanes16 low = Set16(shape.dt_min), high = Set16(shape.dt_max);
  for (int64_t h = 0; h < shape.heads; h += 16) {
    const int64_t count = shape.heads - h;
    const Lanes16 value = count < 16 ? LoadSome16(raw + h, count) : Load16(raw + h);
    const Lanes16 biased = Add16(value, Load16(bias + h));
    Lanes16 step;
    TEMPER_EACH_PART(step.part[p] = Softplus(D16(), biased.part[p]))
    TEMPER_EACH_PART(step.part[p] = hn::Min(hn::Max(step.part[p], low.part[p]), high.part[p]))
    Store16(step, dt + h);
    Store16(Exp16(Mul16(step, Load16(a + h))), decay + h);
  }
}

// Sixteen * kSlices columns of one head's state.
struct ScanSlice {
  float* state;    // rows of n
  int64_t row;     // floats between rows
  int64_t states;  // N
  int64_t first;   // column of x and y
  int64_t count;   // columns of x and y that exist
  float d;
};

// Some tokens and what they bring to a slice, in registers.
template <int kTokens, int kSlices>
struct ScanBlock {
  const float* b[kTokens];
  const float* c[kTokens];
  Lanes16 decay[kTokens];
  Lanes16 u[kTokens][kSlices];       // dt x
  Lanes16 sum[kTokens][kSlices][2];  // of even and of odd n
};

HWY_INLINE Lanes16 LoadColumns(const float* from, int64_t count) {
  return count < 16 ? LoadSome16(from, count) : Load16(from);
}

template <int kTokens, int kSlices>
HWY_INLINE void LoadBlock(const ScanSlice& slice, const ScanToken* tokens,
                          ScanBlock<kTokens, kSlices>& block) {
  TEMPER_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    block.b[t] = tokens[t].b;
    block.c[t] = tokens[t].c;
    block.decay[t] = Set16(tokens[t].decay);
    TEMPER_UNROLL
    for (int s = 0; s < kSlices; ++s) {
      const Lanes16 x = LoadColumns(tokens[t].x + slice.first + s * 16, slice.count - s * 16);
      block.u[t][s] = Mul16(Set16(tokens[t].dt), x);
      block.sum[t][s][0] = block.sum[t][s][1] = Set16(0.0f);
    }
  }
}

template <int kTokens, int kSlices>
HWY_INLINE void StoreBlock(const ScanSlice& slice, const ScanBlock<kTokens, kSlices>& block,
                           const ScanToken* tokens) {
  TEMPER_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    TEMPER_UNROLL
    for (int s = 0; s < kSlices; ++s) {
      const int64_t at = slice.first + s * 16, count = slice.count - s * 16;
      const Lanes16 y = MulAdd16(Set16(slice.d), LoadColumns(tokens[t].x + at, count),
                                 Add16(block.sum[t][s][0], block.sum[t][s][1]));
      if (count < 16) {
        StoreSome16(y, tokens[t].y + at, count);
      } else {
        Store16(y, tokens[t].y + at);
      }
    }
  }
}

// Row n of the slice through all tokens; y's share goes to one of the two chains.
template <int kChain, int kTokens, int kSlices>
HWY_INLINE void AdvanceRow(float* row, int64_t n, ScanBlock<kTokens, kSlices>& block) {
  Lanes16 state[kSlices];
  TEMPER_UNROLL
  for (int s = 0; s < kSlices; ++s) state[s] = Load16(row + s * 16);
  TEMPER_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Lanes16 b = Set16(block.b[t][n]), c = Set16(block.c[t][n]);
    TEMPER_UNROLL
    for (int s = 0; s < kSlices; ++s) {
      state[s] = MulAdd16(block.decay[t], state[s], Mul16(block.u[t][s], b));
      block.sum[t][s][kChain] = MulAdd16(state[s], c, block.sum[t][s][kChain]);
    }
  }
  TEMPER_UNROLL
  for (int s = 0; s < kSlices; ++s) Store16(state[s], row + s * 16);
}

template <int kTokens, int kSlices>
HWY_INLINE void ScanStep(const ScanSlice& slice, const ScanToken* tokens) {
  ScanBlock<kTokens, kSlices> block;
  LoadBlock(slice, tokens, block);
  float* row = slice.state;
  int64_t n = 0;
  for (; n + 2 <= slice.states; n += 2, row += 2 * slice.row) {
    AdvanceRow<0>(row, n, block);
    AdvanceRow<1>(row + slice.row, n + 1, block);
  }
  if (n < slice.states) AdvanceRow<0>(row, n, block);
  StoreBlock(slice, block, tokens);
}

// Asks for a token's rows ahead of their use: they lie a model's width apart, where no hardware
// looks ahead.
HWY_INLINE void PrefetchToken(const ScanSlice& slice, const ScanToken& token) {
  for (int64_t n = 0; n < slice.states; n += 16) {
    hwy::Prefetch(token.b + n);
    hwy::Prefetch(token.c + n);
  }
  for (int64_t i = 0; i < slice.count; i += 16) {
    hwy::Prefetch(token.x + i);
    hwy::Prefetch(token.y + i);
  }
}

template <int kSlices>
HWY_INLINE void ScanTokens(const ScanSlice& slice, const ScanToken* tokens, int64_t count) {
  // More tokens a pass save loads and stores of the state, where there are registers for it.
  constexpr int kTokens = kParts == 1 && kSlices <= 2 ? 2 : 1;
  constexpr int kAhead = 4;
  const int64_t prefetched =
      slice.first == 0 ? count - kAhead : 0;  // later slices find the rows near
  for (int64_t t = 0; t < count;) {
    if (t + kTokens <= prefetched) {
      for (int i = 0; i < kTokens; ++i) PrefetchToken(slice, tokens[t + kAhead + i]);
    }
    if (t + kTokens <= count) {
      ScanStep<kTokens, kSlices>(slice, tokens + t);
      t += kTokens;
    } else {
      ScanStep<1, kSlices>(slice, tokens + t);
      ++t;
    }
  }
}

// All tokens over one head's state [N, columns], columns a multiple of 16.
void ScanHead(const SsmShape& shape, float* state, int64_t columns, float d,
              const ScanToken* tokens, int64_t count) {
  const auto slice = [&](int64_t at) {
    return ScanSlice{state + at, columns, shape.state, at, shape.head_dim - at, d};
  };
  int64_t at = 0;
  if constexpr (kParts == 1) {
    // The first token takes the state in one sweep, as memory likes it; the others take it in
    // slices that stay in the first-level cache.
    for (; at + 64 <= columns; at += 64) {
      ScanTokens<4>(slice(at), tokens, 1);
      ScanTokens<2>(slice(at), tokens + 1, count - 1);
      ScanTokens<2>(slice(at + 32), tokens + 1, count - 1);
    }
    for (; at + 32 <= columns; at += 32) ScanTokens<2>(slice(at), tokens, count);
  }
  for (; at < columns; at += 16) ScanTokens<1>(slice(at), tokens, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {
namespace {

HWY_EXPORT(PadParameters);
HWY_EXPORT(StepSizes);
HWY_EXPORT(ScanHead);

constexpr int64_t kTokensPerBlock = 64;

void CheckShapes(const SsmShape& shape, const SsmInputs& inputs, View<float> y) {
  TEMPER_KERNEL_CHECK(shape.groups > 0 && shape.heads % shape.groups == 0);
  TEMPER_KERNEL_CHECK(inputs.x.cols == shape.heads * shape.head_dim && inputs.x.rows == y.rows);
  TEMPER_KERNEL_CHECK(inputs.b.cols == shape.groups * shape.state);
  TEMPER_KERNEL_CHECK(inputs.c.cols == shape.groups * shape.state);
  TEMPER_KERNEL_CHECK(inputs.dt.cols == shape.heads && y.cols == inputs.x.cols);
}

// One call of SsmScan, seen by the threads that share it.
struct Scan {
  const SsmShape& shape;
  const SsmInputs& inputs;
  const float* d;      // [H]
  const float* dt;     // [tokens, padded]
  const float* decay;  // [tokens, padded]
  int64_t padded;      // heads, rounded up
  View<float> y;

  // One head of one segment. kept: that head's state [N, P], or null for a zero state that is not
  // kept.
  void Run(const Segment& segment, int64_t head, float* kept) const {
    static thread_local Scratch scratch;
    const int64_t p = shape.head_dim, columns = RoundUpTo16(p);
    float* state = kept;
    if (kept == nullptr || columns != p) {
      state = scratch.Take(shape.state * columns);
      std::fill_n(state, shape.state * columns, 0.0f);
    }
    const bool copied = kept != nullptr && state != kept;
    if (copied) {
      for (int64_t n = 0; n < shape.state; ++n) std::copy_n(kept + n * p, p, state + n * columns);
    }
    for (int64_t at = 0; at < segment.length; at += kTokensPerBlock) {
      const int64_t count = std::min(kTokensPerBlock, segment.length - at);
      ScanToken tokens[kTokensPerBlock];
      for (int64_t i = 0; i < count; ++i) tokens[i] = Token(segment.begin + at + i, head);
      HWY_DYNAMIC_DISPATCH(ScanHead)(shape, state, columns, d[head], tokens, count);
    }
    if (copied) {
      for (int64_t n = 0; n < shape.state; ++n) std::copy_n(state + n * columns, p, kept + n * p);
    }
  }

  ScanToken Token(int64_t row, int64_t head) const {
    const int64_t group = head / (shape.heads / shape.groups);
    return {.x = inputs.x.row(row) + head * shape.head_dim,
            .b = inputs.b.row(row) + group * shape.state,
            .c = inputs.c.row(row) + group * shape.state,
            .y = y.row(row) + head * shape.head_dim,
            .dt = dt[row * padded + head],
            .decay = decay[row * padded + head]};
  }
};

}  // namespace

void SsmScan(Stream& stream, const SsmShape& shape, std::span<const Segment> segments,
             const SsmInputs& inputs, const SsmParameters& parameters,
             std::span<const SsmState> states, View<float> y) {
  CheckShapes(shape, inputs, y);
  TEMPER_KERNEL_CHECK(states.empty() || states.size() == segments.size());
  static thread_local Scratch scratch;
  ThreadPool& pool = Cpu(stream).pool();
  const int64_t rows = y.rows, padded = RoundUpTo16(shape.heads);
  float* bias = scratch.Take((2 + 2 * rows) * padded);
  float* a = bias + padded;
  float* dt = a + padded;
  float* decay = dt + rows * padded;
  HWY_DYNAMIC_DISPATCH(PadParameters)(shape, parameters, bias, a, padded);
  pool.ParallelRanges(rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      HWY_DYNAMIC_DISPATCH(StepSizes)
      (shape, inputs.dt.row(i), bias, a, dt + i * padded, decay + i * padded);
    }
  });

  const Scan scan{shape, inputs, parameters.d, dt, decay, padded, y};
  const int64_t items = static_cast<int64_t>(segments.size()) * shape.heads;
  const int64_t head_floats = shape.head_dim * shape.state;
  // Short work is taken several items at a time.
  const int64_t grain =
      std::clamp<int64_t>(8 * items / std::max<int64_t>(1, rows * shape.heads), 1, 8);
  pool.ParallelRanges(items, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t s = i / shape.heads, head = i % shape.heads;
      float* kept = states.empty() ? nullptr : states[s].running;
      scan.Run(segments[s], head, kept == nullptr ? nullptr : kept + head * head_floats);
    }
  });
}

// Every token changes all of it.
SsmStateSize SizeOfSsmState(const SsmShape& shape) { return {.running = shape.state_floats()}; }

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
