// Products with weights of either kind: float32 ones have the CPU's bits, bfloat16 ones those of no
// other order of rows; grouped products are single ones, and pieces sum up in order.
#include <cmath>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/tune_weight.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::SameBits;

float Rounded(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

// As the product takes it: rounded where the weight is bfloat16.
Matrix Taken(Matrix m, Dtype dtype) {
  if (dtype == Dtype::kFloat32) return m;
  for (float& value : m.values) value = Rounded(value);
  return m;
}

// In float64: a * transpose(b), or a * b.
std::vector<double> Product(const Matrix& a, const Matrix& b, bool transposed) {
  const int64_t cols = transposed ? b.rows : b.cols;
  std::vector<double> product;
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < a.cols; ++k) {
        sum += static_cast<double>(a.at(i, k)) * (transposed ? b.at(j, k) : b.at(k, j));
      }
      product.push_back(sum);
    }
  }
  return product;
}

Matrix Sum(const Matrix& a, const Matrix& b) {
  Matrix sum(a.rows, a.cols);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.cols; ++j) sum.at(i, j) = a.at(i, j) + b.at(i, j);
  }
  return sum;
}

struct Sizes {
  int64_t rows, in, out;
  std::vector<int64_t> gaps = {0, 3};
};
// Within a tile and across its borders, aligned and not, few steps of depth and many, more than one
// band of tiles.
const std::vector<Sizes>& AllSizes() {
  static const std::vector<Sizes> sizes = {
      {1, 1, 1},          {33, 47, 65, {0, 1}}, {130, 70, 129, {2}}, {64, 64, 64, {0, 4}},
      {5, 328, 136, {8}}, {17, 200, 72},        {3, 9, 8},           {65, 132, 30, {0}},
      {1100, 8, 70, {0}}};
  return sizes;
}

class CudaMatmulTest : public CudaTest, public testing::WithParamInterface<Dtype> {
 protected:
  std::unique_ptr<PackedWeight> Pack(const Matrix& weight) {
    return cuda().pack_weight(cuda_stream(), Put(weight), {.backward = true, .dtype = GetParam()});
  }
  // Forward takes x [rows, in], backward dy [rows, out].
  void Multiply(bool forward, View<const float> a, const PackedWeight& weight, View<float> y,
                Write write = Write::kReplace) {
    (forward ? cuda().matmul : cuda().matmul_backward_input)(cuda_stream(), a, weight, y, write);
  }
  void MultiplyOnCpu(bool forward, const Matrix& a, const Matrix& weight, Matrix& y, Write write) {
    const auto packed = cpu().pack_weight(cpu_stream(), weight, {.backward = true});
    (forward ? cpu().matmul : cpu().matmul_backward_input)(cpu_stream(), a, *packed, y, write);
  }

  // kReplace and kAdd, of views with gaps.
  void ExpectTheProduct(bool forward, const Sizes& s) {
    const int64_t depth = forward ? s.in : s.out, cols = forward ? s.out : s.in;
    for (const int64_t gap : s.gaps) {
      SCOPED_TRACE(testing::Message() << "forward " << forward << ", " << s.rows << " x " << s.in
                                      << " x " << s.out << ", gap " << gap);
      const Matrix a = RandomMatrix(s.rows, depth, 1, 1.0f, gap);
      const Matrix weight = RandomMatrix(s.out, s.in, 2, 1.0f, gap);
      const Matrix before = RandomMatrix(s.rows, cols, 3, 1.0f, gap);
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const auto packed = Pack(weight);
        const View<float> y = Empty(s.rows, cols), added = Put(before);
        Multiply(forward, Put(a), *packed, y);
        Multiply(forward, Put(a), *packed, added, Write::kAdd);
        return std::vector<Matrix>{Get(y), Get(added)};
      });
      const Matrix taken = Taken(a, GetParam()), taken_weight = Taken(weight, GetParam());
      // A tensor core's sums drop more bits than float32's.
      const double tolerance = GetParam() == Dtype::kFloat32 ? 1e-6 : 1e-5;
      EXPECT_LT(oracle::RelativeError(got[0], Product(taken, taken_weight, forward)), tolerance);
      EXPECT_TRUE(SameBits(got[1], Sum(before, got[0])));  // y last, once
      if (GetParam() == Dtype::kFloat32) {
        Matrix y(s.rows, cols);
        MultiplyOnCpu(forward, a, weight, y, Write::kReplace);
        EXPECT_TRUE(SameBits(got[0], y));
      }
    }
  }
};

