// The causal convolution and its gradients against float64 and the CPU, and what an incremental
// caller sees.
#include <algorithm>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::SameBits;

struct Case {
  std::vector<Segment> segments;
  Matrix x, weight;
  std::vector<float> bias;

  Case(int64_t channels, int64_t taps, const std::vector<int64_t>& lengths, int64_t gap = 7)
      : x(1, 1), weight(RandomMatrix(channels, taps, 2, 0.5f, 2)), bias(RandomVector(channels, 3)) {
    int64_t rows = 0;
    for (int64_t length : lengths) {
      segments.push_back({rows, length, 0});
      rows += length;
    }
    x = RandomMatrix(rows, channels, 1, 1.0f, gap);
  }
  int64_t channels() const { return x.cols; }
  int64_t taps() const { return weight.cols; }
  int64_t state_floats() const { return (taps() - 1) * channels(); }
};

// Segments shorter than taps - 1, as long as a tile, one more, and much longer; empty ones.
std::vector<Case> Cases() {
  std::vector<Case> cases;
  cases.emplace_back(160, 4, std::vector<int64_t>{1, 2, 3, 4, 5, 0, 31, 32, 33, 100});
  cases.emplace_back(129, 4, std::vector<int64_t>{33, 1}, 0);
  cases.emplace_back(7, 2, std::vector<int64_t>{9, 1, 1, 65});
  cases.emplace_back(33, 3, std::vector<int64_t>{2, 1, 70});
  cases.emplace_back(9, 5, std::vector<int64_t>{40, 6});
  cases.emplace_back(9, 6, std::vector<int64_t>{40, 6});
  cases.emplace_back(9, 7, std::vector<int64_t>{40, 6});
  cases.emplace_back(16, 8, std::vector<int64_t>{3, 30, 7, 71});
  cases.emplace_back(40, 1, std::vector<int64_t>{5, 40});
  return cases;
}

class CudaConvTest : public CudaTest {
 protected:
  // y, and the states [segments, floats] afterwards where some were given.
  std::vector<Matrix> Forward(const Case& in, bool biased, const Matrix* states) {
    return TwiceTheSame([&] {
      const View<float> y = Empty(in.x.rows, in.channels());
      std::vector<float*> pointers;
      View<float> kept;
      if (states != nullptr) {
        kept = Put(*states);
        for (int64_t s = 0; s < kept.rows; ++s) pointers.push_back(kept.row(s));
      }
      cuda().conv_silu(cuda_stream(), in.segments, Put(in.x), Put(in.weight),
                       biased ? Put(in.bias) : nullptr, pointers, y);
      std::vector<Matrix> got = {Get(y)};
      if (states != nullptr) got.push_back(Get(kept));
      return got;
    });
  }
};

TEST_F(CudaConvTest, HasTheCpusValuesAndStates) {
  for (const Case& in : Cases()) {
    for (const bool biased : {true, false}) {
      const Matrix before =
          RandomMatrix(static_cast<int64_t>(in.segments.size()), in.state_floats(), 4);
      const std::vector<Matrix> got = Forward(in, biased, &before);
      Matrix y(in.x.rows, in.channels()), states = before;
      std::vector<float*> pointers;
      for (int64_t s = 0; s < states.rows; ++s) pointers.push_back(states.row(s));
      cpu().conv_silu(cpu_stream(), in.segments, in.x, in.weight, biased ? in.bias.data() : nullptr,
                      pointers, y);
      EXPECT_LT(Difference(got[0], y), 1e-6) << in.channels() << " " << in.taps();
      EXPECT_TRUE(SameBits(got[1], states)) << in.channels() << " " << in.taps();
    }
  }
}

TEST_F(CudaConvTest, WithoutStatesZerosAreBeforeASegment) {
  for (const Case& in : Cases()) {
    const Matrix zeros(static_cast<int64_t>(in.segments.size()), in.state_floats());
    const Matrix want = Forward(in, true, &zeros)[0];
    EXPECT_TRUE(SameBits(Forward(in, true, nullptr)[0], want));
    const View<float> y = Empty(in.x.rows, in.channels());
    const std::vector<float*> nothing(in.segments.size(), nullptr);
    cuda().conv_silu(cuda_stream(), in.segments, Put(in.x), Put(in.weight), Put(in.bias), nothing,
                     y);
    EXPECT_TRUE(SameBits(Get(y), want));
  }
}

