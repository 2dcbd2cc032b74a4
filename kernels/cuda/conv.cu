// Causal depthwise convolution with SiLU, forward and backward: a thread has a channel.
//
// Taps are summed oldest first onto the bias, in one chain of fused multiply-adds, whether the
// inputs before a token come from this call or from the state that an earlier call left.
//
// Tokens are cut into tiles that never reach over the end of a segment: a decode step has a tile of
// one token for each of hundreds of segments, a prompt one for every kTileTokens tokens. Limited by
// memory: forward reads x (and taps-1 rows more a tile, from the L2 cache) and writes y.
#include <type_traits>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kTapsMax = 8;
constexpr int kTileTokens = 32;
constexpr int kBatch = 4;  // tokens whose inputs a thread loads before it stores anything
static_assert(kTileTokens >= kTapsMax && kTileTokens % kBatch == 0);

struct Tile {
  int64_t row = 0;         // its first token
  int64_t left = 0;        // rows of the segment from there on: more than the tile's own
  float* state = nullptr;  // the segment's, or null
  bool first = false;      // whether it begins the segment
};

// An input before the segment: state: [taps - 1, channels] or null; `back` is at most taps - 1.
__device__ __forceinline__ float InputBefore(const float* state, int taps, int back,
                                             int64_t channels, int64_t channel) {
  return state == nullptr ? 0.0f : state[(taps - 1 - back) * channels + channel];
}

// window[i] = the input kTaps - 1 - i tokens before the tile, for its first kTaps - 1 places.
template <int kTaps, int kPlaces>
__device__ __forceinline__ void LoadInputsBefore(const Tile& tile, Matrix<const float> x,
                                                 int64_t channel, float (&window)[kPlaces]) {
#pragma unroll
  for (int i = 0; i < kTaps - 1; ++i) {
    const int back = kTaps - 1 - i;
    window[i] = tile.first ? InputBefore(tile.state, kTaps, back, x.cols, channel)
                           : x.at(tile.row - back, channel);
  }
}

template <int kTaps>
__device__ __forceinline__ void LoadWeights(Matrix<const float> weight, int64_t channel,
                                            float (&w)[kTaps]) {
#pragma unroll
  for (int k = 0; k < kTaps; ++k) w[k] = weight.at(channel, k);
}

// The pre-activation of a token: inputs[k] meets tap k.
template <int kTaps>
__device__ __forceinline__ float Convolve(float bias, const float (&w)[kTaps],
                                          const float* inputs) {
  float sum = bias;
#pragma unroll
  for (int k = 0; k < kTaps; ++k) sum = fmaf(w[k], inputs[k], sum);
  return sum;
}

// A batch later: the last kTaps - 1 places become the first.
template <int kTaps, int kPlaces>
__device__ __forceinline__ void MoveOn(float (&window)[kPlaces]) {
#pragma unroll
  for (int i = 0; i < kTaps - 1; ++i) window[i] = window[i + kBatch];
}

// The last taps - 1 inputs up to the segment's end, oldest first; a short segment shifts what was
// there. Only the segment's first tile does it, after its tokens: of all tiles it alone reads the
// state (kTileTokens >= taps - 1), and of all threads this one alone has the channel.
__device__ __forceinline__ void AdvanceState(const Tile& tile, Matrix<const float> x, int taps,
                                             int64_t channel) {
  const int64_t kept = taps - 1;
  for (int64_t i = 0; i < kept; ++i) {
    const int64_t at = tile.left - kept + i;
    tile.state[i * x.cols + channel] =
        at >= 0 ? x.at(tile.row + at, channel) : tile.state[(at + kept) * x.cols + channel];
  }
}

