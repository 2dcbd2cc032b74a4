// Prints what the products of a mixture of experts cost: grouped, and one call an expert, each
// beside the limit: experts that are in use read once from memory, or their arithmetic.
//
// Usage: experts_bench [threads] [seconds per line] [experts] [chosen] [width] [inner]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/kernels/turns.h"

namespace temper::kernels {
namespace {

struct Shape {
  int64_t experts, chosen, width, inner;
};

// The first row of each expert, and their end, when every token picks `chosen` different ones at
// random.
std::vector<int32_t> FirstRows(const Shape& shape, int64_t tokens) {
  std::mt19937 engine(1);
  std::vector<int64_t> ids(shape.experts);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<int32_t> first(shape.experts + 1);
  for (int64_t t = 0; t < tokens; ++t) {
    std::shuffle(ids.begin(), ids.end(), engine);
    for (int64_t j = 0; j < shape.chosen; ++j) ++first[ids[j] + 1];
  }
  std::partial_sum(first.begin(), first.end(), first.begin());
  return first;
}

void Run(Device& device, const Shape& shape, Dtype dtype, double budget) {
  const Ops& ops = device.ops();
  Stream& stream = device.stream();
  const std::vector<float> values(shape.inner * shape.width, 0.01f);
  std::vector<std::unique_ptr<PackedWeight>> owned;
  std::vector<const PackedWeight*> weights;
  for (int64_t e = 0; e < shape.experts; ++e) {
    owned.push_back(ops.pack_weight(stream, {values.data(), shape.inner, shape.width},
                                    {.grouped = true, .dtype = dtype}));
    weights.push_back(owned.back().get());
  }
  for (const int64_t tokens : {1, 4, 16, 64, 512}) {
    const bench::Limits limits = bench::MeasureLimits(device);
    const std::vector<int32_t> first = FirstRows(shape, tokens);
    const int64_t rows = tokens * shape.chosen;
    const std::vector<float> x(rows * shape.width, 0.5f);
    std::vector<float> y(rows * shape.inner);
    const View<const float> in(x.data(), rows, shape.width);
    const View<float> out(y.data(), rows, shape.inner);
    double limit = 0, used = 0;
    const double weight = static_cast<double>(shape.width * shape.inner);
    for (int64_t e = 0; e < shape.experts; ++e) {
      const int32_t count = first[e + 1] - first[e];
      if (count == 0) continue;
      ++used;
      limit += limits.Seconds(2 * weight * count, weight * (dtype == Dtype::kFloat32 ? 4 : 2));
    }
    const auto one_by_one = [&] {
      for (int64_t e = 0; e < shape.experts; ++e) {
        const int32_t count = first[e + 1] - first[e];
        if (count == 0) continue;
        ops.matmul(stream, in.Rows(first[e], count), *weights[e], out.Rows(first[e], count),
                   Write::kReplace);
      }
    };
    const auto seconds = bench::MedianOfTurns(
        budget, {[&] { ops.matmul_grouped(stream, in, weights, first.data(), out); }, one_by_one});
    std::printf(
        "%s tokens %4ld experts in use %3.0f  grouped %8.3f ms (%3.0f %% of limit)  "
        "one by one %8.3f ms\n",
        dtype == Dtype::kFloat32 ? "f32 " : "bf16", static_cast<long>(tokens), used,
        1e3 * seconds[0], 100 * limit / seconds[0], 1e3 * seconds[1]);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace temper::kernels

int main(int argc, char** argv) {
  using namespace temper::kernels;
  const auto number = [&](int i, double otherwise) {
    return argc > i ? std::atof(argv[i]) : otherwise;
  };
  auto device = OpenCpuDevice(static_cast<int>(number(1, 0)));
  bench::processor_time = device->threads() == 1;
  const Shape shape = {static_cast<int64_t>(number(3, 32)), static_cast<int64_t>(number(4, 6)),
                       static_cast<int64_t>(number(5, 2688)),
                       static_cast<int64_t>(number(6, 1856))};
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    Run(*device, shape, dtype, number(2, 1));
  }
  return 0;
}
