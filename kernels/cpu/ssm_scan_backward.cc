// The Mamba-2 recurrence backward: sixteen tokens at a time, as products of small matrices.
//
// Pass 1 runs the state forward and keeps it at every span of eight chunks; pass 2 takes the
// spans in reverse, runs the state once more to keep it at each chunk's start, near in cache, and
// then takes the span's chunks in reverse with the gradient of the state at their end. Within a
// chunk, with s_i the running sum of dt A, every decay is exp(s_i - s_j) <= 1, so nothing
// overflows; dlam, the gradient of dt A, is a sum of like terms, never a difference of prefix sums.
// One item is one group of one segment, its heads in order: sums have one order whatever the
// threads.
#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/ssm_scan_backward.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/small_gemm-inl.h"
#include "kernels/cpu/targets.h"
#include "kernels/cpu/vector_math.h"

#ifndef TEMPER_KERNELS_CPU_SSM_SCAN_BACKWARD_TYPES_
#define TEMPER_KERNELS_CPU_SSM_SCAN_BACKWARD_TYPES_
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

struct SsmHeadSums {
  double a_log = 0, d = 0, dt_bias = 0;
};

}  // namespace temper::kernels::cpu
#endif  // TEMPER_KERNELS_CPU_SSM_SCAN_BACKWARD_TYPES_

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

