// Copies and products on a GPU, repeated until one measurement is long beside its start and end.
#include "orchestrator/cli/device_peaks.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kernels/cpu/limits.h"
#include "kernels/ops.h"

namespace temper::cli {

using kernels::View;

namespace {

constexpr int64_t kSideMin = 128, kSideMax = 4096;
constexpr int64_t kCopyMin = int64_t{16} << 20, kCopyMax = int64_t{1} << 30;
constexpr int64_t kFloat = sizeof(float);
constexpr int kMeasurements = 5;
constexpr double kLongEnough = 0.02;  // seconds

double Time(kernels::Device& device, int times, absl::FunctionRef<void()> work) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) work();
  device.Finish();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / times;
}

struct Taken {
  double once = 0;    // seconds, the first time that counts
  double median = 0;  // of several
};
Taken Measure(kernels::Device& device, absl::FunctionRef<void()> work) {
  Time(device, 1, work);  // warms up
  Taken taken{.once = std::max(Time(device, 1, work), 1e-7)};
  const int times = static_cast<int>(std::clamp(kLongEnough / taken.once, 1.0, 100.0));
  std::vector<double> seconds;
  for (int i = 0; i < kMeasurements; ++i) seconds.push_back(Time(device, times, work));
  std::ranges::sort(seconds);
  taken.median = seconds[seconds.size() / 2];
  return taken;
}

// rate(size, taken) where the size, doubled, has come to `most`, takes long, or finds no room:
// what costs a start is small beside it then.
double AtFullSize(kernels::Device& device, int64_t least, int64_t most,
                  absl::FunctionRef<int64_t(int64_t)> bytes,
                  absl::FunctionRef<double(int64_t, double&)> rate) {
  double best = 0, once = 0;
  for (int64_t size = least; size <= most && once < kLongEnough; size *= 2) {
    if (best > 0 && bytes(size) > device.free_bytes() / 2) break;
    best = std::max(best, rate(size, once));
  }
  return best;
}

double CopyBandwidth(kernels::Device& device) {
  return AtFullSize(
      device, kCopyMin, kCopyMax, [](int64_t bytes) { return 2 * bytes; },
      [&](int64_t bytes, double& once) {
        const kernels::Memory from = device.Allocate(bytes), to = device.Allocate(bytes);
        device.Zero(from.as<char>(), bytes);
        const Taken taken =
            Measure(device, [&] { device.Copy(to.as<char>(), from.as<char>(), bytes); });
        once = taken.once;
        return 2.0 * static_cast<double>(bytes) / taken.median;
      });
}

double ProductRate(kernels::Device& device, kernels::Dtype dtype, int64_t side, double& once) {
  std::vector<float> values(static_cast<size_t>(side * side));
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  for (float& value : values) value = uniform(random);
  const kernels::Memory rows = device.Allocate(side * side * kFloat);
  device.Copy(rows.as<float>(), values.data(), rows.bytes());
  device.Finish();
  const View<const float> x(rows.as<float>(), side, side);
  const auto weight = device.ops().pack_weight(device.stream(), x, {.dtype = dtype});
  const kernels::Memory result = device.Allocate(side * side * kFloat);
  const View<float> y(result.as<float>(), side, side);
  const Taken taken = Measure(device, [&] {
    device.ops().matmul(device.stream(), x, *weight, y, kernels::Write::kReplace);
  });
  once = taken.once;
  const auto sides = static_cast<double>(side);
  return 2.0 * sides * sides * sides / taken.median;
}

double ProductPeak(kernels::Device& device, kernels::Dtype dtype) {
  return AtFullSize(
      device, kSideMin, kSideMax, [](int64_t side) { return 4 * side * side * kFloat; },
      [&](int64_t side, double& once) { return ProductRate(device, dtype, side, once); });
}

}  // namespace

Peaks MeasurePeaks(kernels::Device& device, kernels::Dtype dtype) {
  if (device.shares_host_memory()) {
    return {.flops = kernels::MeasureGemmPeak(device.threads()),
            .bandwidth = kernels::MeasureReadBandwidth(device.threads())};
  }
  return {.flops = ProductPeak(device, dtype), .bandwidth = CopyBandwidth(device)};
}

}  // namespace temper::cli
