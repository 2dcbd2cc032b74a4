// What stands around a library's product, with a library that computes on the host: rows rounded
// and filled up, results put in place, weights pinned, algorithms tried. Emulated only: this
// library reads the device's memory.
#include "kernels/cuda/library_product.h"

#include <cmath>
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cuda/tune_weight.h"
#include "tests/kernels/cuda/emulator/device_words.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using cuda::Algorithm;
using cuda::AlgorithmKey;
using cuda::Direction;
using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::SameBits;
using testing::HasSubstr;

float Widened(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}

// What an algorithm does, by the first word of its record.
enum Habit : uint64_t {
  kGood = 1,
  kDependsOnRows = 2,
  kRefusesMany = 3,
  kWrong = 4,
  kSlow = 5,
  kOwnOrder = 6
};
Algorithm With(Habit habit) { return {.record = {habit}, .label = "habit"}; }

class HostLibrary final : public cuda::BlasLibrary {
 public:
  std::vector<cuda::LibraryProduct> seen;

  int64_t version() const override { return 42; }
  std::vector<Algorithm> Candidates(int64_t out, int64_t in, Direction,
                                    const std::vector<int64_t>&) override {
    if (out % 8 != 0 || in % 8 != 0) return {};
    return {With(kSlow), With(kDependsOnRows), With(kRefusesMany), With(kWrong), With(kGood)};
  }
  bool Multiply(cuda::StreamHandle, const cuda::LibraryProduct& p,
                const Algorithm& algorithm) override {
    const uint64_t habit = algorithm.record[0];
    if (habit == kRefusesMany && p.rows > 16) return false;
    seen.push_back(p);
    if (habit == kSlow) temper_emulated_spend(20);
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t j = 0; j < p.columns(); ++j) {
        // From the last to the first: not the bits of our own kernels, as emulated.
        const bool backwards = habit != kOwnOrder && (habit != kDependsOnRows || p.rows < 64);
        float sum = 0;
        for (int64_t step = 0; step < p.depth(); ++step) {
          const int64_t k = backwards ? p.depth() - 1 - step : step;
          const int64_t at =
              (p.direction == Direction::kForward) != (habit == kWrong && p.out == p.in)
                  ? j * p.in + k
                  : k * p.in + j;
          sum = std::fma(Widened(p.a[i * p.depth() + k]), Widened(p.weight[at]), sum);
        }
        p.c[i * p.c_stride + j] = sum;
      }
    }
    return true;
  }
};

constexpr int64_t kOut = 72, kIn = 40;
constexpr int64_t kShared = 48;  // out of a weight whose few rows are our own kernels'

class LibraryProductTest : public CudaTest {
 protected:
  // Once for the process, before the first weight: kOut x kIn in both directions, and what belongs
  // to somebody else.
  static void SetUpTestSuite() {
    const auto traits = cuda::SelectDevice(0);
    cuda::AlgorithmTable table;
    AlgorithmKey key = {.device = traits->name,
                        .major = traits->major,
                        .minor = traits->minor,
                        .library_version = 42,
                        .out = kOut,
                        .in = kIn};
    table[key] = With(kGood);
    key.direction = Direction::kBackwardInput;
    table[key] = With(kGood);
    key.out = kShared;
    table[key] = With(kOwnOrder);
    table[key].from_rows = 17;
    key.out = 80;
    for (const auto& change : std::vector<std::function<void(AlgorithmKey&)>>{
             [](AlgorithmKey& other) { other.device = "another"; },
             [](AlgorithmKey& other) { other.major += 1; },
             [](AlgorithmKey& other) { other.minor += 1; },
             [](AlgorithmKey& other) { other.library_version += 1; }}) {
      AlgorithmKey other = key;
      change(other);
      table[other] = With(kGood);
    }
    cuda::PinAlgorithms(library(), *traits, table);
  }
  static HostLibrary& library() {
    static HostLibrary library;
    return library;
  }
  void SetUp() override {
    CudaTest::SetUp();
    library().seen.clear();
  }
  std::unique_ptr<PackedWeight> Pack(const Matrix& weight, Dtype dtype = Dtype::kBFloat16) {
    return cuda().pack_weight(cuda_stream(), Put(weight), {.backward = true, .dtype = dtype});
  }
  cuda::CudaStream& stream() { return static_cast<cuda::CudaStream&>(cuda_stream()); }

  // The library's bits for these rows: each row alone.
  Matrix RowByRow(bool forward, const Matrix& a, const PackedWeight& weight) {
    const View<float> y = Empty(a.rows, forward ? weight.out() : weight.in());
    const View<float> on_device = Put(a);
    for (int64_t i = 0; i < a.rows; ++i) {
      (forward ? cuda().matmul : cuda().matmul_backward_input)(
          cuda_stream(), on_device.Rows(i, 1), weight, y.Rows(i, 1), Write::kReplace);
    }
    return Get(y);
  }
};

