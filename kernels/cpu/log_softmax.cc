// Log-probabilities of softmax(logits / temperature): one arithmetic for sampler and learner.
//
// A row is cut into blocks of kBlock columns, always; a block's sums run over 64 chains in column
// order and blocks add up in order. Threads share rows, or blocks when rows are few: the bits are
// the same.
#include <algorithm>
#include <vector>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/log_softmax.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
// clang-format on

#ifndef TEMPER_KERNELS_CPU_LOG_SOFTMAX_
#define TEMPER_KERNELS_CPU_LOG_SOFTMAX_
namespace temper::kernels::cpu {

inline constexpr int64_t kBlock = 4096;

// Sums over the columns of a block or of a row, relative to the row's greatest scaled logit `most`.
struct SoftmaxSums {
  float weight = 0;  // sum of exp(scaled - most)
  float moment = 0;  // sum of exp(scaled - most) * (scaled - most)
};
struct RowNorm {
  float lse = 0;
  float entropy = 0;
};
// One row of target_log_prob_backward.
struct RowGradient {
  float inverse_temperature, lse, entropy, dlogprob, dentropy;
  int32_t target;
};

}  // namespace temper::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// The greatest scaled logit. Scaling by a positive number keeps the order, also after rounding.
float BlockMax(const float* logits, int64_t n, float inverse_temperature) {
  constexpr float kLeast = -__builtin_inff();
  Lanes16 most[4] = {Set16(kLeast), Set16(kLeast), Set16(kLeast), Set16(kLeast)};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int j = 0; j < 4; ++j) most[j] = Max16(most[j], Load16(logits + i + 16 * j));
  }
  for (; i < n; i += 16) {
    most[0] =
        Max16(most[0], i + 16 <= n ? Load16(logits + i) : LoadSome16(logits + i, n - i, kLeast));
  }
  return inverse_temperature * Max16Lane(Max16(Max16(most[0], most[1]), Max16(most[2], most[3])));
}

HWY_INLINE void AddSixteen(const Lanes16& logits, const Lanes16& scale, const Lanes16& most,
                           Lanes16& weight, Lanes16& moment) {
  const Lanes16 below = Sub16(Mul16(logits, scale), most);
  const Lanes16 e = Exp16(below);
  weight = Add16(weight, e);
  // exp is 0 below -87.3; the bound keeps 0 * infinity out.
  moment = MulAdd16(e, Max16(below, Set16(-128.0f)), moment);
}

SoftmaxSums BlockSums(const float* logits, int64_t n, float inverse_temperature, float most) {
  const Lanes16 scale = Set16(inverse_temperature), top = Set16(most);
  Lanes16 weight[4] = {Set16(0), Set16(0), Set16(0), Set16(0)};
  Lanes16 moment[4] = {Set16(0), Set16(0), Set16(0), Set16(0)};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int j = 0; j < 4; ++j) {
      AddSixteen(Load16(logits + i + 16 * j), scale, top, weight[j], moment[j]);
    }
  }
  for (; i < n; i += 16) {
    const Lanes16 some =
        i + 16 <= n ? Load16(logits + i) : LoadSome16(logits + i, n - i, -__builtin_inff());
    AddSixteen(some, scale, top, weight[0], moment[0]);
  }
  return {Sum16(Add16(Add16(weight[0], weight[1]), Add16(weight[2], weight[3]))),
          Sum16(Add16(Add16(moment[0], moment[1]), Add16(moment[2], moment[3])))};
}

RowNorm FinishRow(float most, SoftmaxSums sums) {
  const float log_weight = hn::GetLane(Log(D16(), hn::Set(D16(), sums.weight)));
  return {most + log_weight, log_weight - sums.moment / sums.weight};
}

// scaled - lse, in place.
void BlockLogProbs(float* logits, int64_t n, float inverse_temperature, float lse) {
  const Lanes16 scale = Set16(inverse_temperature), norm = Set16(lse);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) Store16(Sub16(Mul16(Load16(logits + i), scale), norm), logits + i);
  if (i == n) return;
  StoreSome16(Sub16(Mul16(LoadSome16(logits + i, n - i), scale), norm), logits + i, n - i);
}

HWY_INLINE Lanes16 GradientSixteen(const Lanes16& logits, const RowGradient& g) {
  const Lanes16 logprob = Sub16(Mul16(logits, Set16(g.inverse_temperature)), Set16(g.lse));
  const Lanes16 p = Exp16(logprob);
  // -p * (dlogprob + dentropy * (logprob + entropy)) / temperature; p = 0 wins over an infinite
  // logprob.
  const Lanes16 surprise = Add16(Max16(logprob, Set16(-128.0f)), Set16(g.entropy));
  const Lanes16 pull = MulAdd16(Set16(g.dentropy), surprise, Set16(g.dlogprob));
  return Mul16(Mul16(p, pull), Set16(-g.inverse_temperature));
}

void GradientRow(float* logits, int64_t n, const RowGradient& g) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) Store16(GradientSixteen(Load16(logits + i), g), logits + i);
  if (i < n) {
    StoreSome16(GradientSixteen(LoadSome16(logits + i, n - i), g), logits + i, n - i);
  }
  logits[g.target] += g.dlogprob * g.inverse_temperature;
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(BlockMax);
HWY_EXPORT(BlockSums);
HWY_EXPORT(FinishRow);
HWY_EXPORT(BlockLogProbs);
HWY_EXPORT(GradientRow);

