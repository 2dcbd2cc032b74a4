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
  // All tokens less likely than this together cannot fill what `mass` leaves of the total, so none
  // of them belongs to the set; the rest is few enough to sort.
  double total = 0.0;
  for (const double sum : block_sums_) total += sum;
  const double least = (total - mass) / static_cast<double>(probabilities_.size()) * 0.5;
  candidates_.clear();
  for (size_t i = 0; i < probabilities_.size(); ++i) {
    if (probabilities_[i] > least) candidates_.push_back(static_cast<int32_t>(i));
  }
  std::sort(candidates_.begin(), candidates_.end(), [this](int32_t a, int32_t b) {
    return probabilities_[a] != probabilities_[b] ? probabilities_[a] > probabilities_[b] : a < b;
  });
  double kept = 0.0;
  size_t size = 0;
  while (size < candidates_.size() && kept < mass) kept += probabilities_[candidates_[size++]];
  const double wanted = uniform * kept;
  double sum = 0.0;
  for (size_t i = 0; i < size; ++i) {
    sum += probabilities_[candidates_[i]];
    if (sum > wanted) return candidates_[i];
  }
  return candidates_[size - 1];
}

}  // namespace temper::rollout