ChunkDecay DecayOf(const HeadMemory& memory, int64_t chunk) {
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
float PrepareSteps(const SsmHead& head, const HeadMemory& memory) {
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
void LoadRows(View<const float> from, int64_t first, float* to, int64_t width) {
  for (int64_t j = 0; j < kChunk; ++j) {
    const int64_t count = first + j < from.rows ? from.cols : 0;
    if (count > 0) std::copy_n(from.row(first + j), count, to + j * width);
    std::fill(to + j * width + count, to + (j + 1) * width, 0.0f);
  }
}
// Asks for the same rows of the chunk to be worked next: rows lie a model's width apart, where no
// hardware looks ahead.
void PrefetchRows(View<const float> rows, int64_t first) {
  if (first < 0) return;
  for (int64_t j = first; j < std::min(first + kChunk, rows.rows); ++j) {
    for (int64_t i = 0; i < rows.cols; i += 16) hwy::Prefetch(rows.row(j) + i);
  }
}
void StoreRows(const float* from, int64_t width, int64_t first, bool add, View<float> to) {
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
void ScaleRows(const Lanes16& factor, const float* from, float* to, int64_t width) {
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
void AdvanceState(const SsmHead& head, const HeadMemory& memory, int64_t chunk, const float* start,
                  float* out) {
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
void KeepSpanStates(const SsmHead& head, const HeadMemory& memory) {
  for (int64_t span = 0; span + 1 < memory.spans; ++span) {
    const int64_t first = span * kSpan;
    float* out = memory.state(first + kSpan);
    for (int64_t chunk = first; chunk < first + kSpan; ++chunk) {
      AdvanceState(head, memory, chunk, chunk == first ? memory.state(first) : out, out);
    }
  }
}

void LoadChunk(const SsmHead& head, const HeadMemory& memory, const ChunkDecay& decay,
               int64_t first) {
  LoadRows(head.x, first, memory.x, memory.p);
  LoadRows(head.dy, first, memory.dy, memory.p);
  LoadRows(head.b, first, memory.b, memory.n);
  LoadRows(head.c, first, memory.c, memory.n);
  for (const View<const float>& rows : {head.x, head.dy, head.b, head.c}) {
    PrefetchRows(rows, first - kChunk);
  }
  Transpose(memory.x, memory.p, kChunk, memory.p, memory.x_transposed, kChunk);
  Transpose(memory.b, memory.n, kChunk, memory.n, memory.b_transposed, kChunk);
  ScaleRows(Mul16(decay.to_end, decay.dt), memory.x, memory.weighted_u, memory.p);
  ScaleRows(decay.from_start, memory.dy, memory.decayed_dy, memory.p);
}

// The token-by-token matrices of a chunk. Returns sum_i of gradient of (s_i - s_j) over j < k <= i,
// lane k.
Lanes16 WithinChunk(const HeadMemory& memory, const ChunkDecay& decay) {
  const int64_t p = memory.p, n = memory.n;
  Multiply(kChunk, kChunk, n, {memory.c, n, 1}, {memory.b_transposed, kChunk},
           {.out = memory.cb, .row = kChunk});
  Multiply(kChunk, kChunk, p, {memory.dy, p, 1}, {memory.x_transposed, kChunk},
           {.out = memory.dyx, .row = kChunk});
  HWY_ALIGN float sum[kChunk];
  Store16(decay.sum, sum);
  const Lanes16 zero = Set16(0.0f);
  for (int64_t i = 0; i < kChunk; ++i) {
    const int64_t row = i * kChunk;
    Lanes16 between = Sub16(Set16(sum[i]), decay.sum);
    TEMPER_EACH_PART(between.part[p] = hn::Min(between.part[p], zero.part[p]))
    const Lanes16 decays = Mul16(Exp16(between), Load16(memory.up_to + row));
    const Lanes16 cb = Load16(memory.cb + row);
    const Lanes16 dcb = Mul16(decays, Mul16(decay.dt, Load16(memory.dyx + row)));
    Store16(Mul16(cb, decays), memory.cb_decayed + row);
    Store16(dcb, memory.dcb + row);
    Store16(Mul16(cb, dcb), memory.cb + row);  // now the gradient of s_i - s_j
  }
  Multiply(kChunk, kChunk, kChunk, {memory.cb, kChunk, 1}, {memory.before, kChunk},
           {.out = memory.rectangle, .row = kChunk});
  Lanes16 total = zero;
  for (int64_t i = 0; i < kChunk; ++i) {
    total =
        MulAdd16(Load16(memory.rectangle + i * kChunk), Load16(memory.up_to + i * kChunk), total);
  }
  return total;
}

// sum of a * b over p * n floats.
float StateProduct(const float* a, const float* b, int64_t floats) {
  Lanes16 sum[4] = {Set16(0.0f), Set16(0.0f), Set16(0.0f), Set16(0.0f)};
  for (int64_t i = 0; i < floats; i += 64) {
    for (int64_t k = 0; k < 4; ++k) {
      sum[k] = MulAdd16(Load16(a + i + 16 * k), Load16(b + i + 16 * k), sum[k]);
    }
  }
  return Sum16(Add16(Add16(sum[0], sum[1]), Add16(sum[2], sum[3])));
}

// What a chunk's gradient of dt consists of; lane j is token j.
struct StepGradient {
  Lanes16 x_du;    // x_j . du_j
  Lanes16 to_end;  // gradient of exp(s_last - s_j), times itself
};

// du and dx of the chunk. `after`: there is a gradient of the state at the chunk's end.
StepGradient InputGradients(const SsmHead& head, const HeadMemory& memory, const ChunkDecay& decay,
                            int64_t first, bool after) {
  const int64_t p = memory.p;
  StepGradient gradient = {Set16(0.0f), Set16(0.0f)};
  Product du = {.out = memory.du, .row = kChunk};
  if (after) {
    Multiply(p, kChunk, memory.n, {memory.dstate, memory.n, 1}, {memory.b_transposed, kChunk}, du);
    for (int64_t i = 0; i < p * kChunk; i += kChunk) {
      const Lanes16 share = Mul16(decay.to_end, Load16(memory.du + i));
      Store16(share, memory.du + i);
      gradient.to_end = MulAdd16(share, Load16(memory.x_transposed + i), gradient.to_end);
    }
    gradient.to_end = Mul16(decay.dt, gradient.to_end);
    du.start = memory.du;
    du.start_row = kChunk;
  }
  Multiply(p, kChunk, kChunk, {memory.dy, 1, p}, {memory.cb_decayed, kChunk}, du);
  for (int64_t i = 0; i < p * kChunk; i += kChunk) {
    const Lanes16 value = Load16(memory.du + i);
    gradient.x_du = MulAdd16(value, Load16(memory.x_transposed + i), gradient.x_du);
    Store16(Mul16(decay.dt, value), memory.du + i);
  }
  Transpose(memory.du, kChunk, p, kChunk, memory.dx, p);
  const Lanes16 d = Set16(head.d);
  for (int64_t i = 0; i < kChunk * p; i += 16) {
    Store16(MulAdd16(d, Load16(memory.dy + i), Load16(memory.dx + i)), memory.dx + i);
  }
  StoreRows(memory.dx, p, first, false, head.dx);
  return gradient;
}

// dB and dC of the chunk. from_start: [16], the gradient of exp(s_i), times itself.
void MatrixGradients(const SsmHead& head, const HeadMemory& memory, int64_t chunk, bool after,
                     float* from_start) {
  const int64_t p = memory.p, n = memory.n;
  std::fill_n(from_start, kChunk, 0.0f);
  Product dc = {.out = memory.dc, .row = n};
  if (chunk > 0) {
    Multiply(kChunk, n, p, {memory.decayed_dy, p, 1}, {memory.state(chunk), n}, dc);
    for (int64_t i = 0; i < kChunk; ++i) {
      from_start[i] = Dot16(memory.dc + i * n, memory.c + i * n, n);
    }
    dc.start = memory.dc;
    dc.start_row = n;
  }
  Multiply(kChunk, n, kChunk, {memory.dcb, kChunk, 1}, {memory.b, n}, dc);
  StoreRows(memory.dc, n, chunk * kChunk, !head.first_of_group, head.dc);

  Product db = {.out = memory.db, .row = n};
  if (after) {
    Multiply(kChunk, n, p, {memory.weighted_u, p, 1}, {memory.dstate, n}, db);
    db.start = memory.db;
    db.start_row = n;
  }
  Multiply(kChunk, n, kChunk, {memory.dcb, 1, kChunk}, {memory.c, n}, db);
  StoreRows(memory.db, n, chunk * kChunk, !head.first_of_group, head.db);
}

// d loss / d dt of the chunk's tokens, written, and the sums of the head's parameters.
void StepGradients(const SsmHead& head, const HeadMemory& memory, int64_t chunk, float a,
                   const StepGradient& gradient, const float* dlam, SsmHeadSums& sums) {
  HWY_ALIGN float x_du[kChunk];
  Store16(gradient.x_du, x_du);
  const int64_t first = chunk * kChunk, count = std::min(kChunk, head.tokens - first);
  for (int64_t j = 0; j < count; ++j) {
    const float raw = (x_du[j] + a * dlam[j]) * memory.slope[first + j];
    *head.ddt.row(first + j) = raw;
    sums.dt_bias += raw;
    sums.a_log += static_cast<double>(a) * memory.dt[first + j] * dlam[j];
    sums.d += memory.dyx[j * kChunk + j];
  }
}

void ChunkBackward(const SsmHead& head, const HeadMemory& memory, int64_t chunk, float a,
                   SsmHeadSums& sums) {
  const bool after = chunk + 1 < memory.chunks;
  const ChunkDecay decay = DecayOf(memory, chunk);
  LoadChunk(head, memory, decay, chunk * kChunk);
  HWY_ALIGN float dlam[kChunk], to_end[kChunk], from_start[kChunk];
  Store16(WithinChunk(memory, decay), dlam);
  const StepGradient gradient = InputGradients(head, memory, decay, chunk * kChunk, after);
  MatrixGradients(head, memory, chunk, after, from_start);
  Store16(gradient.to_end, to_end);

  // s_k takes part in exp(s_i) for i >= k, in exp(s_last - s_j) for j < k, and in exp(s_last).
  float whole = 0;
  if (after && chunk > 0) {
    whole = decay.whole * StateProduct(memory.dstate, memory.state(chunk), memory.p * memory.n);
  }
  float suffix = 0, prefix = 0;
  for (int64_t k = kChunk; k-- > 0;) dlam[k] += suffix += from_start[k];
  for (int64_t k = 0; k < kChunk; ++k) {
    dlam[k] += prefix + whole;
    prefix += to_end[k];
  }
  StepGradients(head, memory, chunk, a, gradient, dlam, sums);
  if (chunk > 0) {
    Multiply(memory.p, memory.n, kChunk, {memory.decayed_dy, 1, memory.p}, {memory.c, memory.n},
             {.out = memory.dstate,
              .row = memory.n,
              .start = after ? memory.dstate : nullptr,
              .start_row = memory.n,
              .scale = decay.whole});
  }
}

void ScanHeadBackward(const SsmHead& head, Scratch& scratch, SsmHeadSums& sums) {
  const HeadMemory memory(head, scratch);
  const float a = PrepareSteps(head, memory);
  KeepSpanStates(head, memory);
  for (int64_t span = memory.spans; span-- > 0;) {
    const int64_t first = span * kSpan, end = std::min(first + kSpan, memory.chunks);
    for (int64_t chunk = first; chunk + 1 < end; ++chunk) {
      AdvanceState(head, memory, chunk, memory.state(chunk), memory.state(chunk + 1));
    }
    for (int64_t chunk = end; chunk-- > first;) ChunkBackward(head, memory, chunk, a, sums);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(ScanHeadBackward);

void SsmScanBackward(Stream& stream, const SsmShape& shape, std::span<const Segment> segments,
                     const SsmInputs& inputs, const SsmParameters& parameters, View<const float> dy,
                     const SsmInputGradients& input_gradients,
                     const SsmParameterGradients& parameter_gradients) {
  TEMPER_KERNEL_CHECK(shape.groups > 0 && shape.heads % shape.groups == 0);
  TEMPER_KERNEL_CHECK(dy.cols == shape.heads * shape.head_dim && dy.rows == inputs.x.rows);
  TEMPER_KERNEL_CHECK(inputs.b.cols == shape.groups * shape.state);
  TEMPER_KERNEL_CHECK(inputs.dt.cols == shape.heads);
  const int64_t per_group = shape.heads / shape.groups, p = shape.head_dim, n = shape.state;
  const int64_t count = static_cast<int64_t>(segments.size());
  std::vector<SsmHeadSums> sums(count * shape.heads);
  Cpu(stream).pool().ParallelFor(count * shape.groups, [&](int64_t item) {
    static thread_local Scratch scratch;
    const int64_t s = item / shape.groups, group = item % shape.groups;
    const auto part = [&](auto view, int64_t first, int64_t columns) {
      return view.Rows(segments[s].begin, segments[s].length).Columns(first, columns);
    };
    for (int64_t h = group * per_group; h < (group + 1) * per_group; ++h) {
      const SsmHead head = {.tokens = segments[s].length,
                            .head_dim = p,
                            .state = n,
                            .dt_min = shape.dt_min,
                            .dt_max = shape.dt_max,
                            .a_log = parameters.a_log[h],
                            .d = parameters.d[h],
                            .dt_bias = parameters.dt_bias[h],
                            .x = part(inputs.x, h * p, p),
                            .dy = part(dy, h * p, p),
                            .b = part(inputs.b, group * n, n),
                            .c = part(inputs.c, group * n, n),
                            .dt = part(inputs.dt, h, 1),
                            .dx = part(input_gradients.x, h * p, p),
                            .db = part(input_gradients.b, group * n, n),
                            .dc = part(input_gradients.c, group * n, n),
                            .ddt = part(input_gradients.dt, h, 1),
                            .first_of_group = h == group * per_group};
      HWY_DYNAMIC_DISPATCH(ScanHeadBackward)(head, scratch, sums[s * shape.heads + h]);
    }
  });
  for (int64_t h = 0; h < shape.heads; ++h) {
    SsmHeadSums total;
    for (int64_t s = 0; s < count; ++s) {
      const SsmHeadSums& part = sums[s * shape.heads + h];
      total.a_log += part.a_log;
      total.d += part.d;
      total.dt_bias += part.dt_bias;
    }
    parameter_gradients.a_log[h] += static_cast<float>(total.a_log);
    parameter_gradients.d[h] += static_cast<float>(total.d);
    parameter_gradients.dt_bias[h] += static_cast<float>(total.dt_bias);
  }
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
