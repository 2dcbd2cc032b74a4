// Inverse-CDF draws whose bits depend on nothing but their arguments.
#include "rollout/engine/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/philox.h"

namespace temper::rollout {
namespace {

// Sums run over blocks, each with kLanes partial sums added up in order, so that the loop can use
// vectors of any width and still give one bit pattern.
constexpr int64_t kBlock = 256;
constexpr int kLanes = 16;

// e^x for x <= 0 to about 1e-7; 0 below -87, where floats end. Plain operations only, so that it
// becomes vector code and rounds the same everywhere (the build forbids fused multiply-add here).
inline float ExpOfNegative(float x) {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float clamped = x < -87.0f ? -87.0f : x;
  const float shifted = clamped * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * kLn2High) - n * kLn2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) << 23;  // n, moved to its place
  const float value = std::bit_cast<float>(std::bit_cast<int32_t>(p) + exponent);
  return x < -87.0f ? 0.0f : value;
}

void Exponentials(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = ExpOfNegative(x[i]);
}

double BlockSum(const float* p, int64_t count) {
  std::array<float, kLanes> lanes = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += p[i + lane];
  }
  double sum = 0.0;
  for (const float lane : lanes) sum += lane;
  for (; i < count; ++i) sum += p[i];
  return sum;
}

// The sign, the exponent and four bits of a probability name its bucket.
constexpr int kBucketShift = 19;
constexpr uint32_t kBuckets = 1u << (32 - kBucketShift - 1);

}  // namespace

double UniformOf(const DrawPlace& place) {
  const uint64_t low = static_cast<uint64_t>(static_cast<uint32_t>(place.sample)) << 32 |
                       static_cast<uint32_t>(place.position);
  const std::array<uint32_t, 4> bits = Philox(place.seed, place.prompt_hash, low);
  return UnitInterval(bits[0], bits[1]);
}

int32_t Greediest(std::span<const float> row) {
  // max_element keeps the first of equals.
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

std::optional<int32_t> Sampler::Draw(std::span<const float> logprobs, double top_p,
                                     double uniform) {
  const int64_t vocab = static_cast<int64_t>(logprobs.size());
  const int64_t blocks = (vocab + kBlock - 1) / kBlock;
  probabilities_.resize(vocab);
  block_sums_.resize(blocks);
  Exponentials(logprobs.data(), vocab, probabilities_.data());
  double total = 0.0;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t begin = b * kBlock;
    block_sums_[b] = BlockSum(probabilities_.data() + begin, std::min(kBlock, vocab - begin));
    total += block_sums_[b];
  }
  if (!(total > 0.5 && total < 2.0)) return std::nullopt;  // NaN included
  if (top_p > 0.0 && top_p < 1.0) return DrawTruncated(top_p * total, uniform);

  const double wanted = uniform * total;
  double sum = 0.0;
  int64_t block = 0;
  while (block + 1 < blocks && sum + block_sums_[block] <= wanted) sum += block_sums_[block++];
  const int64_t begin = block * kBlock, end = std::min(begin + kBlock, vocab);
  int64_t last = begin;
  for (int64_t i = begin; i < end; ++i) {
    if (probabilities_[i] == 0.0f) continue;
    last = i;
    sum += probabilities_[i];
    if (sum > wanted) break;
  }
  // Rounding may leave `sum` a hair short at the end of the block: its last likely token stands.
  return static_cast<int32_t>(last);
}

std::optional<int32_t> Sampler::DrawTruncated(double mass, double uniform) {
  const Cut cut = FindCut(mass);
  double kept = 0.0;
  for (size_t i = 0; i < probabilities_.size(); ++i) {
    if (cut.Keeps(probabilities_[i], i)) kept += probabilities_[i];
  }
  const double wanted = uniform * kept;
  double sum = 0.0;
  size_t last = 0;
  for (size_t i = 0; i < probabilities_.size(); ++i) {
    if (!cut.Keeps(probabilities_[i], i)) continue;
    last = i;
    sum += probabilities_[i];
    if (sum > wanted) break;
  }
  return static_cast<int32_t>(last);
}

// Probabilities fall into buckets by their leading bits, which sort like the numbers; only the
// bucket in which `mass` is reached needs sorting.
Sampler::Cut Sampler::FindCut(double mass) {
  const auto bucket = [this](size_t i) {
    return std::bit_cast<uint32_t>(probabilities_[i]) >> kBucketShift;
  };
  bucket_sums_.assign(kBuckets, 0.0);
  for (size_t i = 0; i < probabilities_.size(); ++i) bucket_sums_[bucket(i)] += probabilities_[i];
  double kept = 0.0;
  uint32_t crossing = kBuckets - 1;
  while (crossing > 0 && kept + bucket_sums_[crossing] < mass) kept += bucket_sums_[crossing--];
  candidates_.clear();
  for (size_t i = 0; i < probabilities_.size(); ++i) {
    if (bucket(i) == crossing) candidates_.push_back(static_cast<int32_t>(i));
  }
  std::sort(candidates_.begin(), candidates_.end(), [this](int32_t a, int32_t b) {
    return probabilities_[a] != probabilities_[b] ? probabilities_[a] > probabilities_[b] : a < b;
  });
  Cut cut{.least = 0.0f, .last = -1};  // all: rounding may leave `mass` out of reach
  for (const int32_t candidate : candidates_) {
    if (kept >= mass) break;
    kept += probabilities_[candidate];
    cut = {.least = probabilities_[candidate], .last = candidate};
  }
  return cut;
}

}  // namespace temper::rollout
