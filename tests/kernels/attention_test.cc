// Attention against a float64 oracle, its gradients, and the independence of every row's bits.
#include <algorithm>
#include <random>

#include "gtest/gtest.h"
#include "kernels/ops.h"
#include "tests/kernels/oracle.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RelativeError;
using oracle::SameBits;

// Keys or values of one sequence in separate tiles; rows not yet written hold NaN.
struct Tiles {
  std::vector<std::vector<float>> memory;
  std::vector<const float*> pointers;
  int64_t stride;

  Tiles(int64_t positions, int64_t columns, int64_t gap) : stride(columns + gap) {
    const int64_t count = (positions + kAttentionTile - 1) / kAttentionTile;
    for (int64_t i = 0; i < count; ++i) {
      memory.emplace_back(kAttentionTile * stride, NAN);
      pointers.push_back(memory.back().data());
    }
  }
  void Write(int64_t position, const float* row, int64_t columns) {
    std::copy_n(row, columns,
                memory[position / kAttentionTile].data() + position % kAttentionTile * stride);
  }
};

struct Case {
  AttentionShape shape;
  std::vector<Segment> segments;
  Matrix q, k, v;

  Case(AttentionShape shape, const std::vector<int64_t>& lengths, uint64_t seed = 1)
      : shape(shape), q(1, 1), k(1, 1), v(1, 1) {
    int64_t rows = 0;
    for (int64_t length : lengths) {
      segments.push_back({rows, length, 0});
      rows += length;
    }
    q = RandomMatrix(rows, shape.q_heads * shape.head_dim, seed, 2.0f, 3);
    k = RandomMatrix(rows, shape.kv_heads * shape.head_dim, seed + 1, 1.5f, 1);
    v = RandomMatrix(rows, shape.kv_heads * shape.head_dim, seed + 2, 1.0f, 2);
  }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  cases.emplace_back(AttentionShape{12, 4, 64}, std::vector<int64_t>{1, 70, 33});
  cases.emplace_back(AttentionShape{4, 4, 16}, std::vector<int64_t>{64, 65, 63, 2});
  cases.emplace_back(AttentionShape{6, 2, 20}, std::vector<int64_t>{130, 5});
  cases.emplace_back(AttentionShape{5, 1, 8}, std::vector<int64_t>{200});
  cases.emplace_back(AttentionShape{2, 1, 6}, std::vector<int64_t>{10});
  cases.emplace_back(AttentionShape{4, 2, 128}, std::vector<int64_t>{90});
  return cases;
}

struct Result {
  Matrix y, lse;
};

// Runs `count` tokens of each named segment from position first[i] on, as one call.
Result RunPiece(Device& device, const Case& in, const std::vector<size_t>& who,
                const std::vector<int64_t>& first, const std::vector<int64_t>& count) {
  const int64_t columns = in.k.cols;
  std::vector<Segment> segments;
  std::vector<Tiles> keys, values;
  int64_t rows = 0;
  for (size_t i = 0; i < who.size(); ++i) {
    segments.push_back({rows, count[i], first[i]});
    rows += count[i];
    keys.emplace_back(first[i] + count[i], columns, 4);
    values.emplace_back(first[i] + count[i], columns, 4);
    for (int64_t t = 0; t < first[i] + count[i]; ++t) {
      keys.back().Write(t, in.k.row(in.segments[who[i]].begin + t), columns);
      values.back().Write(t, in.v.row(in.segments[who[i]].begin + t), columns);
    }
  }
  std::vector<KeyValueTiles> tiles;
  Matrix q(rows, in.q.cols);
  for (size_t i = 0; i < who.size(); ++i) {
    tiles.push_back({keys[i].pointers.data(), values[i].pointers.data(), keys[i].stride});
    for (int64_t t = 0; t < count[i]; ++t) {
      std::copy_n(in.q.row(in.segments[who[i]].begin + first[i] + t), in.q.cols,
                  q.row(segments[i].begin + t));
    }
  }
  Result result{Matrix(rows, in.q.cols, 1), Matrix(rows, in.shape.q_heads)};
  device.ops().attention(device.stream(), in.shape, segments, q, tiles, result.y,
                         result.lse.row(0));
  return result;
}

