// Causal depthwise convolution with SiLU, forward and backward: lanes run over channels.
//
// Taps are summed oldest first onto the bias, in one chain of fused multiply-adds a channel,
// whether the inputs before a token come from this call or from the state an earlier call left.
#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/targets.h"
#include "kernels/cpu/vector_math.h"

#ifndef TEMPER_KERNELS_CPU_CONV_TYPES_
#define TEMPER_KERNELS_CPU_CONV_TYPES_
namespace temper::kernels::cpu {

inline constexpr int64_t kTapsMax = 8;
inline constexpr int64_t kChannelsPerItem = 128;

// Channels [first, first + count) of a convolution; count <= kChannelsPerItem.
struct ConvColumns {
  int64_t first;
  int64_t count;
  int64_t taps;
  int64_t padded;       // floats between taps of `weight`: all channels, rounded up
  const float* weight;  // [taps, padded]
  const float* bias;    // [padded]
};

}  // namespace temper::kernels::cpu
#endif  // TEMPER_KERNELS_CPU_CONV_TYPES_

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE Lanes16 LoadUpTo16(const float* from, int64_t count) {
  return count < 16 ? LoadSome16(from, count) : Load16(from);
}
HWY_INLINE void StoreUpTo16(const Lanes16& a, float* to, int64_t count) {
  if (count < 16) {
    StoreSome16(a, to, count);
  } else {
    Store16(a, to);
  }
}

// The pre-activation of sixteen channels: inputs[k] meets tap k.
HWY_INLINE Lanes16 Convolve(const ConvColumns& columns, int64_t at, const float* const* inputs) {
  const int64_t channel = columns.first + at, count = columns.count - at;
  Lanes16 sum = Load16(columns.bias + channel);
  for (int64_t k = 0; k < columns.taps; ++k) {
    sum = MulAdd16(Load16(columns.weight + k * columns.padded + channel),
                   LoadUpTo16(inputs[k] + channel, count), sum);
  }
  return sum;
}

// One token. inputs[k]: row of all channels that tap k reads.
void ConvToken(const ConvColumns& columns, const float* const* inputs, float* y) {
  for (int64_t at = 0; at < columns.count; at += 16) {
    StoreUpTo16(Silu16(Convolve(columns, at, inputs)), y + columns.first + at, columns.count - at);
  }
}

// One token backward. slope: [kChannelsPerItem], written: d loss / d pre-activation.
// weight_sum: [taps + 1, kChannelsPerItem], accumulated; the last row is the bias.
void ConvTokenSlope(const ConvColumns& columns, const float* const* inputs, const float* dy,
                    float* slope, float* weight_sum) {
  for (int64_t at = 0; at < columns.count; at += 16) {
    const int64_t channel = columns.first + at, count = columns.count - at;
    const Lanes16 before = Convolve(columns, at, inputs);
    Lanes16 gradient = LoadUpTo16(dy + channel, count);
    TEMPER_EACH_PART(gradient.part[p] = hn::Mul(gradient.part[p], SiluSlope(D16(), before.part[p])))
    Store16(gradient, slope + at);
    for (int64_t k = 0; k < columns.taps; ++k) {
      float* sum = weight_sum + k * kChannelsPerItem + at;
      Store16(MulAdd16(gradient, LoadUpTo16(inputs[k] + channel, count), Load16(sum)), sum);
    }
    float* sum = weight_sum + columns.taps * kChannelsPerItem + at;
    Store16(Add16(gradient, Load16(sum)), sum);
  }
}