TEST_P(CudaMatmulTest, IsTheProductForwardAndBackward) {
  for (const Sizes& sizes : AllSizes()) {
    ExpectTheProduct(true, sizes);
    ExpectTheProduct(false, sizes);
  }
}

TEST_P(CudaMatmulTest, ARowHasTheSameBitsWhereverItStands) {
  constexpr int64_t kRows = 140, kIn = 72, kOut = 80;
  const auto packed = Pack(RandomMatrix(kOut, kIn, 2));
  for (const bool forward : {true, false}) {
    const int64_t depth = forward ? kIn : kOut, cols = forward ? kOut : kIn;
    const Matrix a = RandomMatrix(kRows, depth, 1);
    const View<float> on_device = Put(a), y = Empty(kRows, cols);
    Multiply(forward, on_device, *packed, y);
    const Matrix all = Get(y);
    for (const int64_t count : {1, 2, 17, 64, 130}) {
      for (const int64_t begin : {int64_t{1}, int64_t{7}, kRows - count}) {
        if (begin + count > kRows) continue;
        const View<float> part = Empty(count, cols);
        Multiply(forward, on_device.Rows(begin, count), *packed, part);
        const Matrix got = Get(part);
        for (int64_t i = 0; i < count; ++i) {
          EXPECT_TRUE(SameBits(got.row(i), all.row(begin + i), cols))
              << forward << " " << count << " rows from " << begin << ", row " << i;
        }
      }
    }
  }
}

TEST_P(CudaMatmulTest, ARowOfNoNumbersSpoilsNoOther) {
  constexpr int64_t kRows = 20, kIn = 40, kOut = 24;
  const auto packed = Pack(RandomMatrix(kOut, kIn, 2));
  Matrix x = RandomMatrix(kRows, kIn, 1);
  const View<float> y = Empty(kRows, kOut), spoiled = Empty(kRows, kOut);
  Multiply(true, Put(x), *packed, y);
  x.at(3, 5) = NAN;
  x.at(17, 0) = INFINITY;
  Multiply(true, Put(x), *packed, spoiled);
  const Matrix want = Get(y), got = Get(spoiled);
  for (int64_t i = 0; i < kRows; ++i) {
    if (i == 3 || i == 17) {
      EXPECT_FALSE(std::isfinite(got.at(i, 0))) << i;
    } else {
      EXPECT_TRUE(SameBits(got.row(i), want.row(i), kOut)) << i;
    }
  }
}

// Rows of some experts: more than a tile, none; more experts than a warp has lanes, and than rows.
const std::vector<std::vector<int32_t>>& RowsOfExperts() {
  static const std::vector<std::vector<int32_t>> counts = [] {
    std::vector<std::vector<int32_t>> lists = {{3, 0, 66, 1}, {1, 1, 1, 1}, {0, 0, 140, 0},
                                               {128, 1},      {0, 0},       {}};
    std::vector<int32_t> many(70), few(100);
    for (size_t e = 0; e < many.size(); ++e) many[e] = static_cast<int32_t>(e % 2);
    many[33] = 65, many[69] = 2;
    few[7] = 2, few[98] = 1;
    lists.push_back(many);
    lists.push_back(few);
    return lists;
  }();
  return counts;
}