Result RunWhole(Device& device, const Case& in) {
  std::vector<size_t> who;
  std::vector<int64_t> first, count;
  for (size_t s = 0; s < in.segments.size(); ++s) {
    who.push_back(s);
    first.push_back(0);
    count.push_back(in.segments[s].length);
  }
  return RunPiece(device, in, who, first, count);
}

// float64 forward and, where dy is given, backward.
struct Oracle {
  std::vector<double> y, lse, dq, dk, dv;

  Oracle(const Case& in, const Matrix* dy = nullptr)
      : y(in.q.rows * in.q.cols),
        lse(in.q.rows * in.shape.q_heads),
        dq(y.size()),
        dk(in.k.rows * in.k.cols),
        dv(dk.size()) {
    for (const Segment& segment : in.segments) {
      for (int64_t t = 0; t < segment.length; ++t) {
        for (int64_t h = 0; h < in.shape.q_heads; ++h) Row(in, segment, t, h, dy);
      }
    }
  }

  void Row(const Case& in, const Segment& segment, int64_t t, int64_t h, const Matrix* dy) {
    const int64_t dim = in.shape.head_dim, kv = h / (in.shape.q_heads / in.shape.kv_heads) * dim;
    const int64_t row = segment.begin + t;
    const double scale = 1 / std::sqrt(double(dim));
    std::vector<double> weight(t + 1);
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j <= t; ++j) {
      for (int64_t i = 0; i < dim; ++i) {
        weight[j] += scale * in.q.at(row, h * dim + i) * in.k.at(segment.begin + j, kv + i);
      }
      most = std::max(most, weight[j]);
    }
    for (double& value : weight) sum += value = std::exp(value - most);
    lse[row * in.shape.q_heads + h] = most + std::log(sum);
    double delta = 0;
    for (int64_t i = 0; i < dim; ++i) {
      double& out = y[row * in.q.cols + h * dim + i];
      for (int64_t j = 0; j <= t; ++j) {
        out += weight[j] / sum * in.v.at(segment.begin + j, kv + i);
      }
      if (dy != nullptr) delta += out * dy->at(row, h * dim + i);
    }
    if (dy == nullptr) return;
    for (int64_t j = 0; j <= t; ++j) {
      const int64_t key = segment.begin + j;
      double dweight = 0;
      for (int64_t i = 0; i < dim; ++i) {
        dweight += dy->at(row, h * dim + i) * in.v.at(key, kv + i);
        dv[key * in.k.cols + kv + i] += weight[j] / sum * dy->at(row, h * dim + i);
      }
      const double dscore = weight[j] / sum * (dweight - delta) * scale;
      for (int64_t i = 0; i < dim; ++i) {
        dq[row * in.q.cols + h * dim + i] += dscore * in.k.at(key, kv + i);
        dk[key * in.k.cols + kv + i] += dscore * in.q.at(row, h * dim + i);
      }
    }
  }
};

struct Backward {
  Matrix dq, dk, dv;
};
Backward RunBackward(Device& device, const Case& in, const Matrix& dy) {
  const Result forward = RunWhole(device, in);
  Backward out{Matrix(in.q.rows, in.q.cols, 2), Matrix(in.k.rows, in.k.cols, 3),
               Matrix(in.k.rows, in.k.cols)};
  for (Matrix* m : {&out.dq, &out.dk, &out.dv}) {
    for (float& value : m->values) value = NAN;  // must be written
  }
  device.ops().attention_backward(device.stream(), in.shape, in.segments, in.q, in.k, in.v,
                                  forward.y, forward.lse.row(0), dy, out.dq, out.dk, out.dv);
  return out;
}

TEST(AttentionTest, AgreesWithTheFloat64Softmax) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    const Oracle want(in);
    const Result got = RunWhole(*device, in);
    EXPECT_LT(RelativeError(got.y, want.y), 3e-6) << in.shape.head_dim;
    EXPECT_LT(RelativeError(got.lse, want.lse), 1e-6) << in.shape.head_dim;
  }
}

TEST(AttentionTest, GradientsAgreeWithTheFloat64Softmax) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    const Matrix dy = RandomMatrix(in.q.rows, in.q.cols, 9, 1.0f, 5);
    const Oracle want(in, &dy);
    const Backward got = RunBackward(*device, in, dy);
    SCOPED_TRACE(in.shape.head_dim);
    EXPECT_LT(RelativeError(got.dq, want.dq), 5e-6);
    EXPECT_LT(RelativeError(got.dk, want.dk), 5e-6);
    EXPECT_LT(RelativeError(got.dv, want.dv), 5e-6);
  }
}