// grid: (tiles, blocks of channels)
template <int kTaps>
__global__ void ConvSiluKernel(const Tile* tiles, Matrix<const float> x, Matrix<const float> weight,
                               const float* bias, Matrix<float> y) {
  const int64_t channel = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (channel >= x.cols) return;
  const Tile tile = tiles[blockIdx.x];
  const int count = tile.left < kTileTokens ? static_cast<int>(tile.left) : kTileTokens;
  float w[kTaps];
  LoadWeights(weight, channel, w);
  const float offset = bias == nullptr ? 0.0f : bias[channel];
  float inputs[kTaps - 1 + kBatch] = {};  // of tokens t - (kTaps - 1) .. t + kBatch - 1
  LoadInputsBefore<kTaps>(tile, x, channel, inputs);
  for (int t = 0; t < count; t += kBatch) {
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (t + i < count) inputs[kTaps - 1 + i] = x.at(tile.row + t + i, channel);
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (t + i < count) y.at(tile.row + t + i, channel) = Silu(Convolve(offset, w, inputs + i));
    }
    MoveOn<kTaps>(inputs);
  }
  if (tile.first && tile.state != nullptr) AdvanceState(tile, x, kTaps, channel);
}

// d silu(v) / dv.
__device__ __forceinline__ float SiluSlope(float v) {
  const float sigmoid = Sigmoid(v);
  return sigmoid * (1.0f + v * (1.0f - sigmoid));
}

// dx of the tile's tokens, and the tile's share of the parameters' gradients.
//
// A token's input is read by kTaps - 1 tokens after it: their slopes (d loss / d pre-activation)
// are computed here too, a tenth more work, so that tiles need nothing of each other.
// sums: [tiles, kTaps + 1, channels]; the last row of a tile is the bias's.
template <int kTaps>
__global__ void ConvBackwardKernel(const Tile* tiles, Matrix<const float> x,
                                   Matrix<const float> weight, const float* bias,
                                   Matrix<const float> dy, Matrix<float> dx, float* sums) {
  const int64_t channel = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (channel >= x.cols) return;
  const Tile tile = tiles[blockIdx.x];
  const int count = tile.left < kTileTokens ? static_cast<int>(tile.left) : kTileTokens;
  constexpr int kReach = kTileTokens + kTaps - 1;
  const int reach = tile.left < kReach ? static_cast<int>(tile.left) : kReach;
  float w[kTaps];
  LoadWeights(weight, channel, w);
  const float offset = bias == nullptr ? 0.0f : bias[channel];
  float sum[kTaps + 1] = {};
  // Of tokens t - (kTaps - 1) .. t + kBatch - 1.
  float inputs[kTaps - 1 + kBatch] = {}, slopes[kTaps - 1 + kBatch] = {};
  LoadInputsBefore<kTaps>(tile, x, channel, inputs);
  for (int t = 0; t < count + kTaps - 1; t += kBatch) {
    float gradient[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const bool inside = t + i < reach;
      inputs[kTaps - 1 + i] = inside ? x.at(tile.row + t + i, channel) : 0.0f;
      gradient[i] = inside ? dy.at(tile.row + t + i, channel) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const float slope = gradient[i] * SiluSlope(Convolve(offset, w, inputs + i));
      slopes[kTaps - 1 + i] = t + i < reach ? slope : 0.0f;
      if (t + i >= count) continue;
#pragma unroll
      for (int k = 0; k < kTaps; ++k) sum[k] = fmaf(slope, inputs[i + k], sum[k]);
      sum[kTaps] += slope;
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int ready = t + i - (kTaps - 1);  // all that read its input are known
      if (ready < 0 || ready >= count) continue;
      float d = 0.0f;
#pragma unroll
      for (int k = 0; k < kTaps; ++k) d = fmaf(w[k], slopes[i + kTaps - 1 - k], d);
      dx.at(tile.row + ready, channel) = d;
    }
    MoveOn<kTaps>(inputs);
    MoveOn<kTaps>(slopes);
  }
  float* const own = sums + static_cast<int64_t>(blockIdx.x) * (kTaps + 1) * x.cols + channel;
#pragma unroll
  for (int k = 0; k <= kTaps; ++k) own[k * x.cols] = sum[k];
}