// The first rows and the last belong to nobody.
TEST_P(CudaMatmulTest, ExpertsRowsHaveTheBitsOfTheirOwnProducts) {
  for (const auto& [in, out] : {std::pair<int64_t, int64_t>{70, 66}, {24, 72}}) {
    for (const std::vector<int32_t>& counts : RowsOfExperts()) {
      SCOPED_TRACE(testing::Message() << counts.size() << " experts, " << in << " to " << out);
      std::vector<std::unique_ptr<PackedWeight>> owned;
      std::vector<const PackedWeight*> weights;
      std::vector<int32_t> first = {2};
      for (size_t e = 0; e < counts.size(); ++e) {
        owned.push_back(
            cuda().pack_weight(cuda_stream(), Put(RandomMatrix(out, in, 10 + e)),
                               {.backward = true, .grouped = true, .dtype = GetParam()}));
        weights.push_back(owned.back().get());
        first.push_back(first.back() + counts[e]);
      }
      const int64_t rows = first.back() + 1;
      const int32_t* const on_device = Put(first.data(), std::ssize(first));
      for (const bool forward : {true, false}) {
        const int64_t depth = forward ? in : out, cols = forward ? out : in;
        const Matrix before = RandomMatrix(rows, cols, 3);
        const View<float> a = Put(RandomMatrix(rows, depth, 1, 1.0f, 2)), want = Put(before);
        for (size_t e = 0; e < counts.size(); ++e) {
          for (int64_t i = first[e]; i < first[e + 1]; ++i) {
            Multiply(forward, a.Rows(i, 1), *weights[e], want.Rows(i, 1));
          }
        }
        const std::vector<Matrix> got = TwiceTheSame([&] {
          const View<float> y = Put(before);
          (forward ? cuda().matmul_grouped : cuda().matmul_grouped_backward_input)(
              cuda_stream(), a, weights, on_device, y);
          return std::vector<Matrix>{Get(y)};
        });
        EXPECT_TRUE(SameBits(got[0], Get(want))) << forward;
      }
    }
  }
}

TEST_P(CudaMatmulTest, AWeightPackedInSlabsIsTheWeightPackedAtOnce) {
  constexpr int64_t kOut = 75;
  for (const int64_t in : {40, 33}) {
    const Matrix weight = RandomMatrix(kOut, in, 2, 1.0f, 4), x = RandomMatrix(9, in, 1);
    const auto whole = Pack(weight);
    const auto slabs = cuda().make_packed(cuda_stream(), kOut, in, {.dtype = GetParam()});
    const View<float> rows = Put(weight);
    cuda().pack_rows(cuda_stream(), 64, rows.Rows(64, 11), *slabs);
    cuda().pack_rows(cuda_stream(), 0, rows.Rows(0, 64), *slabs);
    const View<float> y = Empty(9, kOut), want = Empty(9, kOut);
    Multiply(true, Put(x), *slabs, y);
    Multiply(true, Put(x), *whole, want);
    EXPECT_TRUE(SameBits(Get(y), Get(want)));
  }
}

// Halves, the largest values, the smallest, and no numbers; by one value and by four.
TEST_P(CudaMatmulTest, APackedValueIsItselfOrTheNearestBFloat16) {
  const std::vector<uint32_t> bits = {0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff,
                                      0xbf808000, 0x00000001, 0x00018000, 0x7f7fffff, 0x7f800000,
                                      0xff800000, 0x7fc00001, 0x80000000};
  for (const int64_t in : {1, 4}) {
    const int64_t out = static_cast<int64_t>(bits.size());
    Matrix weight(out, in), x(1, in);
    x.at(0, 0) = 1.0f;
    for (int64_t i = 0; i < out; ++i) std::memcpy(weight.row(i), &bits[i], sizeof(float));
    const auto packed = Pack(weight);
    const View<float> y = Empty(1, out);
    Multiply(true, Put(x), *packed, y);
    const Matrix got = Get(y);
    for (int64_t i = 0; i < out; ++i) {
      const float value = weight.at(i, 0);
      const float want = GetParam() == Dtype::kBFloat16 ? Rounded(value) : value;
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(got.at(0, i)));
      } else {
        EXPECT_EQ(got.at(0, i), want) << std::hex << bits[i];
      }
    }
  }
}

