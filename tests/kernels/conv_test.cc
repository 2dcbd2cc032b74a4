// The causal convolution against a float64 oracle, its gradients, and what an incremental caller
// sees.
#include <algorithm>
#include <random>

#include "gtest/gtest.h"
#include "kernels/ops.h"
#include "tests/kernels/oracle.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::RelativeError;
using oracle::SameBits;

struct Case {
  std::vector<Segment> segments;
  Matrix x, weight;
  std::vector<float> bias;

  Case(int64_t channels, int64_t taps, const std::vector<int64_t>& lengths, uint64_t seed = 1)
      : x(1, 1),
        weight(RandomMatrix(channels, taps, seed + 1, 0.5f, 2)),
        bias(RandomVector(channels, seed + 2)) {
    int64_t rows = 0;
    for (int64_t length : lengths) {
      segments.push_back({rows, length, 0});
      rows += length;
    }
    x = RandomMatrix(rows, channels, seed, 1.0f, 7);
  }
  int64_t taps() const { return weight.cols; }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  cases.emplace_back(320, 4, std::vector<int64_t>{1, 2, 3, 4, 5, 40});
  cases.emplace_back(129, 4, std::vector<int64_t>{33, 1});
  cases.emplace_back(7, 2, std::vector<int64_t>{9, 1, 1});
  cases.emplace_back(16, 8, std::vector<int64_t>{3, 30});
  cases.emplace_back(40, 1, std::vector<int64_t>{5});
  return cases;
}

// float64 pre-activations [rows, channels]; zeros before each segment.
std::vector<double> BeforeSilu(const Case& in, const std::vector<double>& x,
                               const std::vector<double>& weight, const std::vector<double>& bias) {
  const int64_t channels = in.x.cols, taps = in.taps();
  std::vector<double> out(in.x.rows * channels);
  for (const Segment& segment : in.segments) {
    for (int64_t t = 0; t < segment.length; ++t) {
      for (int64_t c = 0; c < channels; ++c) {
        double sum = bias.empty() ? 0.0 : bias[c];
        for (int64_t k = 0; k < taps; ++k) {
          const int64_t at = t - (taps - 1) + k;
          if (at >= 0) sum += weight[c * taps + k] * x[(segment.begin + at) * channels + c];
        }
        out[(segment.begin + t) * channels + c] = sum;
      }
    }
  }
  return out;
}
std::vector<double> Packed(const Matrix& m) {
  std::vector<double> out;
  for (int64_t i = 0; i < m.rows; ++i) out.insert(out.end(), m.row(i), m.row(i) + m.cols);
  return out;
}
double Silu(double v) { return v / (1 + std::exp(-v)); }

Matrix RunForward(Device& device, const Case& in, bool biased = true,
                  std::vector<float>* states = nullptr) {
  Matrix y(in.x.rows, in.x.cols, 3);
  std::vector<float*> pointers;
  const int64_t floats = (in.taps() - 1) * in.x.cols;
  if (states != nullptr) {
    for (size_t s = 0; s < in.segments.size(); ++s) pointers.push_back(states->data() + s * floats);
  }
  device.ops().conv_silu(device.stream(), in.segments, in.x, in.weight,
                         biased ? in.bias.data() : nullptr, pointers, y);
  return y;
}

TEST(ConvTest, AgreesWithTheFloat64Convolution) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    for (bool biased : {true, false}) {
      std::vector<double> bias(in.bias.begin(), in.bias.end());
      if (!biased) bias.clear();
      std::vector<double> want = BeforeSilu(in, Packed(in.x), Packed(in.weight), bias);
      for (double& value : want) value = Silu(value);
      EXPECT_LT(RelativeError(RunForward(*device, in, biased), want), 1e-6)
          << in.x.cols << " channels, " << in.taps() << " taps";
    }
  }
}

TEST(ConvTest, GradientsAreTheSlopesOfTheFloat64Loss) {
  const auto device = OpenCpuDevice(2);
  const Case in(19, 4, {1, 2, 9, 6});
  const Matrix dy = RandomMatrix(in.x.rows, in.x.cols, 5, 1.0f, 1);
  const std::vector<double> slopes = Packed(dy), x = Packed(in.x), weight = Packed(in.weight),
                            bias(in.bias.begin(), in.bias.end());
  const auto loss = [&](const std::vector<double>& before) {
    double sum = 0;
    for (size_t i = 0; i < before.size(); ++i) sum += Silu(before[i]) * slopes[i];
    return sum;
  };
  Matrix dx(in.x.rows, in.x.cols, 2), dweight(in.weight.rows, in.weight.cols);
  std::vector<float> dbias(in.bias.size(), 0.0f);
  for (float& value : dx.values) value = NAN;  // must be written
  device->ops().conv_silu_backward(device->stream(), in.segments, in.x, in.weight, in.bias.data(),
                                   dy, dx, dweight, dbias.data());
  using Values = std::vector<double>;
  EXPECT_LT(RelativeError(
                dx, oracle::NumericGradient(
                        x, [&](const Values& v) { return loss(BeforeSilu(in, v, weight, bias)); })),
            2e-6);
  EXPECT_LT(
      RelativeError(dweight,
                    oracle::NumericGradient(
                        weight, [&](const Values& v) { return loss(BeforeSilu(in, x, v, bias)); })),
      2e-6);
  EXPECT_LT(
      RelativeError(dbias,
                    oracle::NumericGradient(
                        bias, [&](const Values& v) { return loss(BeforeSilu(in, x, weight, v)); })),
      2e-6);
}