TEST_F(CudaConvTest, TokensHaveTheSameBitsInAnyPieces) {
  for (const Case& in : Cases()) {
    const int64_t count = static_cast<int64_t>(in.segments.size());
    const Matrix zeros(count, in.state_floats());
    const std::vector<Matrix> whole = Forward(in, true, &zeros);
    const View<float> x = Put(in.x), weight = Put(in.weight), states = Put(zeros);
    float* const bias = Put(in.bias);
    const View<float> y = Empty(in.x.rows, in.channels());
    // Pieces of a token, of less and more than the taps, and of more than a tile.
    std::mt19937_64 engine(3);
    for (int64_t s = 0; s < count; ++s) {
      for (int64_t done = 0; done < in.segments[s].length;) {
        const int64_t longest = engine() % 4 == 0 ? 50 : 2 + in.taps();
        const int64_t length =
            std::min<int64_t>(in.segments[s].length - done, 1 + engine() % longest);
        const int64_t row = in.segments[s].begin + done;
        const Segment segment{0, length, done};
        float* const state = states.row(s);
        cuda().conv_silu(cuda_stream(), {&segment, 1}, x.Rows(row, length), weight, bias,
                         {&state, 1}, y.Rows(row, length));
        done += length;
      }
    }
    EXPECT_TRUE(SameBits(Get(y), whole[0])) << in.channels() << " " << in.taps();
    EXPECT_TRUE(SameBits(Get(states), whole[1])) << in.channels() << " " << in.taps();
  }
}

TEST_F(CudaConvTest, AStepOfManySequencesHasTheBitsOfEachAlone) {
  const Case in(70, 4, std::vector<int64_t>(37, 1));
  const Matrix before = RandomMatrix(37, in.state_floats(), 4);
  const std::vector<Matrix> together = Forward(in, true, &before);
  for (int64_t s = 0; s < 37; ++s) {
    Case alone(70, 4, {1});
    std::copy_n(in.x.row(s), 70, alone.x.row(0));
    Matrix state(1, in.state_floats());
    std::copy_n(before.row(s), in.state_floats(), state.row(0));
    const std::vector<Matrix> got = Forward(alone, true, &state);
    EXPECT_TRUE(SameBits(got[0].row(0), together[0].row(s), 70));
    EXPECT_TRUE(SameBits(got[1].row(0), together[1].row(s), in.state_floats()));
  }
}

TEST_F(CudaConvTest, GradientsAreTheCpusAndThoseOfParametersAccumulate) {
  for (const Case& in : Cases()) {
    for (const bool biased : {true, false}) {
      const Matrix dy = RandomMatrix(in.x.rows, in.channels(), 5, 1.0f, 1);
      const Matrix weight_before = RandomMatrix(in.channels(), in.taps(), 6, 1.0f, 3);
      const std::vector<float> bias_before = RandomVector(in.channels(), 7);
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const View<float> dx = Put(RandomMatrix(in.x.rows, in.channels(), 8, 1.0f, 2));
        const View<float> d_weight = Put(weight_before);
        float* const d_bias = Put(bias_before);
        cuda().conv_silu_backward(cuda_stream(), in.segments, Put(in.x), Put(in.weight),
                                  biased ? Put(in.bias) : nullptr, Put(dy), dx, d_weight,
                                  biased ? d_bias : nullptr);
        return std::vector<Matrix>{Get(dx), Get(d_weight),
                                   Get(View<const float>(d_bias, 1, in.channels()))};
      });
      Matrix dx(in.x.rows, in.channels()), d_weight = weight_before, d_bias(1, in.channels());
      std::copy(bias_before.begin(), bias_before.end(), d_bias.row(0));
      cpu().conv_silu_backward(cpu_stream(), in.segments, in.x, in.weight,
                               biased ? in.bias.data() : nullptr, dy, dx, d_weight,
                               biased ? d_bias.row(0) : nullptr);
      EXPECT_LT(Difference(got[0], dx), 1e-6) << in.channels() << " " << in.taps();
      EXPECT_LT(Difference(got[1], d_weight), 1e-6) << in.channels() << " " << in.taps();
      EXPECT_LT(Difference(got[2], d_bias), 1e-6) << in.channels() << " " << in.taps();
    }
  }
}

TEST_F(CudaConvTest, NothingHappensWithoutSegments) {
  const View<float> nothing = Empty(0, 5), weight = Put(Matrix(5, 4)), d_weight = Put(Matrix(5, 4));
  cuda().conv_silu(cuda_stream(), {}, nothing, weight, nullptr, {}, nothing);
  cuda().conv_silu_backward(cuda_stream(), {}, nothing, weight, nullptr, nothing, nothing, d_weight,
                            nullptr);
  EXPECT_TRUE(SameBits(Get(d_weight), Matrix(5, 4)));
}

}  // namespace
}  // namespace temper::kernels
