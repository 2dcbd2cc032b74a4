// One weight, many rows, all candidates.
#include "kernels/cuda/tune_weight.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>

#include "absl/functional/function_ref.h"
#include "kernels/cuda/library_product.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/packed_weight.h"

namespace temper::kernels::cuda {

namespace {

// Of a row's largest value: sums of the same products in another order differ by less.
constexpr float kTolerance = 1e-3f;
constexpr double kTimedSeconds = 0.02;

class DeviceFloats {
 public:
  explicit DeviceFloats(int64_t count)
      : data_(static_cast<float*>(AllocateOnDevice(count * int64_t{sizeof(float)}))) {}
  ~DeviceFloats() { FreeOnDevice(data_); }
  DeviceFloats(const DeviceFloats&) = delete;
  DeviceFloats& operator=(const DeviceFloats&) = delete;
  float* data() const { return data_; }

 private:
  float* data_;
};

// x with its usual rows; a probe puts another row in one place and takes it out again.
class Trial {
 public:
  Trial(CudaStream& stream, BlasLibrary& library, int64_t out, int64_t in, Direction direction,
        int64_t rows)
      : stream_(stream),
        library_(library),
        direction_(direction),
        depth_(direction == Direction::kForward ? in : out),
        columns_(direction == Direction::kForward ? out : in),
        x_(rows * depth_),
        y_(rows * columns_),
        probe_(depth_),
        usual_row_(depth_),
        weight_(out, in, {.backward = true, .dtype = Dtype::kBFloat16}) {
    FillRandomly(x_.data(), rows * depth_);
    FillRandomly(probe_.data(), depth_);
    const DeviceFloats values(out * in);
    FillRandomly(values.data(), out * in);
    CudaOps().pack_rows(stream_, 0, View<const float>(values.data(), out, in), weight_);
    stream_.Finish();
    own_row_ = OwnRow();
  }

  std::vector<uint32_t> OwnRowBits() const { return BitsOf(own_row_); }

  std::optional<std::vector<uint32_t>> RowBits(const Algorithm& algorithm, int64_t rows,
                                               int64_t place) {
    float* const row = x_.data() + place * depth_;
    const int64_t bytes = depth_ * int64_t{sizeof(float)};
    CopyAsync(stream_.handle(), usual_row_.data(), row, bytes);
    CopyAsync(stream_.handle(), row, probe_.data(), bytes);
    const bool done = Multiply(algorithm, rows);
    CopyAsync(stream_.handle(), row, usual_row_.data(), bytes);
    if (!done) return std::nullopt;
    const std::vector<float> got = Row(place);
    if (!IsClose(got)) return std::nullopt;
    return BitsOf(got);
  }

  // The mean of as many products as fit in a few hundredths of a second, the way there included.
  double Seconds(const Algorithm& algorithm, int64_t rows) {
    if (!Multiply(algorithm, rows)) return std::numeric_limits<double>::quiet_NaN();
    return SecondsOf([&] { Multiply(algorithm, rows); });
  }
  double OwnSeconds(int64_t rows) {
    MultiplyOwn(x_.data(), rows);
    return SecondsOf([&] { MultiplyOwn(x_.data(), rows); });
  }

 private:
  static std::vector<uint32_t> BitsOf(const std::vector<float>& row) {
    std::vector<uint32_t> bits(row.size());
    std::memcpy(bits.data(), row.data(), row.size() * sizeof(float));
    return bits;
  }

  double SecondsOf(absl::FunctionRef<void()> multiply) {
    stream_.Finish();
    for (int64_t products = 4;; products *= 2) {
      const double begin = SecondsNow();
      for (int64_t i = 0; i < products; ++i) multiply();
      stream_.Finish();
      const double seconds = SecondsNow() - begin;
      if (seconds > kTimedSeconds) return seconds / static_cast<double>(products);
    }
  }