TEST_F(LibraryProductTest, FewRowsAreOurOwnKernelsWhereTheBitsAreTheSame) {
  const auto packed = Pack(RandomMatrix(kShared, kIn, 2));
  const View<float> dy = Put(RandomMatrix(130, kShared, 1));
  const View<float> all = Empty(130, kIn);
  cuda().matmul_backward_input(cuda_stream(), dy, *packed, all, Write::kReplace);
  EXPECT_EQ(library().seen.size(), 1u);
  const Matrix want = Get(all);
  for (const int64_t rows : {1, 16, 17, 40}) {
    library().seen.clear();
    const View<float> y = Empty(rows, kIn);
    cuda().matmul_backward_input(cuda_stream(), dy.Rows(3, rows), *packed, y, Write::kReplace);
    EXPECT_EQ(library().seen.empty(), rows < 17) << rows;
    const Matrix got = Get(y);
    for (int64_t i = 0; i < rows; ++i) {
      EXPECT_TRUE(SameBits(got.row(i), want.row(3 + i), kIn)) << rows << ", " << i;
    }
  }
}

TEST_F(LibraryProductTest, ATrialSeesThatAnAlgorithmHasOurOwnBits) {
  class OneCandidate final : public cuda::BlasLibrary {
   public:
    int64_t version() const override { return library().version(); }
    std::vector<Algorithm> Candidates(int64_t, int64_t, Direction,
                                      const std::vector<int64_t>&) override {
      return {With(kOwnOrder), With(kGood)};
    }
    bool Multiply(cuda::StreamHandle handle, const cuda::LibraryProduct& product,
                  const Algorithm& algorithm) override {
      return library().Multiply(handle, product, algorithm);
    }
  } candidates;
  cuda::TunerPlan plan;
  plan.probed_rows = {1, 17};
  plan.timed = {{1, 1}};
  const cuda::Choice choice =
      cuda::TuneWeight(stream(), candidates, 40, 24, Direction::kForward, plan);
  ASSERT_EQ(choice.verdicts.size(), 2u);
  EXPECT_TRUE(choice.verdicts[0].own_bits);
  EXPECT_FALSE(choice.verdicts[1].own_bits);
  EXPECT_GT(choice.own_cost, 0);
}

TEST_F(LibraryProductTest, PinnedWeightsHaveTheProductForAnyNumberOfRows) {
  const auto packed = Pack(RandomMatrix(kOut, kIn, 2));
  for (const bool forward : {true, false}) {
    const int64_t depth = forward ? kIn : kOut, cols = forward ? kOut : kIn;
    const auto matmul = forward ? cuda().matmul : cuda().matmul_backward_input;
    for (const int64_t rows : {1, 16, 17, 128, 130}) {
      for (const int64_t gap : {0, 3}) {
        SCOPED_TRACE(testing::Message() << forward << " " << rows << " " << gap);
        const Matrix a = RandomMatrix(rows, depth, 1, 1.0f, gap);
        const Matrix before = RandomMatrix(rows, cols, 3, 1.0f, gap);
        const Matrix want = RowByRow(forward, a, *packed);
        const View<float> y = Put(before), added = Put(before);
        library().seen.clear();
        matmul(cuda_stream(), Put(a), *packed, y, Write::kReplace);
        matmul(cuda_stream(), Put(a), *packed, added, Write::kAdd);
        ASSERT_EQ(library().seen.size(), 2u);
        const int64_t filled = rows <= 128 ? (rows + 15) / 16 * 16 : 256;
        for (const cuda::LibraryProduct& product : library().seen) {
          EXPECT_EQ(product.rows, filled);
          EXPECT_EQ(product.out, kOut);
          EXPECT_EQ(product.in, kIn);
        }
        EXPECT_EQ(library().seen[0].c == y.data, filled == rows && gap == 0);
        EXPECT_NE(library().seen[1].c, added.data);
        EXPECT_TRUE(SameBits(Get(y), want));
        Matrix sum = before;
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < cols; ++j) sum.at(i, j) += want.at(i, j);
          EXPECT_TRUE(gap == 0 || std::isnan(y.row(i)[cols]));
        }
        EXPECT_TRUE(SameBits(Get(added), sum));
      }
    }
  }
}

TEST_F(LibraryProductTest, IsNearOurOwnProductAndNotItsBits) {
  const Matrix weight = RandomMatrix(kOut, kIn, 2);
  const auto pinned = Pack(weight), same_values = Pack(weight, Dtype::kFloat32);
  const Matrix x = RandomMatrix(30, kIn, 1);
  const View<float> y = Empty(30, kOut), own = Empty(30, kOut);
  cuda().matmul(cuda_stream(), Put(x), *pinned, y, Write::kReplace);
  cuda().matmul(cuda_stream(), Put(x), *same_values, own, Write::kReplace);
  EXPECT_EQ(library().seen.size(), 1u);  // a float32 weight is ours
  EXPECT_LT(Difference(Get(y), Get(own)), 0.02);
  EXPECT_FALSE(SameBits(Get(y), Get(own)));
}

