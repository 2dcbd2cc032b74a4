// The Mamba-2 recurrence one token after another: a warp for every row of a head's state.
#include <vector>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/ssm_chunk.h"
#include "kernels/cuda/ssm_recurrence.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 128;

// One block a (segment, head). A lane has the columns lane, lane + 32, ... of its row.
__global__ void RecurrenceKernel(SsmSizes sizes, const Segment* segments, float* const* states,
                                 bool from_zero, Matrix<const float> x, Matrix<const float> b,
                                 Matrix<const float> c, Matrix<const float> raw,
                                 SsmParameters parameters, Matrix<float> y) {
  const Segment segment = segments[blockIdx.x / sizes.heads];
  const int head = static_cast<int>(blockIdx.x % sizes.heads);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t column = int64_t{sizes.group(head)} * sizes.state;
  float* const state = states[blockIdx.x / sizes.heads] + head * sizes.head_floats();
  const float rate = DecayRate(parameters.a_log[head]);
  for (int p = static_cast<int>(threadIdx.x) / kWarp; p < sizes.head_dim; p += kThreads / kWarp) {
    float* const row = state + int64_t{p} * sizes.state;
    for (int64_t t = segment.begin; t < segment.begin + segment.length; ++t) {
      const float dt = StepSize(sizes, raw.at(t, head) + parameters.dt_bias[head]);
      const float decay = expf(dt * rate), own = x.at(t, int64_t{head} * sizes.head_dim + p);
      const bool fresh = from_zero && t == segment.begin;
      float sum = 0;
      for (int n = lane; n < sizes.state; n += kWarp) {
        row[n] = fmaf(decay, fresh ? 0.0f : row[n], dt * own * b.at(t, column + n));
        sum = fmaf(row[n], c.at(t, column + n), sum);
      }
      sum = WarpSum(sum);
      if (lane == 0) {
        y.at(t, int64_t{head} * sizes.head_dim + p) = fmaf(parameters.d[head], own, sum);
      }
    }
  }
}

}  // namespace

void SsmRecurrence(CudaStream& cuda, const SsmShape& shape, std::span<const Segment> segments,
                   const SsmInputs& inputs, const SsmParameters& parameters,
                   std::span<float* const> states, View<float> y) {
  cuda.BeginOp();
  const SsmSizes sizes(shape);
  std::vector<float*> own(states.begin(), states.end());
  if (states.empty()) {
    float* const scratch =
        cuda.Scratch<float>(static_cast<int64_t>(segments.size()) * shape.state_floats());
    for (size_t s = 0; s < segments.size(); ++s) {
      own.push_back(scratch + static_cast<int64_t>(s) * shape.state_floats());
    }
  }
  TEMPER_LAUNCH(RecurrenceKernel, cuda,
                dim3(static_cast<unsigned>(static_cast<int64_t>(segments.size()) * shape.heads)),
                kThreads, 0, sizes, cuda.Upload(segments),
                cuda.Upload(std::span<float* const>(own)), states.empty(), inputs.x, inputs.b,
                inputs.c, inputs.dt, parameters, y);
}

}  // namespace temper::kernels::cuda
