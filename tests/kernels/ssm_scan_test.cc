// The recurrence against a float64 oracle, its gradients, and the independence of every token's
// bits.
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

// Inputs of one call; x, b and c are column slices of one wide matrix, as in the model.
struct Case {
  SsmShape shape;
  std::vector<Segment> segments;
  Matrix wide, dt;
  std::vector<float> a_log, d, bias;

  static int64_t Width(const SsmShape& s) { return s.heads * s.head_dim + 2 * s.groups * s.state; }
  Case(SsmShape shape, const std::vector<int64_t>& lengths, uint64_t seed = 1)
      : shape(shape),
        wide(RandomMatrix(Sum(lengths), Width(shape), seed, 1.0f, 5)),
        dt(RandomMatrix(Sum(lengths), shape.heads, seed + 1, 1.0f, 3)),
        a_log(RandomVector(shape.heads, seed + 2, 0.7f)),
        d(RandomVector(shape.heads, seed + 3)),
        bias(RandomVector(shape.heads, seed + 4, 1.0f, -1.0f)) {
    int64_t begin = 0;
    for (int64_t length : lengths) {
      segments.push_back({begin, length, 0});
      begin += length;
    }
  }
  static int64_t Sum(const std::vector<int64_t>& lengths) {
    int64_t sum = 0;
    for (int64_t length : lengths) sum += length;
    return sum;
  }
  int64_t rows() const { return wide.rows; }
  int64_t columns() const { return shape.heads * shape.head_dim; }
  SsmInputs Inputs() const {
    const int64_t bc = shape.groups * shape.state;
    return {wide.view().Columns(0, columns()), wide.view().Columns(columns(), bc),
            wide.view().Columns(columns() + bc, bc), dt.view()};
  }
  SsmParameters Parameters() const { return {a_log.data(), d.data(), bias.data()}; }
};

double Softplus(double v) { return v > 30 ? v : std::log1p(std::exp(v)); }

// float64 gradients, written straight from the sequential equations.
struct Gradients {
  std::vector<double> x, b, c, dt, a_log, d, bias;
};
struct Oracle {
  const Case& in;
  std::vector<double> y;
  double Input(View<const float> view, int64_t t, int64_t i) const { return view.row(t)[i]; }

  double Raw(int64_t t, int64_t h) const { return double(in.dt.at(t, h)) + in.bias[h]; }
  double Step(int64_t t, int64_t h) const {
    return std::clamp<double>(Softplus(Raw(t, h)), in.shape.dt_min, in.shape.dt_max);
  }
  double A(int64_t h) const { return -std::exp(double(in.a_log[h])); }

  // States [length + 1][P * N] of one head; the first is zero.
  std::vector<std::vector<double>> States(const Segment& segment, int64_t h) const {
    const SsmInputs inputs = in.Inputs();
    const int64_t P = in.shape.head_dim, N = in.shape.state,
                  g = h / (in.shape.heads / in.shape.groups);
    std::vector<std::vector<double>> states(segment.length + 1, std::vector<double>(P * N, 0.0));
    for (int64_t i = 0; i < segment.length; ++i) {
      const int64_t t = segment.begin + i;
      const double dt = Step(t, h), decay = std::exp(dt * A(h));
      for (int64_t p = 0; p < P; ++p) {
        for (int64_t n = 0; n < N; ++n) {
          states[i + 1][p * N + n] =
              decay * states[i][p * N + n] +
              dt * Input(inputs.x, t, h * P + p) * inputs.b.row(t)[g * N + n];
        }
      }
    }
    return states;
  }

  void Forward() {
    const SsmInputs inputs = in.Inputs();
    const int64_t P = in.shape.head_dim, N = in.shape.state;
    y.assign(in.rows() * in.columns(), 0.0);
    for (const Segment& segment : in.segments) {
      for (int64_t h = 0; h < in.shape.heads; ++h) {
        const int64_t g = h / (in.shape.heads / in.shape.groups);
        const auto states = States(segment, h);
        for (int64_t i = 0; i < segment.length; ++i) {
          const int64_t t = segment.begin + i;
          for (int64_t p = 0; p < P; ++p) {
            double sum = double(in.d[h]) * inputs.x.row(t)[h * P + p];
            for (int64_t n = 0; n < N; ++n) {
              sum += states[i + 1][p * N + n] * inputs.c.row(t)[g * N + n];
            }
            y[t * in.columns() + h * P + p] = sum;
          }
        }
      }
    }
  }