TEST_F(LibraryProductTest, ManyRowsGoInSeveralCalls) {
  constexpr int64_t kRows = 4100;
  const Matrix x = RandomMatrix(kRows, 8, 1);
  const View<float> y = Empty(kRows, 8);
  const uint16_t* const weight = Put(std::vector<uint16_t>(64, 0x3f80).data(), 64);
  ASSERT_TRUE(cuda::MultiplyByLibrary(stream(), library(), With(kGood), Direction::kForward, Put(x),
                                      weight, 8, 8, y, Write::kReplace));
  ASSERT_EQ(library().seen.size(), 2u);
  EXPECT_EQ(library().seen[0].rows, 4096);
  EXPECT_EQ(library().seen[1].rows, 16);
  const Matrix got = Get(y);
  for (const int64_t row : {int64_t{0}, int64_t{4095}, int64_t{4096}, kRows - 1}) {
    double sum = 0;
    for (int64_t k = 0; k < 8; ++k) sum += x.at(row, k);
    EXPECT_NEAR(got.at(row, 5), sum, 0.05) << row;
  }
}

TEST_F(LibraryProductTest, OtherShapesDevicesAndVersionsAreOurs) {
  for (const int64_t out : {80, 73}) {
    const auto packed = Pack(RandomMatrix(out, kIn, 2));
    const View<float> y = Empty(3, out), dx = Empty(3, kIn);
    cuda().matmul(cuda_stream(), Put(RandomMatrix(3, kIn, 1)), *packed, y, Write::kReplace);
    cuda().matmul_backward_input(cuda_stream(), Put(RandomMatrix(3, out, 1)), *packed, dx,
                                 Write::kReplace);
  }
  EXPECT_TRUE(library().seen.empty());
}

// A library would have to be told the number of rows, which only the device knows.
TEST_F(LibraryProductTest, WeightsOfGroupsAreOursWhateverTheirShape) {
  const Matrix values = RandomMatrix(kOut, kIn, 2);
  const PackOptions options = {.backward = true, .grouped = true, .dtype = Dtype::kBFloat16};
  const auto grouped = cuda().pack_weight(cuda_stream(), Put(values), options);
  const std::vector<const PackedWeight*> weights = {grouped.get()};
  const std::vector<int32_t> first = {3, 20};
  for (const bool forward : {true, false}) {
    const int64_t depth = forward ? kIn : kOut, cols = forward ? kOut : kIn;
    const Matrix a = RandomMatrix(30, depth, 1);
    const View<float> y = Empty(30, cols);
    (forward ? cuda().matmul_grouped : cuda().matmul_grouped_backward_input)(
        cuda_stream(), Put(a), weights, Put(first.data(), 2), y);
    const Matrix by_row = RowByRow(forward, a, *grouped), got = Get(y);
    EXPECT_TRUE(library().seen.empty());
    for (int64_t i = 3; i < 20; ++i) {
      EXPECT_TRUE(SameBits(got.row(i), by_row.row(i), cols)) << i;
    }
  }
}

TEST_F(LibraryProductTest, StopsAtAGroupOfWeightsThatMayBePinned) {
  const auto pinned = Pack(RandomMatrix(kOut, kIn, 2));
  const std::vector<const PackedWeight*> weights = {pinned.get()};
  const std::vector<int32_t> first = {0, 5};
  const View<float> x = Put(RandomMatrix(5, kIn, 1)), y = Empty(5, kOut);
  const int32_t* const on_device = Put(first.data(), 2);
  EXPECT_DEATH(cuda().matmul_grouped(cuda_stream(), x, weights, on_device, y),
               "kernel check failed");
}

TEST_F(LibraryProductTest, ATrialAdmitsWhatIsRightEverywhereAndPicksTheFastest) {
  cuda::TunerPlan plan;
  plan.probed_rows = {1, 17, 64, 130};
  plan.timed = {{1, 1}, {64, 1}};
  for (const Direction direction : {Direction::kForward, Direction::kBackwardInput}) {
    const cuda::Choice choice = cuda::TuneWeight(stream(), library(), kIn, kIn, direction, plan);
    ASSERT_EQ(choice.verdicts.size(), 5u);
    EXPECT_EQ(choice.chosen, 4u);
    EXPECT_TRUE(choice.verdicts[0].admitted) << choice.verdicts[0].why_not;
    EXPECT_THAT(choice.verdicts[1].why_not, HasSubstr("other bits for row 0 of 64"));
    EXPECT_THAT(choice.verdicts[2].why_not, HasSubstr("does not do 17 rows"));
    EXPECT_THAT(choice.verdicts[3].why_not, HasSubstr("does not do 1 rows"));
    EXPECT_LT(choice.verdicts[4].cost, choice.verdicts[0].cost);
  }
  EXPECT_FALSE(
      cuda::TuneWeight(stream(), library(), 9, 8, Direction::kForward, plan).chosen.has_value());
}

TEST_F(LibraryProductTest, AWholePlanProbesEveryNumberOfRowsThatTheLibrarySees) {
  const cuda::TunerPlan plan = cuda::WholePlan();
  for (const int64_t rows : cuda::LibraryRows()) {
    EXPECT_THAT(plan.probed_rows, testing::Contains(rows));
  }
}

}  // namespace
}  // namespace temper::kernels
