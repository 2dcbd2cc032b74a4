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
#include <vector>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/ssm_scan_backward.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/small_gemm-inl.h"
#include "kernels/cpu/ssm_chunk-inl.h"
#include "kernels/cpu/targets.h"
#include "kernels/cpu/vector_math.h"

#ifndef TEMPER_KERNELS_CPU_SSM_SCAN_BACKWARD_SUMS_
#define TEMPER_KERNELS_CPU_SSM_SCAN_BACKWARD_SUMS_
namespace temper::kernels::cpu {

// Gradients of a head's parameters over one segment.
struct SsmHeadSums {
  double a_log = 0, d = 0, dt_bias = 0;
};

}  // namespace temper::kernels::cpu
#endif  // TEMPER_KERNELS_CPU_SSM_SCAN_BACKWARD_SUMS_

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

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