TEST_P(CudaMatmulTest, NoRowsAreNothing) {
  const auto packed = Pack(RandomMatrix(8, 8, 2));
  const View<float> x = Empty(1, 8), y = Empty(1, 8);
  Multiply(true, x.Rows(0, 0), *packed, y.Rows(0, 0));
  EXPECT_TRUE(std::isnan(Get(y).at(0, 0)));
}

INSTANTIATE_TEST_SUITE_P(Dtypes, CudaMatmulTest,
                         testing::Values(Dtype::kFloat32, Dtype::kBFloat16));

// The library itself, where there is one: what it computes is compared with our own products there.
TEST_F(CudaTest, CublasLtHasAnAlgorithmThatIsTheProductWhereverARowStands) {
  const auto library = cuda::OpenCublasLt();
  if (library == nullptr) GTEST_SKIP() << "skipped: no cuBLASLt";
  cuda::TunerPlan plan;
  plan.timed = {{16, 1}, {512, 1}};
  for (const cuda::Direction direction :
       {cuda::Direction::kForward, cuda::Direction::kBackwardInput}) {
    const cuda::Choice choice = cuda::TuneWeight(static_cast<cuda::CudaStream&>(cuda_stream()),
                                                 *library, 512, 256, direction, plan);
    for (const cuda::Verdict& verdict : choice.verdicts) {
      EXPECT_EQ(verdict.admitted, verdict.why_not.empty());
    }
    EXPECT_TRUE(choice.chosen.has_value()) << "of " << choice.verdicts.size();
  }
}

class CudaWeightGradientTest : public CudaTest {
 protected:
  void ExpectTheCpus(int64_t tokens, int64_t in, int64_t out) {
    for (const int64_t gap : {0, 3}) {
      const Matrix x = RandomMatrix(tokens, in, 1, 1.0f, gap);
      const Matrix dy = RandomMatrix(tokens, out, 2, 1.0f, gap);
      const Matrix before = RandomMatrix(out, in, 3, 1.0f, gap);
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const View<float> gradient = Put(before);
        cuda().matmul_backward_weight(cuda_stream(), Put(x), Put(dy), Dtype::kFloat32, gradient);
        return std::vector<Matrix>{Get(gradient)};
      });
      Matrix want = before;
      cpu().matmul_backward_weight(cpu_stream(), x, dy, Dtype::kFloat32, want);
      EXPECT_TRUE(SameBits(got[0], want)) << tokens << " " << in << " " << out << " " << gap;
    }
  }
};

// Blocks of 512 tokens, as there.
TEST_F(CudaWeightGradientTest, HasTheCpusBits) {
  ExpectTheCpus(1, 1, 1);
  ExpectTheCpus(33, 47, 65);
  ExpectTheCpus(70, 130, 129);
  ExpectTheCpus(1100, 20, 12);
  ExpectTheCpus(512, 8, 64);
  ExpectTheCpus(3, 70, 1100);
  ExpectTheCpus(0, 8, 8);
}