  Gradients Backward(const Matrix& dy) const {
    const SsmInputs inputs = in.Inputs();
    const int64_t P = in.shape.head_dim, N = in.shape.state, H = in.shape.heads,
                  GN = in.shape.groups * N;
    Gradients out;
    out.x.assign(in.rows() * in.columns(), 0.0);
    out.b.assign(in.rows() * GN, 0.0);
    out.c.assign(in.rows() * GN, 0.0);
    out.dt.assign(in.rows() * H, 0.0);
    out.a_log.assign(H, 0.0);
    out.d.assign(H, 0.0);
    out.bias.assign(H, 0.0);
    for (const Segment& segment : in.segments) {
      for (int64_t h = 0; h < H; ++h) {
        const int64_t g = h / (H / in.shape.groups);
        const auto states = States(segment, h);
        std::vector<double> ds(P * N, 0.0);
        for (int64_t i = segment.length; i-- > 0;) {
          const int64_t t = segment.begin + i;
          const double dt = Step(t, h), decay = std::exp(dt * A(h));
          double x_ds_b = 0, dlam = 0;
          for (int64_t p = 0; p < P; ++p) {
            const double x = inputs.x.row(t)[h * P + p], slope = dy.at(t, h * P + p);
            double ds_b = 0;
            for (int64_t n = 0; n < N; ++n) {
              double& s = ds[p * N + n];
              s += slope * inputs.c.row(t)[g * N + n];
              out.c[t * GN + g * N + n] += states[i + 1][p * N + n] * slope;
              out.b[t * GN + g * N + n] += dt * s * x;
              ds_b += s * inputs.b.row(t)[g * N + n];
              dlam += decay * s * states[i][p * N + n];
              s *= decay;
            }
            out.x[t * in.columns() + h * P + p] = in.d[h] * slope + dt * ds_b;
            out.d[h] += slope * x;
            x_ds_b += x * ds_b;
          }
          out.a_log[h] += A(h) * dt * dlam;
          const double soft = Softplus(Raw(t, h));
          const bool inside = soft >= in.shape.dt_min && soft <= in.shape.dt_max;
          const double raw = inside ? (x_ds_b + A(h) * dlam) / (1 + std::exp(-Raw(t, h))) : 0.0;
          out.dt[t * H + h] = raw;
          out.bias[h] += raw;
        }
      }
    }
    return out;
  }
};

// The op's gradients of one call.
struct Result {
  Matrix wide, dt;
  std::vector<float> a_log, d, bias;
};
Result RunBackward(Device& device, const Case& in, const Matrix& dy) {
  const int64_t H = in.shape.heads, bc = in.shape.groups * in.shape.state;
  Result out{Matrix(in.rows(), Case::Width(in.shape), 2), Matrix(in.rows(), H, 1),
             std::vector<float>(H, 0.25f), std::vector<float>(H, 0.25f),
             std::vector<float>(H, 0.25f)};
  for (float& value : out.wide.values) value = NAN;  // every gradient must be written
  for (float& value : out.dt.values) value = NAN;
  View<float> wide = out.wide.view();
  device.ops().ssm_scan_backward(device.stream(), in.shape, in.segments, in.Inputs(),
                                 in.Parameters(), dy,
                                 {wide.Columns(0, in.columns()), wide.Columns(in.columns(), bc),
                                  wide.Columns(in.columns() + bc, bc), out.dt.view()},
                                 {out.a_log.data(), out.d.data(), out.bias.data()});
  return out;
}

Matrix RunForward(Device& device, const Case& in, std::vector<float>* states = nullptr) {
  Matrix y(in.rows(), in.columns(), 1);
  std::vector<SsmState> parts;
  if (states != nullptr) {
    const int64_t floats = in.shape.state_floats();
    for (size_t s = 0; s < in.segments.size(); ++s) {
      parts.push_back({.running = states->data() + s * floats});
    }
  }
  device.ops().ssm_scan(device.stream(), in.shape, in.segments, in.Inputs(), in.Parameters(),
                        parts, y);
  return y;
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  cases.emplace_back(SsmShape{4, 64, 128, 2}, std::vector<int64_t>{37, 1, 16, 70});
  cases.emplace_back(SsmShape{3, 32, 32, 1}, std::vector<int64_t>{1, 2, 3, 15, 16, 17, 33, 131});
  cases.emplace_back(SsmShape{4, 8, 8, 2}, std::vector<int64_t>{64, 65});
  cases.emplace_back(SsmShape{2, 12, 7, 1}, std::vector<int64_t>{20, 9});
  cases.emplace_back(SsmShape{18, 16, 64, 3}, std::vector<int64_t>{5, 40});
  cases.emplace_back(SsmShape{2, 48, 33, 2}, std::vector<int64_t>{33});
  cases.emplace_back(SsmShape{6, 64, 16, 3, 0.2f, 0.9f}, std::vector<int64_t>{50, 3});
  return cases;
}

TEST(SsmScanTest, AgreesWithTheFloat64Recurrence) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    Oracle oracle{in};
    oracle.Forward();
    EXPECT_LT(RelativeError(RunForward(*device, in), oracle.y), 2e-6)
        << in.shape.head_dim << " x " << in.shape.state;
  }
}

