// Adds a bias to every row, and sums its gradient over the rows of a call.
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;

// Four columns a thread.
template <bool kAligned>
__global__ void AddBiasKernel(const float* bias, Matrix<float> y) {
  ForEachElement(y.rows, (y.cols + 3) / 4, [&](int64_t i, int64_t four) {
    const int64_t j = 4 * four;
    Four sum = LoadFour<kAligned>(y.row(i), j, y.cols);
    const Four add = LoadFour<kAligned>(bias, j, y.cols);
#pragma unroll
    for (int part = 0; part < 4; ++part) sum.v[part] += add.v[part];
    StoreFour<kAligned>(sum, y.row(i), j, y.cols);
  });
}

struct AddRow {
  Matrix<const float> dy;
  __device__ __forceinline__ float operator()(float sum, int64_t i, int64_t j) const {
    return sum + dy.at(i, j);
  }
};

void AddBias(Stream& stream, const float* bias, View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  const dim3 grid = BlocksForCount(cuda, y.rows * ((y.cols + 3) / 4), kThreads);
  if (InFours(y) && InFours(bias, y.cols)) {
    TEMPER_LAUNCH(AddBiasKernel<true>, cuda, grid, kThreads, 0, bias, y);
  } else {
    TEMPER_LAUNCH(AddBiasKernel<false>, cuda, grid, kThreads, 0, bias, y);
  }
}

void BiasBackward(Stream& stream, View<const float> dy, float* bias_gradient) {
  CudaStream& cuda = BeginOp(stream);
  AddColumnSums(cuda, AddRow{dy}, dy.rows, dy.cols, bias_gradient);
}

}  // namespace

void AddBiasOps(Ops& ops) {
  ops.add_bias = AddBias;
  ops.bias_backward = BiasBackward;
}

}  // namespace temper::kernels::cuda
