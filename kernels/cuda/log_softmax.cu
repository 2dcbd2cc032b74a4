// Log-probabilities of softmax(logits / temperature), for sampler and learner alike
// (softmax_row.h), and their gradient.
//
// Memory's speed limits all of it: log_softmax reads the logits twice and writes them once (12
// bytes a logit, the second reading from L2 where rows are few), target_log_prob reads them once
// (4), its backward reads and writes them (8), against one exp a logit.
#include <cstdint>
#include <span>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/softmax_row.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kRowsPerBlock = 4;  // of TargetsKernel: a warp each

int64_t BlocksOfRow(int64_t cols) { return (cols + kSoftmaxBlock - 1) / kSoftmaxBlock; }

// Every block of every row, those of a row one after another.
dim3 BlocksOfRows(int64_t rows, int64_t cols) {
  return dim3(static_cast<unsigned>(rows * BlocksOfRow(cols)));
}

// Where a block of threads works.
struct Place {
  int64_t row, index, begin, left;  // columns [begin, begin + left)

  __device__ __forceinline__ Place(int64_t cols, int64_t per_row)
      : row(blockIdx.x / per_row), index(blockIdx.x % per_row), begin(index * kSoftmaxBlock) {
    left = cols - begin < kSoftmaxBlock ? cols - begin : kSoftmaxBlock;
  }
};

// sums: [rows, per_row]
__global__ void __launch_bounds__(kSoftmaxThreads)
    SumsKernel(Matrix<const float> logits, int64_t per_row, float inverse_temperature,
               SoftmaxSums* sums) {
  __shared__ float shared[kSoftmaxThreads / kWarp];
  const Place place(logits.cols, per_row);
  SoftmaxColumns columns;
  columns.Load(logits.row(place.row) + place.begin, place.left, -INFINITY);
  const SoftmaxSums own = SumsOfBlock(columns, inverse_temperature, shared);
  if (threadIdx.x == 0) sums[place.row * per_row + place.index] = own;
}

__global__ void __launch_bounds__(kSoftmaxThreads)
    LogProbsKernel(Matrix<float> logits, int64_t per_row, float inverse_temperature,
                   const SoftmaxSums* sums, float* entropy) {
  __shared__ SoftmaxNorm shared;
  const Place place(logits.cols, per_row);
  float* const block = logits.row(place.row) + place.begin;
  SoftmaxColumns columns;
  columns.Load(block, place.left, 0.0f);  // under way while the first warp joins the row's blocks
  if (threadIdx.x < kWarp) {
    const SoftmaxNorm norm = NormOfRow(sums + place.row * per_row, per_row, inverse_temperature);
    if (threadIdx.x == 0) {
      shared = norm;
      if (place.index == 0 && entropy != nullptr) entropy[place.row] = norm.entropy;
    }
  }
  __syncthreads();
  const SoftmaxNorm norm = shared;
  columns.ForEach([&](float logit, int) { return LogProb(logit, inverse_temperature, norm); });
  columns.Store(block, place.left);
}

// One warp a row.
__global__ void __launch_bounds__(kRowsPerBlock* kWarp)
    TargetsKernel(Matrix<const float> logits, int64_t per_row, const int32_t* targets,
                  float inverse_temperature, const SoftmaxSums* sums, float* logprob,
                  float* entropy, float* lse) {
  const int64_t row =
      static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + static_cast<int>(threadIdx.x) / kWarp;
  if (row >= logits.rows) return;
  const SoftmaxNorm norm = NormOfRow(sums + row * per_row, per_row, inverse_temperature);
  if (threadIdx.x % kWarp != 0) return;
  logprob[row] = LogProb(logits.at(row, targets[row]), inverse_temperature, norm);
  if (entropy != nullptr) entropy[row] = norm.entropy;
  if (lse != nullptr) lse[row] = LogSumExp(inverse_temperature, norm);
}

