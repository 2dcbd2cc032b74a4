// Activations of the MLP: one element a thread.
#include <algorithm>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;

__global__ void Relu2Kernel(Matrix<const float> x, Matrix<float> y) {
  ForEachElement(y.rows, y.cols, [&](int64_t i, int64_t j) {
    const float positive = fmaxf(x.at(i, j), 0.0f);
    y.at(i, j) = positive * positive;
  });
}

__global__ void Relu2BackwardKernel(Matrix<const float> x, Matrix<const float> dy,
                                    Matrix<float> dx) {
  ForEachElement(dx.rows, dx.cols, [&](int64_t i, int64_t j) {
    dx.at(i, j) = dy.at(i, j) * 2.0f * fmaxf(x.at(i, j), 0.0f);
  });
}

__global__ void SwigluKernel(Matrix<const float> gate, Matrix<const float> up, Matrix<float> y) {
  ForEachElement(y.rows, y.cols, [&](int64_t i, int64_t j) {
    y.at(i, j) = Silu(gate.at(i, j)) * up.at(i, j);
  });
}

__global__ void SwigluBackwardKernel(Matrix<const float> gate, Matrix<const float> up,
                                     Matrix<const float> dy, Matrix<float> d_gate,
                                     Matrix<float> d_up) {
  ForEachElement(dy.rows, dy.cols, [&](int64_t i, int64_t j) {
    const float g = gate.at(i, j), u = up.at(i, j), d = dy.at(i, j);  // before either is written
    const float sigmoid = Sigmoid(g);
    d_gate.at(i, j) = d * u * sigmoid * (1.0f + g * (1.0f - sigmoid));
    d_up.at(i, j) = d * g * sigmoid;
  });
}

void Relu2(Stream& stream, View<const float> x, View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(Relu2Kernel, cuda, BlocksFor(cuda, y, kThreads), kThreads, 0, x, y);
}

void Relu2Backward(Stream& stream, View<const float> x, View<const float> dy, View<float> dx) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(Relu2BackwardKernel, cuda, BlocksFor(cuda, dx, kThreads), kThreads, 0, x, dy, dx);
}

void Swiglu(Stream& stream, View<const float> gate, View<const float> up, View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(SwigluKernel, cuda, BlocksFor(cuda, y, kThreads), kThreads, 0, gate, up, y);
}

void SwigluBackward(Stream& stream, View<const float> gate, View<const float> up,
                    View<const float> dy, View<float> d_gate, View<float> d_up) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(SwigluBackwardKernel, cuda, BlocksFor(cuda, d_up, kThreads), kThreads, 0, gate, up,
                dy, d_gate, d_up);
}

}  // namespace

void AddActivationOps(Ops& ops) {
  ops.relu2 = Relu2;
  ops.relu2_backward = Relu2Backward;
  ops.swiglu = Swiglu;
  ops.swiglu_backward = SwigluBackward;
}

}  // namespace temper::kernels::cuda