// By tensor cores: the product of the rounded operands, in chains of 2,048 tokens.
TEST_F(CudaWeightGradientTest, InBFloat16ItIsTheProductOfTheRoundedOperands) {
  struct Case {
    int64_t tokens, in, out, gap;
  };
  for (const Case& c :
       {Case{1, 1, 1, 0}, Case{33, 47, 65, 3}, Case{70, 136, 264, 0}, Case{2048, 8, 16, 0},
        Case{2051, 20, 12, 1}, Case{4200, 9, 8, 0}, Case{0, 8, 8, 0}}) {
    SCOPED_TRACE(testing::Message() << c.tokens << " " << c.in << " " << c.out << " " << c.gap);
    const Matrix x = RandomMatrix(c.tokens, c.in, 1, 1.0f, c.gap);
    const Matrix dy = RandomMatrix(c.tokens, c.out, 2, 1.0f, c.gap);
    const Matrix before = RandomMatrix(c.out, c.in, 3, 1.0f, c.gap);
    const std::vector<Matrix> got = TwiceTheSame([&] {
      const View<float> gradient = Put(before);
      cuda().matmul_backward_weight(cuda_stream(), Put(x), Put(dy), Dtype::kBFloat16, gradient);
      return std::vector<Matrix>{Get(gradient)};
    });
    const Matrix taken_x = Taken(x, Dtype::kBFloat16), taken = Taken(dy, Dtype::kBFloat16);
    std::vector<double> want;
    for (int64_t o = 0; o < c.out; ++o) {
      for (int64_t i = 0; i < c.in; ++i) {
        double sum = before.at(o, i);
        for (int64_t t = 0; t < c.tokens; ++t) {
          sum += static_cast<double>(taken.at(t, o)) * taken_x.at(t, i);
        }
        want.push_back(sum);
      }
    }
    EXPECT_LT(oracle::RelativeError(got[0], want), 1e-5);
  }
}

// Chains begin at a call's first row: two calls of whole chains are one.
TEST_F(CudaWeightGradientTest, InBFloat16WholeChainsOfTwoCallsAreThoseOfOne) {
  const View<float> x = Put(RandomMatrix(6200, 10, 1)), dy = Put(RandomMatrix(6200, 9, 2));
  const Matrix before = RandomMatrix(9, 10, 3);
  const View<float> one = Put(before), two = Put(before);
  cuda().matmul_backward_weight(cuda_stream(), x, dy, Dtype::kBFloat16, one);
  for (const auto& [begin, rows] : {std::pair<int64_t, int64_t>{0, 2048}, {2048, 4152}}) {
    cuda().matmul_backward_weight(cuda_stream(), x.Rows(begin, rows), dy.Rows(begin, rows),
                                  Dtype::kBFloat16, two);
  }
  EXPECT_TRUE(SameBits(Get(one), Get(two)));
}

class CudaExpertGradientTest : public CudaTest, public testing::WithParamInterface<Dtype> {};

TEST_P(CudaExpertGradientTest, ExpertsHaveTheBitsOfTheirOwn) {
  for (const std::vector<int32_t>& counts :
       {std::vector<int32_t>{3, 0, 66, 1}, {0, 530, 0, 7}, {2100, 1}, {0, 0}, {}}) {
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{36, 70}, {13, 9}, {16, 136}}) {
      std::vector<int32_t> first = {2};  // the first rows and the last belong to nobody
      for (const int32_t count : counts) first.push_back(first.back() + count);
      const int64_t rows = first.back() + 1;
      const View<float> x = Put(RandomMatrix(rows, in, 1)), dy = Put(RandomMatrix(rows, out, 2));
      const Matrix before = RandomMatrix(std::ssize(counts), out * in, 3);
      const View<float> want = Put(before);
      for (int64_t e = 0; e < want.rows; ++e) {
        cuda().matmul_backward_weight(cuda_stream(), x.Rows(first[e], counts[e]),
                                      dy.Rows(first[e], counts[e]), GetParam(),
                                      View<float>(want.row(e), out, in));
      }
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const View<float> gradients = Put(before);
        std::vector<float*> each;
        for (int64_t e = 0; e < gradients.rows; ++e) each.push_back(gradients.row(e));
        cuda().matmul_grouped_backward_weight(
            cuda_stream(), x, dy, Put(first.data(), std::ssize(first)), GetParam(), each);
        return std::vector<Matrix>{Get(gradients)};
      });
      EXPECT_TRUE(SameBits(got[0], Get(want))) << counts.size() << " " << in << " " << out;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, CudaExpertGradientTest,
                         testing::Values(Dtype::kFloat32, Dtype::kBFloat16));

}  // namespace
}  // namespace temper::kernels