// Adds the sums over the tiles to the gradients. bias: may be null
struct AddToParameters {
  int64_t channels;
  Matrix<float> weight;
  float* bias;
  __device__ __forceinline__ void operator()(int64_t column, float sum) const {
    const int64_t k = column / channels, channel = column % channels;
    if (k < weight.cols) {
      weight.at(channel, k) += sum;
    } else if (bias != nullptr) {
      bias[channel] += sum;
    }
  }
};

std::vector<Tile> TilesOf(std::span<const Segment> segments, std::span<float* const> states) {
  std::vector<Tile> tiles;
  for (size_t s = 0; s < segments.size(); ++s) {
    for (int64_t begin = 0; begin < segments[s].length; begin += kTileTokens) {
      tiles.push_back({.row = segments[s].begin + begin,
                       .left = segments[s].length - begin,
                       .state = states.empty() ? nullptr : states[s],
                       .first = begin == 0});
    }
  }
  return tiles;
}

dim3 GridFor(const std::vector<Tile>& tiles, int64_t channels) {
  return dim3(static_cast<unsigned>(tiles.size()),
              static_cast<unsigned>((channels + kThreads - 1) / kThreads));
}

// launch(the number of taps, as a constant).
template <class Launch>
void ForTaps(int64_t taps, Launch launch) {
  switch (taps) {
    case 1:
      return launch(std::integral_constant<int, 1>());
    case 2:
      return launch(std::integral_constant<int, 2>());
    case 3:
      return launch(std::integral_constant<int, 3>());
    case 4:
      return launch(std::integral_constant<int, 4>());
    case 5:
      return launch(std::integral_constant<int, 5>());
    case 6:
      return launch(std::integral_constant<int, 6>());
    case 7:
      return launch(std::integral_constant<int, 7>());
    case 8:
      return launch(std::integral_constant<int, 8>());
    default:
      TEMPER_KERNEL_CHECK(taps >= 1 && taps <= kTapsMax);
  }
}

void ConvSilu(Stream& stream, std::span<const Segment> segments, View<const float> x,
              View<const float> weight, const float* bias, std::span<float* const> states,
              View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(x.cols == weight.rows && y.cols == x.cols && y.rows == x.rows);
  TEMPER_KERNEL_CHECK(states.empty() || states.size() == segments.size());
  const std::vector<Tile> tiles = TilesOf(segments, states);
  const Tile* const uploaded = cuda.Upload(std::span<const Tile>(tiles));
  ForTaps(weight.cols, [&](auto taps) {
    TEMPER_LAUNCH(ConvSiluKernel<taps()>, cuda, GridFor(tiles, x.cols), kThreads, 0, uploaded, x,
                  weight, bias, y);
  });
}

void ConvSiluBackward(Stream& stream, std::span<const Segment> segments, View<const float> x,
                      View<const float> weight, const float* bias, View<const float> dy,
                      View<float> dx, View<float> weight_gradient, float* bias_gradient) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(x.cols == weight.rows && dy.cols == x.cols && dx.cols == x.cols);
  TEMPER_KERNEL_CHECK(x.rows == dy.rows && x.rows == dx.rows);
  TEMPER_KERNEL_CHECK(weight_gradient.rows == weight.rows && weight_gradient.cols == weight.cols);
  const std::vector<Tile> tiles = TilesOf(segments, {});
  if (tiles.empty()) return;
  const Tile* const uploaded = cuda.Upload(std::span<const Tile>(tiles));
  const int64_t count = static_cast<int64_t>(tiles.size());
  const int64_t cols = (weight.cols + 1) * x.cols;
  float* const sums = cuda.Scratch<float>(count * cols);
  ForTaps(weight.cols, [&](auto taps) {
    TEMPER_LAUNCH(ConvBackwardKernel<taps()>, cuda, GridFor(tiles, x.cols), kThreads, 0, uploaded,
                  x, weight, bias, dy, dx, sums);
  });
  SumOverBlocks(cuda, sums, count, cols, AddToParameters{x.cols, weight_gradient, bias_gradient});
}

}  // namespace

void AddConvOps(Ops& ops) {
  ops.conv_silu = ConvSilu;
  ops.conv_silu_backward = ConvSiluBackward;
}

}  // namespace temper::kernels::cuda