// dx of one token from the slopes of the tokens its input reached: slopes[k] is the one that read
// it with tap k.
void ConvTokenInput(const ConvColumns& columns, const float* const* slopes, float* dx) {
  for (int64_t at = 0; at < columns.count; at += 16) {
    const int64_t channel = columns.first + at;
    Lanes16 sum = Set16(0.0f);
    for (int64_t k = 0; k < columns.taps; ++k) {
      sum = MulAdd16(Load16(columns.weight + k * columns.padded + channel), Load16(slopes[k] + at),
                     sum);
    }
    StoreUpTo16(sum, dx + channel, columns.count - at);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {
namespace {

HWY_EXPORT(ConvToken);
HWY_EXPORT(ConvTokenSlope);
HWY_EXPORT(ConvTokenInput);

// Taps and bias with lanes over channels, and a row of zeros to stand before a sequence.
struct ConvWeights {
  ConvWeights(View<const float> weight, const float* bias, Scratch& scratch)
      : channels(weight.rows), taps(weight.cols), padded(RoundUpTo16(weight.rows)) {
    TEMPER_KERNEL_CHECK(taps >= 1 && taps <= kTapsMax);
    memory = scratch.Take((taps + 2) * padded);
    std::fill_n(memory, (taps + 2) * padded, 0.0f);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t k = 0; k < taps; ++k) memory[k * padded + c] = weight.row(c)[k];
      if (bias != nullptr) memory[taps * padded + c] = bias[c];
    }
  }
  const float* zeros() const { return memory + (taps + 1) * padded; }
  int64_t items() const { return (channels + kChannelsPerItem - 1) / kChannelsPerItem; }
  ConvColumns Columns(int64_t item) const {
    const int64_t first = item * kChannelsPerItem;
    return {first,  std::min(kChannelsPerItem, channels - first),
            taps,   padded,
            memory, memory + taps * padded};
  }

  int64_t channels;
  int64_t taps;
  int64_t padded;
  float* memory;
};

// inputs[k] of token t: rows of this segment, then the state's, then zeros.
void FindInputs(const Segment& segment, int64_t t, const ConvWeights& weights, View<const float> x,
                const float* state, const float** inputs) {
  for (int64_t k = 0; k < weights.taps; ++k) {
    const int64_t at = t - (weights.taps - 1) + k;
    if (at >= 0) {
      inputs[k] = x.row(segment.begin + at);
    } else {
      inputs[k] =
          state == nullptr ? weights.zeros() : state + (at + weights.taps - 1) * weights.channels;
    }
  }
}

// The last taps-1 inputs after the segment, oldest first; a short segment shifts what was there.
void AdvanceState(const Segment& segment, const ConvColumns& columns, int64_t channels,
                  View<const float> x, float* state) {
  const int64_t kept = columns.taps - 1;
  for (int64_t i = 0; i < kept; ++i) {
    const int64_t at = segment.length - kept + i;
    const float* from = at >= 0 ? x.row(segment.begin + at) : state + (at + kept) * channels;
    std::copy_n(from + columns.first, columns.count, state + i * channels + columns.first);
  }
}

// Gradients of one item's channels. Each segment is summed apart and then added to the totals, in
// order.
void ColumnsBackward(std::span<const Segment> segments, const ConvWeights& weights,
                     const ConvColumns& columns, View<const float> x, View<const float> dy,
                     View<float> dx, View<float> weight_gradient, float* bias_gradient) {
  const int64_t taps = columns.taps;
  const float* inputs[kTapsMax];
  const float* reached[kTapsMax];
  float slopes[kTapsMax][kChannelsPerItem];  // token t's lies at t % taps
  float sums[(kTapsMax + 1) * kChannelsPerItem];
  static constexpr float kNothing[kChannelsPerItem] = {};
  for (const Segment& segment : segments) {
    std::fill(std::begin(sums), std::end(sums), 0.0f);
    // Token t's input is read by tokens t .. t+taps-1, so its dx is ready taps-1 tokens later.
    for (int64_t t = 0; t < segment.length + taps - 1; ++t) {
      if (t < segment.length) {
        FindInputs(segment, t, weights, x, nullptr, inputs);
        HWY_DYNAMIC_DISPATCH(ConvTokenSlope)
        (columns, inputs, dy.row(segment.begin + t), slopes[t % taps], sums);
      }
      const int64_t ready = t - (taps - 1);
      if (ready < 0) continue;
      for (int64_t k = 0; k < taps; ++k) {
        const int64_t reader = ready + (taps - 1) - k;
        reached[k] = reader < segment.length ? slopes[reader % taps] : kNothing;
      }
      HWY_DYNAMIC_DISPATCH(ConvTokenInput)(columns, reached, dx.row(segment.begin + ready));
    }
    for (int64_t c = 0; c < columns.count; ++c) {
      for (int64_t k = 0; k < taps; ++k) {
        weight_gradient.row(columns.first + c)[k] += sums[k * kChannelsPerItem + c];
      }
      if (bias_gradient != nullptr) {
        bias_gradient[columns.first + c] += sums[taps * kChannelsPerItem + c];
      }
    }
  }
}

}  // namespace

void ConvSilu(Stream& stream, std::span<const Segment> segments, View<const float> x,
              View<const float> weight, const float* bias, std::span<float* const> states,
              View<float> y) {
  static thread_local Scratch scratch;
  const ConvWeights weights(weight, bias, scratch);
  TEMPER_KERNEL_CHECK(x.cols == weights.channels && y.cols == x.cols && y.rows == x.rows);
  TEMPER_KERNEL_CHECK(states.empty() || states.size() == segments.size());
  const int64_t items = static_cast<int64_t>(segments.size()) * weights.items();
  // A few microseconds a range: a token of one item takes about a quarter.
  const int64_t grain =
      std::clamp<int64_t>(16 * items / std::max<int64_t>(1, x.rows * weights.items()), 1, 16);
  Cpu(stream).pool().ParallelRanges(items, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t s = i / weights.items();
      const Segment& segment = segments[s];
      const ConvColumns columns = weights.Columns(i % weights.items());
      float* state = states.empty() ? nullptr : states[s];
      const float* inputs[kTapsMax];
      for (int64_t t = 0; t < segment.length; ++t) {
        FindInputs(segment, t, weights, x, state, inputs);
        HWY_DYNAMIC_DISPATCH(ConvToken)(columns, inputs, y.row(segment.begin + t));
      }
      if (state != nullptr) AdvanceState(segment, columns, weights.channels, x, state);
    }
  });
}

void ConvSiluBackward(Stream& stream, std::span<const Segment> segments, View<const float> x,
                      View<const float> weight, const float* bias, View<const float> dy,
                      View<float> dx, View<float> weight_gradient, float* bias_gradient) {
  static thread_local Scratch scratch;
  const ConvWeights weights(weight, bias, scratch);
  TEMPER_KERNEL_CHECK(x.cols == weights.channels && dy.cols == x.cols && dx.cols == x.cols);
  TEMPER_KERNEL_CHECK(weight_gradient.rows == weight.rows && weight_gradient.cols == weight.cols);
  Cpu(stream).pool().ParallelFor(weights.items(), [&](int64_t item) {
    ColumnsBackward(segments, weights, weights.Columns(item), x, dy, dx, weight_gradient,
                    bias_gradient);
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