  // The same values in every run: half of them of one size, half of many, and zeros. Two ways to
  // add may agree on values of one size and part where small ones are lost beside large ones.
  float RandomValue() {
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    const float value = uniform(random_);
    const auto kind = static_cast<uint32_t>(random_());
    if (kind % 64 == 0) return 0.0f;
    return kind % 2 == 0 ? value : std::ldexp(value, static_cast<int>(kind / 64 % 27) - 20);
  }
  void FillRandomly(float* at, int64_t count) {
    constexpr int64_t kChunk = int64_t{1} << 20;
    std::vector<float> values;
    for (int64_t begin = 0; begin < count; begin += kChunk) {
      values.resize(static_cast<size_t>(std::min(kChunk, count - begin)));
      for (float& value : values) value = RandomValue();
      CopyAsync(stream_.handle(), at + begin, values.data(),
                static_cast<int64_t>(values.size() * sizeof(float)));
      stream_.Finish();
    }
  }

  bool Multiply(const Algorithm& algorithm, int64_t rows) {
    stream_.BeginOp();
    return MultiplyByLibrary(stream_, library_, algorithm, direction_,
                             View<const float>(x_.data(), rows, depth_), weight_.values<uint16_t>(),
                             weight_.out(), weight_.in(), View<float>(y_.data(), rows, columns_),
                             Write::kReplace);
  }

  std::vector<float> Row(int64_t place) {
    std::vector<float> row(static_cast<size_t>(columns_));
    CopyAsync(stream_.handle(), row.data(), y_.data() + place * columns_,
              columns_ * int64_t{sizeof(float)});
    stream_.Finish();
    return row;
  }

  void MultiplyOwn(const float* x, int64_t rows) {
    stream_.BeginOp();
    MultiplyByOwnTiles(stream_, direction_, View<const float>(x, rows, depth_), weight_,
                       View<float>(y_.data(), rows, columns_), Write::kReplace);
  }

  std::vector<float> OwnRow() {
    MultiplyOwn(probe_.data(), 1);
    return Row(0);
  }

  bool IsClose(const std::vector<float>& got) const {
    float largest = 0.0f, worst = 0.0f;
    for (size_t i = 0; i < got.size(); ++i) {
      if (!std::isfinite(got[i])) return false;
      largest = std::max(largest, std::fabs(own_row_[i]));
      worst = std::max(worst, std::fabs(got[i] - own_row_[i]));
    }
    return worst <= kTolerance * largest;
  }

  CudaStream& stream_;
  BlasLibrary& library_;
  const Direction direction_;
  const int64_t depth_, columns_;
  std::mt19937_64 random_{1};
  const DeviceFloats x_, y_, probe_, usual_row_;
  CudaPackedWeight weight_;
  std::vector<float> own_row_;
};

}  // namespace

TunerPlan WholePlan() {
  TunerPlan plan;
  plan.probed_rows.insert(plan.probed_rows.end(), LibraryRows().begin(), LibraryRows().end());
  return plan;
}

Choice TuneWeight(CudaStream& stream, BlasLibrary& library, int64_t out, int64_t in,
                  Direction direction, const TunerPlan& plan) {
  const std::vector<Algorithm> candidates = library.Candidates(out, in, direction, LibraryRows());
  if (candidates.empty()) return {};
  int64_t rows = 0;
  for (const int64_t probed : plan.probed_rows) rows = std::max(rows, probed);
  for (const TimedRows& timed : plan.timed) rows = std::max(rows, timed.rows);
  Trial trial(stream, library, out, in, direction, rows);
  AlgorithmProbe probe;
  probe.row_bits = [&](const Algorithm& algorithm, int64_t count, int64_t place) {
    return trial.RowBits(algorithm, count, place);
  };
  probe.seconds = [&](const Algorithm& algorithm, int64_t count) {
    return trial.Seconds(algorithm, count);
  };
  probe.own_row_bits = [&] { return trial.OwnRowBits(); };
  probe.own_seconds = [&](int64_t count) { return trial.OwnSeconds(count); };
  return ChooseAlgorithm(candidates, probe, plan);
}

}  // namespace temper::kernels::cuda