TEST(SsmScanTest, GradientsAgreeWithTheFloat64Recurrence) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    const Matrix dy = RandomMatrix(in.rows(), in.columns(), 99, 1.0f, 4);
    const Gradients want = Oracle{in}.Backward(dy);
    const Result got = RunBackward(*device, in, dy);
    const auto columns = [&](int64_t first, int64_t count) {
      Matrix part(in.rows(), count);
      for (int64_t t = 0; t < in.rows(); ++t) {
        std::copy_n(got.wide.row(t) + first, count, part.row(t));
      }
      return part;
    };
    const auto without_start = [](std::vector<float> values) {
      for (float& value : values) value -= 0.25f;
      return values;
    };
    const int64_t bc = in.shape.groups * in.shape.state;
    SCOPED_TRACE(std::to_string(in.shape.head_dim) + " x " + std::to_string(in.shape.state));
    EXPECT_LT(RelativeError(columns(0, in.columns()), want.x), 5e-6);
    EXPECT_LT(RelativeError(columns(in.columns(), bc), want.b), 5e-6);
    EXPECT_LT(RelativeError(columns(in.columns() + bc, bc), want.c), 5e-6);
    EXPECT_LT(RelativeError(got.dt, want.dt), 5e-6);
    EXPECT_LT(RelativeError(without_start(got.a_log), want.a_log), 1e-5);
    EXPECT_LT(RelativeError(without_start(got.d), want.d), 1e-5);
    EXPECT_LT(RelativeError(without_start(got.bias), want.bias), 1e-5);
  }
}

TEST(SsmScanTest, OracleGradientsAreTheSlopesOfTheLoss) {
  Case in({2, 3, 4, 1, 0.05f, 1.5f}, {9, 4});
  const Matrix dy = RandomMatrix(in.rows(), in.columns(), 7);
  const Gradients analytic = Oracle{in}.Backward(dy);
  const auto loss = [&] {
    Oracle oracle{in};
    oracle.Forward();
    double sum = 0;
    for (int64_t t = 0; t < in.rows(); ++t) {
      for (int64_t i = 0; i < in.columns(); ++i) {
        sum += oracle.y[t * in.columns() + i] * dy.at(t, i);
      }
    }
    return sum;
  };
  // Inputs are floats, so the step is one the float holds exactly; the loss itself is float64.
  const auto slope = [&](float& value) {
    const float at = value;
    value = at + 0x1p-9f;
    const double up_at = value, up = loss();
    value = at - 0x1p-9f;
    const double down_at = value, down = loss();
    value = at;
    return (up - down) / (up_at - down_at);
  };
  const int64_t N = in.shape.state;
  for (int64_t t = 0; t < in.rows(); ++t) {
    for (int64_t i = 0; i < in.columns(); ++i) {
      EXPECT_NEAR(slope(in.wide.at(t, i)), analytic.x[t * in.columns() + i], 2e-4);
    }
    for (int64_t n = 0; n < N; ++n) {
      EXPECT_NEAR(slope(in.wide.at(t, in.columns() + n)), analytic.b[t * N + n], 2e-4);
      EXPECT_NEAR(slope(in.wide.at(t, in.columns() + N + n)), analytic.c[t * N + n], 2e-4);
    }
    for (int64_t h = 0; h < in.shape.heads; ++h) {
      EXPECT_NEAR(slope(in.dt.at(t, h)), analytic.dt[t * in.shape.heads + h], 2e-4);
    }
  }
  for (int64_t h = 0; h < in.shape.heads; ++h) {
    EXPECT_NEAR(slope(in.a_log[h]), analytic.a_log[h], 1e-3);
    EXPECT_NEAR(slope(in.d[h]), analytic.d[h], 1e-3);
    EXPECT_NEAR(slope(in.bias[h]), analytic.bias[h], 1e-3);
  }
}