namespace {

// Calls block(row, index, begin, length) for every block of every row.
class Blocks {
 public:
  Blocks(ThreadPool& pool, int64_t rows, int64_t cols)
      : pool_(pool), rows_(rows), cols_(cols), per_row_((cols + kBlock - 1) / kBlock) {}
  int64_t per_row() const { return per_row_; }
  int64_t total() const { return rows_ * per_row_; }

  template <class Block>
  void ForEach(const Block& block) const {
    pool_.ParallelFor(total(), [&](int64_t i) {
      const int64_t begin = i % per_row_ * kBlock;
      block(i / per_row_, i, begin, std::min(kBlock, cols_ - begin));
    });
  }

 private:
  ThreadPool& pool_;
  const int64_t rows_, cols_, per_row_;
};

// Log-sum-exp and entropy of each row of logits / temperature.
std::vector<RowNorm> NormsOf(const Blocks& blocks, View<const float> logits,
                             float inverse_temperature) {
  std::vector<float> block_max(blocks.total()), row_max(logits.rows);
  const auto most = HWY_DYNAMIC_DISPATCH(BlockMax);
  blocks.ForEach([&](int64_t row, int64_t i, int64_t begin, int64_t n) {
    block_max[i] = most(logits.row(row) + begin, n, inverse_temperature);
  });
  for (int64_t row = 0; row < logits.rows; ++row) {
    const auto first = block_max.begin() + row * blocks.per_row();
    row_max[row] = *std::max_element(first, first + blocks.per_row());
  }
  std::vector<SoftmaxSums> block_sums(blocks.total());
  const auto sums = HWY_DYNAMIC_DISPATCH(BlockSums);
  blocks.ForEach([&](int64_t row, int64_t i, int64_t begin, int64_t n) {
    block_sums[i] = sums(logits.row(row) + begin, n, inverse_temperature, row_max[row]);
  });
  std::vector<RowNorm> norms(logits.rows);
  for (int64_t row = 0; row < logits.rows; ++row) {
    SoftmaxSums total;
    for (int64_t i = 0; i < blocks.per_row(); ++i) {
      total.weight += block_sums[row * blocks.per_row() + i].weight;
      total.moment += block_sums[row * blocks.per_row() + i].moment;
    }
    norms[row] = HWY_DYNAMIC_DISPATCH(FinishRow)(row_max[row], total);
  }
  return norms;
}

float Inverse(float temperature) {
  TEMPER_KERNEL_CHECK(temperature > 0);
  return 1.0f / temperature;
}

}  // namespace

void LogSoftmax(Stream& stream, View<float> logits, float temperature, float* entropy) {
  const float inverse = Inverse(temperature);
  const Blocks blocks(Cpu(stream).pool(), logits.rows, logits.cols);
  const std::vector<RowNorm> norms = NormsOf(blocks, logits, inverse);
  const auto finish = HWY_DYNAMIC_DISPATCH(BlockLogProbs);
  blocks.ForEach([&](int64_t row, int64_t, int64_t begin, int64_t n) {
    finish(logits.row(row) + begin, n, inverse, norms[row].lse);
  });
  if (entropy == nullptr) return;
  for (int64_t row = 0; row < logits.rows; ++row) entropy[row] = norms[row].entropy;
}

void TargetLogProb(Stream& stream, View<const float> logits, std::span<const int32_t> targets,
                   float temperature, float* logprob, float* entropy, float* lse) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(targets.size()) == logits.rows);
  const float inverse = Inverse(temperature);
  const Blocks blocks(Cpu(stream).pool(), logits.rows, logits.cols);
  const std::vector<RowNorm> norms = NormsOf(blocks, logits, inverse);
  const auto finish = HWY_DYNAMIC_DISPATCH(BlockLogProbs);
  for (int64_t row = 0; row < logits.rows; ++row) {
    TEMPER_KERNEL_CHECK(targets[row] >= 0 && targets[row] < logits.cols);
    logprob[row] = logits.row(row)[targets[row]];
    finish(logprob + row, 1, inverse, norms[row].lse);
    if (entropy != nullptr) entropy[row] = norms[row].entropy;
    if (lse != nullptr) lse[row] = norms[row].lse;
  }
}

void TargetLogProbBackward(Stream& stream, View<float> logits, std::span<const int32_t> targets,
                           float temperature, const float* lse, const float* entropy,
                           const float* dlogprob, const float* dentropy) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(targets.size()) == logits.rows);
  TEMPER_KERNEL_CHECK(dentropy == nullptr || entropy != nullptr);
  const float inverse = Inverse(temperature);
  const auto gradient = HWY_DYNAMIC_DISPATCH(GradientRow);
  Cpu(stream).pool().ParallelFor(logits.rows, [&](int64_t row) {
    TEMPER_KERNEL_CHECK(targets[row] >= 0 && targets[row] < logits.cols);
    const bool with_entropy = dentropy != nullptr;
    gradient(logits.row(row), logits.cols,
             {inverse, lse[row], with_entropy ? entropy[row] : 0.0f, dlogprob[row],
              with_entropy ? dentropy[row] : 0.0f, targets[row]});
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