// entropy is read only where dentropy is there.
__global__ void __launch_bounds__(kSoftmaxThreads)
    GradientKernel(Matrix<float> logits, int64_t per_row, const int32_t* targets,
                   float inverse_temperature, const float* lse, const float* entropy,
                   const float* dlogprob, const float* dentropy) {
  const Place place(logits.cols, per_row);
  float* const block = logits.row(place.row) + place.begin;
  SoftmaxColumns columns;
  columns.Load(block, place.left, 0.0f);
  const float norm = lse[place.row], d_logprob = dlogprob[place.row];
  const float d_entropy = dentropy == nullptr ? 0.0f : dentropy[place.row];
  const float row_entropy = dentropy == nullptr ? 0.0f : entropy[place.row];
  const int64_t target = targets[place.row] - place.begin;
  columns.ForEach([&](float logit, int column) {
    const float logprob = logit * inverse_temperature - norm;
    // p = 0 wins over an infinite log-probability.
    const float surprise = fmaxf(logprob, kLeastExponent) + row_entropy;
    const float pull = fmaf(d_entropy, surprise, d_logprob);
    const float gradient = expf(logprob) * pull * -inverse_temperature;
    return column == target ? gradient + d_logprob * inverse_temperature : gradient;
  });
  columns.Store(block, place.left);
}

float Inverse(float temperature) {
  TEMPER_KERNEL_CHECK(temperature > 0);
  return 1.0f / temperature;
}

// On the device.
const int32_t* Targets(CudaStream& cuda, std::span<const int32_t> targets, int64_t rows,
                       int64_t cols) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(targets.size()) == rows);
  for (const int32_t target : targets) TEMPER_KERNEL_CHECK(target >= 0 && target < cols);
  return cuda.Upload(targets);
}

SoftmaxSums* SumsOf(CudaStream& cuda, View<const float> logits, float inverse_temperature) {
  const int64_t per_row = BlocksOfRow(logits.cols);
  SoftmaxSums* const sums = cuda.Scratch<SoftmaxSums>(logits.rows * per_row);
  TEMPER_LAUNCH(SumsKernel, cuda, BlocksOfRows(logits.rows, logits.cols), kSoftmaxThreads, 0,
                logits, per_row, inverse_temperature, sums);
  return sums;
}

void LogSoftmax(Stream& stream, View<float> logits, float temperature, float* entropy) {
  CudaStream& cuda = BeginOp(stream);
  const float inverse = Inverse(temperature);
  const SoftmaxSums* const sums = SumsOf(cuda, logits, inverse);
  TEMPER_LAUNCH(LogProbsKernel, cuda, BlocksOfRows(logits.rows, logits.cols), kSoftmaxThreads, 0,
                logits, BlocksOfRow(logits.cols), inverse, sums, entropy);
}

void TargetLogProb(Stream& stream, View<const float> logits, std::span<const int32_t> targets,
                   float temperature, float* logprob, float* entropy, float* lse) {
  CudaStream& cuda = BeginOp(stream);
  const float inverse = Inverse(temperature);
  const int32_t* const chosen = Targets(cuda, targets, logits.rows, logits.cols);
  const SoftmaxSums* const sums = SumsOf(cuda, logits, inverse);
  const dim3 blocks(static_cast<unsigned>((logits.rows + kRowsPerBlock - 1) / kRowsPerBlock));
  TEMPER_LAUNCH(TargetsKernel, cuda, blocks, kRowsPerBlock * kWarp, 0, logits,
                BlocksOfRow(logits.cols), chosen, inverse, sums, logprob, entropy, lse);
}

void TargetLogProbBackward(Stream& stream, View<float> logits, std::span<const int32_t> targets,
                           float temperature, const float* lse, const float* entropy,
                           const float* dlogprob, const float* dentropy) {
  TEMPER_KERNEL_CHECK(dentropy == nullptr || entropy != nullptr);
  CudaStream& cuda = BeginOp(stream);
  const float inverse = Inverse(temperature);
  const int32_t* const chosen = Targets(cuda, targets, logits.rows, logits.cols);
  TEMPER_LAUNCH(GradientKernel, cuda, BlocksOfRows(logits.rows, logits.cols), kSoftmaxThreads, 0,
                logits, BlocksOfRow(logits.cols), chosen, inverse, lse, entropy, dlogprob,
                dentropy);
}

}  // namespace

void AddLogSoftmaxOps(Ops& ops) {
  ops.log_softmax = LogSoftmax;
  ops.target_log_prob = TargetLogProb;
  ops.target_log_prob_backward = TargetLogProbBackward;
}

}  // namespace temper::kernels::cuda