// Runs the rows of `whole` again, cut into random calls that take several segments forward
// together.
void ReplayInPieces(Device& device, const Case& whole, uint64_t seed, int64_t piece_max, Matrix& y,
                    std::vector<float>& states) {
  std::mt19937_64 engine(seed);
  const int64_t floats = whole.shape.state_floats();
  std::vector<int64_t> done(whole.segments.size(), 0);
  states.assign(whole.segments.size() * floats, 0.0f);
  for (;;) {
    std::vector<int64_t> lengths;
    std::vector<size_t> who;
    for (size_t s = 0; s < whole.segments.size(); ++s) {
      const int64_t left = whole.segments[s].length - done[s];
      if (left == 0 || (engine() % 3 == 0 && !who.empty())) continue;
      who.push_back(s);
      lengths.push_back(std::min<int64_t>(left, 1 + engine() % piece_max));
    }
    if (who.empty()) return;
    Case piece(whole.shape, lengths);
    piece.a_log = whole.a_log;
    piece.d = whole.d;
    piece.bias = whole.bias;
    std::vector<SsmState> parts;
    for (size_t i = 0; i < who.size(); ++i) {
      Segment& segment = piece.segments[i];
      segment.position = done[who[i]];
      const int64_t from = whole.segments[who[i]].begin + done[who[i]];
      for (int64_t t = 0; t < segment.length; ++t) {
        std::copy_n(whole.wide.row(from + t), whole.wide.cols, piece.wide.row(segment.begin + t));
        std::copy_n(whole.dt.row(from + t), whole.dt.cols, piece.dt.row(segment.begin + t));
      }
      parts.push_back({.running = states.data() + who[i] * floats});
    }
    Matrix out(piece.rows(), piece.columns());
    device.ops().ssm_scan(device.stream(), piece.shape, piece.segments, piece.Inputs(),
                          piece.Parameters(), parts, out);
    for (size_t i = 0; i < who.size(); ++i) {
      const Segment& segment = piece.segments[i];
      for (int64_t t = 0; t < segment.length; ++t) {
        std::copy_n(out.row(segment.begin + t), out.cols,
                    y.row(whole.segments[who[i]].begin + done[who[i]] + t));
      }
      done[who[i]] += segment.length;
    }
  }
}

TEST(SsmScanTest, TokensHaveTheSameBitsInAnyPackingAndAnyPieces) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    const Matrix without_state = RunForward(*device, in);
    std::vector<float> states(in.segments.size() * in.shape.state_floats(), 0.0f);
    const Matrix whole = RunForward(*device, in, &states);
    EXPECT_TRUE(SameBits(without_state, whole));
    for (int64_t piece_max : {1, 3, 40}) {
      Matrix y(in.rows(), in.columns());
      std::vector<float> replayed;
      ReplayInPieces(*device, in, 5 + piece_max, piece_max, y, replayed);
      EXPECT_TRUE(SameBits(whole, y)) << in.shape.head_dim << " pieces of " << piece_max;
      EXPECT_TRUE(SameBits(states, replayed)) << in.shape.head_dim << " pieces of " << piece_max;
    }
  }
}

TEST(SsmScanTest, BitsDoNotDependOnThreads) {
  for (const Case& in : Cases()) {
    const Matrix dy = RandomMatrix(in.rows(), in.columns(), 99);
    const auto one = OpenCpuDevice(1);
    const Matrix y = RunForward(*one, in);
    const Result gradients = RunBackward(*one, in, dy);
    for (int threads : {2, 4}) {
      const auto device = OpenCpuDevice(threads);
      EXPECT_TRUE(SameBits(y, RunForward(*device, in)));
      const Result again = RunBackward(*device, in, dy);
      EXPECT_TRUE(SameBits(gradients.wide, again.wide));
      EXPECT_TRUE(SameBits(gradients.dt, again.dt));
      EXPECT_TRUE(SameBits(gradients.a_log, again.a_log));
      EXPECT_TRUE(SameBits(gradients.d, again.d));
      EXPECT_TRUE(SameBits(gradients.bias, again.bias));
    }
  }
}

TEST(SsmScanTest, BitsDoNotDependOnTheVectorWidth) {
  const auto device = OpenCpuDevice(1);
  for (const Case& in : Cases()) {
    const Matrix dy = RandomMatrix(in.rows(), in.columns(), 99);
    std::vector<Matrix> forward;
    std::vector<Result> backward;
    oracle::ForEachVectorWidth([&](const std::string&) {
      forward.push_back(RunForward(*device, in));
      backward.push_back(RunBackward(*device, in, dy));
    });
    for (size_t i = 1; i < forward.size(); ++i) {
      EXPECT_TRUE(SameBits(forward[0], forward[i]));
      EXPECT_TRUE(SameBits(backward[0].wide, backward[i].wide));
      EXPECT_TRUE(SameBits(backward[0].dt, backward[i].dt));
      EXPECT_TRUE(SameBits(backward[0].a_log, backward[i].a_log));
    }
  }
}

TEST(SsmScanTest, RunsManySegmentsOfEveryLength) {
  std::vector<int64_t> lengths;
  for (int64_t i = 1; i <= 200; i += 7) lengths.push_back(i);
  const Case in({2, 16, 16, 1}, lengths);
  const auto device = OpenCpuDevice(2);
  Oracle oracle{in};
  oracle.Forward();
  EXPECT_LT(RelativeError(RunForward(*device, in), oracle.y), 2e-6);
  const Matrix dy = RandomMatrix(in.rows(), in.columns(), 3);
  const Gradients want = oracle.Backward(dy);
  EXPECT_LT(RelativeError(RunBackward(*device, in, dy).dt, want.dt), 5e-6);
}

}  // namespace
}  // namespace temper::kernels