TEST(AttentionTest, OracleGradientsAreTheSlopesOfTheLoss) {
  Case in({4, 2, 5}, {7, 3});
  const Matrix dy = RandomMatrix(in.q.rows, in.q.cols, 9);
  const Oracle analytic(in, &dy);
  const auto loss = [&] {
    const Oracle oracle(in);
    double sum = 0;
    for (int64_t t = 0; t < in.q.rows; ++t) {
      for (int64_t i = 0; i < in.q.cols; ++i) sum += oracle.y[t * in.q.cols + i] * dy.at(t, i);
    }
    return sum;
  };
  const auto check = [&](Matrix& m, const std::vector<double>& want) {
    for (int64_t t = 0; t < m.rows; ++t) {
      for (int64_t i = 0; i < m.cols; ++i) {
        const float at = m.at(t, i);
        m.at(t, i) = at + 0x1p-9f;
        const double up_at = m.at(t, i), up = loss();
        m.at(t, i) = at - 0x1p-9f;
        const double down_at = m.at(t, i), down = loss();
        m.at(t, i) = at;
        EXPECT_NEAR((up - down) / (up_at - down_at), want[t * m.cols + i], 1e-4);
      }
    }
  };
  check(in.q, analytic.dq);
  check(in.k, analytic.dk);
  check(in.v, analytic.dv);
}

TEST(AttentionTest, RowsHaveTheSameBitsInAnyPieces) {
  const auto device = OpenCpuDevice(2);
  for (const Case& in : Cases()) {
    const Result whole = RunWhole(*device, in);
    std::mt19937_64 engine(4);
    for (int64_t piece_max : {1, 9, 80}) {
      std::vector<int64_t> done(in.segments.size(), 0);
      for (;;) {
        std::vector<size_t> who;
        std::vector<int64_t> first, count;
        for (size_t s = 0; s < in.segments.size(); ++s) {
          const int64_t left = in.segments[s].length - done[s];
          if (left == 0 || (engine() % 3 == 0 && !who.empty())) continue;
          who.push_back(s);
          first.push_back(done[s]);
          count.push_back(std::min<int64_t>(left, 1 + engine() % piece_max));
        }
        if (who.empty()) break;
        const Result piece = RunPiece(*device, in, who, first, count);
        int64_t row = 0;
        for (size_t i = 0; i < who.size(); ++i) {
          for (int64_t t = 0; t < count[i]; ++t, ++row) {
            const int64_t at = in.segments[who[i]].begin + first[i] + t;
            ASSERT_TRUE(SameBits(whole.y.row(at), piece.y.row(row), in.q.cols));
            ASSERT_TRUE(SameBits(whole.lse.row(at), piece.lse.row(row), in.shape.q_heads));
          }
          done[who[i]] += count[i];
        }
      }
    }
  }
}

TEST(AttentionTest, BitsDependNeitherOnThreadsNorOnTheVectorWidth) {
  for (const Case& in : Cases()) {
    const Matrix dy = RandomMatrix(in.q.rows, in.q.cols, 9);
    std::vector<Matrix> results;
    const auto run = [&](int threads) {
      const auto device = OpenCpuDevice(threads);
      const Result forward = RunWhole(*device, in);
      const Backward backward = RunBackward(*device, in, dy);
      for (const Matrix& m : {forward.y, forward.lse, backward.dq, backward.dk, backward.dv}) {
        results.push_back(m);
      }
    };
    for (int threads : {1, 2, 4}) run(threads);
    oracle::ForEachVectorWidth([&](const std::string&) { run(1); });
    for (size_t i = 5; i < results.size(); ++i) EXPECT_TRUE(SameBits(results[i % 5], results[i]));
  }
}

TEST(AttentionTest, LargeScoresNeitherOverflowNorVanish) {
  const auto device = OpenCpuDevice(1);
  Case in({2, 1, 16}, {140});
  for (float& value : in.q.values) value *= 60.0f;
  const Oracle want(in);
  EXPECT_LT(RelativeError(RunWhole(*device, in).y, want.y), 1e-4);
}

}  // namespace
}  // namespace temper::kernels