TEST(ConvTest, ParameterGradientsAccumulate) {
  const auto device = OpenCpuDevice(1);
  const Case in(33, 4, {11, 5});
  const Matrix dy = RandomMatrix(in.x.rows, in.x.cols, 5);
  Matrix dx(in.x.rows, in.x.cols), once(33, 4), twice(33, 4);
  std::vector<float> bias_once(33, 0.0f), bias_twice(33, 0.0f);
  const auto run = [&](Matrix& weights, std::vector<float>& bias) {
    device->ops().conv_silu_backward(device->stream(), in.segments, in.x, in.weight, in.bias.data(),
                                     dy, dx, weights, bias.data());
  };
  run(once, bias_once);
  run(twice, bias_twice);
  run(twice, bias_twice);
  for (int64_t c = 0; c < 33; ++c) {
    for (int64_t k = 0; k < 4; ++k) EXPECT_NEAR(twice.at(c, k), 2 * once.at(c, k), 1e-4);
    EXPECT_NEAR(bias_twice[c], 2 * bias_once[c], 1e-4);
  }
}

TEST(ConvTest, TokensHaveTheSameBitsInAnyPieces) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    const int64_t channels = in.x.cols, floats = (in.taps() - 1) * channels;
    const Matrix whole = RunForward(*device, in);
    std::vector<float> states(in.segments.size() * floats + 1, 0.0f);
    EXPECT_TRUE(SameBits(whole, RunForward(*device, in, true, &states)));
    std::mt19937_64 engine(3);
    for (size_t s = 0; s < in.segments.size(); ++s) {
      std::vector<float> state(floats + 1, 0.0f);
      for (int64_t done = 0; done < in.segments[s].length;) {
        const int64_t length =
            std::min<int64_t>(in.segments[s].length - done, 1 + engine() % (in.taps() + 1));
        const int64_t row = in.segments[s].begin + done;
        Matrix y(length, channels);
        const Segment segment{0, length, done};
        float* pointer = state.data();
        device->ops().conv_silu(device->stream(), {&segment, 1}, in.x.view().Rows(row, length),
                                in.weight, in.bias.data(), {&pointer, 1}, y);
        for (int64_t t = 0; t < length; ++t) {
          EXPECT_TRUE(SameBits(whole.row(row + t), y.row(t), channels));
        }
        done += length;
      }
      EXPECT_TRUE(SameBits(state.data(), states.data() + s * floats, floats));
    }
  }
}

TEST(ConvTest, TheStateHoldsTheLastInputsOldestFirst) {
  const auto device = OpenCpuDevice(1);
  const Case in(5, 4, {2});
  std::vector<float> states = RandomVector(15, 8);
  const std::vector<float> before = states;
  RunForward(*device, in, true, &states);
  EXPECT_TRUE(SameBits(states.data(), before.data() + 10, 5));
  EXPECT_TRUE(SameBits(states.data() + 5, in.x.row(0), 5));
  EXPECT_TRUE(SameBits(states.data() + 10, in.x.row(1), 5));
}

TEST(ConvTest, BitsDependNeitherOnThreadsNorOnTheVectorWidth) {
  for (const Case& in : Cases()) {
    const Matrix dy = RandomMatrix(in.x.rows, in.x.cols, 5);
    std::vector<Matrix> results;
    const auto run = [&](int threads) {
      const auto device = OpenCpuDevice(threads);
      results.push_back(RunForward(*device, in));
      Matrix dx(in.x.rows, in.x.cols), dweight(in.weight.rows, in.weight.cols);
      Matrix dbias(1, in.x.cols);
      device->ops().conv_silu_backward(device->stream(), in.segments, in.x, in.weight,
                                       in.bias.data(), dy, dx, dweight, dbias.row(0));
      results.push_back(dx);
      results.push_back(dweight);
      results.push_back(dbias);
    };
    for (int threads : {1, 2, 4}) run(threads);
    oracle::ForEachVectorWidth([&](const std::string&) { run(1); });
    for (size_t i = 4; i < results.size(); ++i) EXPECT_TRUE(SameBits(results[i % 4], results[i]));
  }
}

}  // namespace
}  // namespace temper::kernels
