// AdamW and the sum of squares against float64, with the same bits for any number of threads.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/kernels/oracle.h"

namespace temper::kernels {
namespace {

using oracle::RandomVector;
using oracle::SameBits;

struct State64 {
  std::vector<double> parameter, m, v;
};

// Three lines of the paper, in float64.
void ExactAdamW(const AdamWStep& s, const std::vector<float>& gradient, State64& state) {
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double g = static_cast<double>(gradient[i]) * s.gradient_scale;
    double& m = state.m[i];
    double& v = state.v[i];
    m = double{s.beta1} * m + (1 - double{s.beta1}) * g;
    v = double{s.beta2} * v + (1 - double{s.beta2}) * g * g;
    const double m_hat = m / (1 - std::pow(double{s.beta1}, s.step));
    const double v_hat = v / (1 - std::pow(double{s.beta2}, s.step));
    state.parameter[i] -= double{s.learning_rate} * (m_hat / (std::sqrt(v_hat) + s.epsilon) +
                                                     s.weight_decay * state.parameter[i]);
  }
}

TEST(OptimizerTest, AdamWMatchesFloat64OverSeveralStepsWithTheSameBitsForAnyThreads) {
  const int64_t n = 70'001;  // more than two chunks, and a tail
  const std::vector<float> start = RandomVector(n, 1);
  State64 exact = {{start.begin(), start.end()}, std::vector<double>(n), std::vector<double>(n)};
  struct State {
    std::unique_ptr<Device> device;
    std::vector<float> parameter, m, v;
  };
  std::vector<State> states;
  for (const int threads : {1, 2, 4}) {
    states.push_back({OpenCpuDevice(threads), start, std::vector<float>(n), std::vector<float>(n)});
  }
  AdamWStep step = {.learning_rate = 1e-2f, .weight_decay = 0.1f, .gradient_scale = 0.5f};
  for (step.step = 1; step.step <= 4; ++step.step) {
    const std::vector<float> gradient = RandomVector(n, 10 + step.step, 0.1f);
    ExactAdamW(step, gradient, exact);
    for (State& state : states) {
      state.device->ops().adamw(state.device->stream(), step, gradient, state.parameter, state.m,
                                state.v);
      EXPECT_LT(oracle::RelativeError(state.parameter, exact.parameter), 1e-6);
      EXPECT_LT(oracle::RelativeError(state.m, exact.m), 1e-6);
      EXPECT_LT(oracle::RelativeError(state.v, exact.v), 1e-6);
      EXPECT_TRUE(SameBits(state.parameter, states[0].parameter));
    }
  }
}

TEST(OptimizerTest, AdamWGivesTheSameBitsForEveryVectorWidth) {
  const std::vector<float> start = RandomVector(100, 1), gradient = RandomVector(100, 2);
  const auto device = OpenCpuDevice(1);
  std::vector<std::vector<float>> results;
  oracle::ForEachVectorWidth([&](const std::string&) {
    std::vector<float>& parameter = results.emplace_back(start);
    std::vector<float> m(100), v(100);
    device->ops().adamw(device->stream(), {.learning_rate = 0.1f}, gradient, parameter, m, v);
    EXPECT_TRUE(SameBits(parameter, results[0]));
    EXPECT_FALSE(SameBits(parameter, start));
  });
}

TEST(OptimizerTest, WeightDecayIsDecoupledFromTheGradient) {
  const auto device = OpenCpuDevice(1);
  std::vector<float> parameter = {2.0f}, m = {0}, v = {0};
  const std::vector<float> gradient = {0.0f};
  device->ops().adamw(device->stream(), {.learning_rate = 0.1f, .weight_decay = 0.5f}, gradient,
                      parameter, m, v);
  EXPECT_FLOAT_EQ(parameter[0], 2.0f * (1 - 0.1f * 0.5f));
}

TEST(OptimizerTest, SumSquaresIsExactToDoubleAndIndependentOfThreads) {
  for (const int64_t n : {0, 1, 9, 100'003}) {
    const std::vector<float> values = RandomVector(n, 3);
    double exact = 0;
    for (const float value : values) exact += static_cast<double>(value) * value;
    std::vector<double> results;
    for (const int threads : {1, 2, 4}) {
      const auto device = OpenCpuDevice(threads);
      results.push_back(device->ops().sum_squares(device->stream(), values));
      EXPECT_NEAR(results.back(), exact, 1e-11 * exact);
      EXPECT_EQ(results.back(), results[0]);
    }
  }
}

}  // namespace
}  // namespace temper::kernels
