// Activations of the MLP: the CPU's values, forward and backward, in place where that is allowed.
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;

class CudaActivationTest : public CudaTest {
 protected:
  const Matrix x_ = RandomMatrix(7, 45, 1, 2.0f, 3), up_ = RandomMatrix(7, 45, 2, 1.0f, 1);
  const Matrix dy_ = RandomMatrix(7, 45, 3);
};

TEST_F(CudaActivationTest, SquaredReluAndItsGradientAreTheCpus) {
  const std::vector<Matrix> got = TwiceTheSame([&] {
    const View<float> x = Put(x_), y = Empty(7, 45), dy = Put(dy_);
    cuda().relu2(cuda_stream(), x, y);
    cuda().relu2_backward(cuda_stream(), x, dy, dy);
    return std::vector<Matrix>{Get(y), Get(dy)};
  });
  Matrix y(7, 45), dx = dy_;
  cpu().relu2(cpu_stream(), x_, y);
  cpu().relu2_backward(cpu_stream(), x_, dx, dx);
  EXPECT_LT(Difference(got[0], y), 1e-7);
  EXPECT_LT(Difference(got[1], dx), 1e-7);
}

TEST_F(CudaActivationTest, SwigluAndItsGradientsAreTheCpus) {
  const std::vector<Matrix> got = TwiceTheSame([&] {
    const View<float> gate = Put(x_), up = Put(up_), y = Empty(7, 45), dy = Put(dy_);
    cuda().swiglu(cuda_stream(), gate, up, y);
    cuda().swiglu_backward(cuda_stream(), gate, up, dy, gate, up);
    return std::vector<Matrix>{Get(y), Get(gate), Get(up)};
  });
  Matrix y(7, 45), d_gate(7, 45), d_up(7, 45);
  cpu().swiglu(cpu_stream(), x_, up_, y);
  cpu().swiglu_backward(cpu_stream(), x_, up_, dy_, d_gate, d_up);
  EXPECT_LT(Difference(got[0], y), 1e-6);
  EXPECT_LT(Difference(got[1], d_gate), 1e-6);
  EXPECT_LT(Difference(got[2], d_up), 1e-6);
}

}  // namespace
}  // namespace temper::kernels
