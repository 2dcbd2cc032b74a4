// The two ceilings of the machine: bytes copied a second, operations of a large product.
#include <algorithm>
#include <random>
#include <set>

#include "policy/model/parameters.h"
#include "tests/gpu_check/bench.h"

namespace temper::gpu_check {

using kernels::View;

namespace {

kernels::Memory RandomFloats(kernels::Device& device, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  for (float& value : values) value = uniform(random);
  kernels::Memory memory = device.Allocate(count * int64_t{sizeof(float)});
  device.Copy(memory.as<float>(), values.data(), memory.bytes());
  device.Finish();
  return memory;
}

// Of `work`, repeated until one measurement is long beside its start and end.
Times MeasureRepeated(const Bench& bench, absl::FunctionRef<void()> work) {
  work();
  bench.device.Finish();
  const double start = NowSeconds();
  work();
  bench.device.Finish();
  const double once = std::max(NowSeconds() - start, 1e-7);
  const int repetitions = static_cast<int>(std::clamp(0.01 / once, 1.0, 100.0));
  Times times = Measure(bench.Runs(5, 15), [&] {
    for (int i = 0; i < repetitions; ++i) work();
    bench.device.Finish();
  });
  for (double& seconds : times.seconds) seconds /= repetitions;
  return times;
}

}  // namespace

void MeasureCopies(Bench& bench, bool print) {
  int64_t bytes = std::max<int64_t>(bench.options.copy_mbytes, 1) << 20;
  if (bench.options.copy_mbytes == 0) bytes = int64_t{bench.gpu() ? 2048 : 64} << 20;
  while (bytes > int64_t{1} << 20 && 2 * bytes > bench.FreeBytes() / 2) bytes /= 2;
  const kernels::Memory from = bench.device.Allocate(bytes), to = bench.device.Allocate(bytes);
  bench.device.Zero(from.as<char>(), bytes);
  const Times times =
      MeasureRepeated(bench, [&] { bench.device.Copy(to.as<char>(), from.as<char>(), bytes); });
  bench.measured.bandwidth = 2.0 * static_cast<double>(bytes) / times.median();
  if (!print) return;
  Figure figure{.name = "copy-bandwidth", .value = bench.measured.bandwidth / 1e9, .unit = "GB/s"};
  figure.details = {{"bytes_copied", bytes}, {"counted", "bytes read and bytes written"}};
  times.AddTo(figure.details);
  bench.Print(std::move(figure));
}

void MeasureProducts(Bench& bench, bool print) {
  const int64_t side =
      bench.options.gemm_side > 0 ? bench.options.gemm_side : int64_t{bench.gpu() ? 4096 : 512};
  const kernels::Memory values = RandomFloats(bench.device, side * side);
  const View<const float> x(values.as<float>(), side, side);
  const auto weight = bench.device.ops().pack_weight(bench.device.stream(), x,
                                                     {.dtype = kernels::Dtype::kBFloat16});
  const kernels::Memory result = bench.device.Allocate(side * side * int64_t{sizeof(float)});
  const View<float> y(result.as<float>(), side, side);
  const double operations = 2.0 * static_cast<double>(side) * static_cast<double>(side * side);

  const auto report = [&](const char* name, const char* how, const Times& times) {
    const double flops = operations / times.median();
    bench.measured.flops = std::max(bench.measured.flops, flops);
    if (!print) return;
    Figure figure{.name = name, .value = flops / 1e12, .unit = "TFLOP/s"};
    figure.details = {{"rows", side},
                      {"out", side},
                      {"in", side},
                      {"how", how},
                      {"dtype", "bfloat16 weight, float32 rows and result"}};
    times.AddTo(figure.details);
    bench.Print(std::move(figure));
  };
  const bool by_op = !bench.pinned();
  report("gemm-own", by_op ? "Ops::matmul" : "our own tiles, called directly",
         MeasureRepeated(bench, [&] {
           if (by_op) {
             bench.device.ops().matmul(bench.device.stream(), x, *weight, y,
                                       kernels::Write::kReplace);
           } else {
             bench.products->MultiplyOwn(bench.device, x, *weight, y);
           }
         }));
  if (bench.products == nullptr ||
      !bench.products->MultiplyByLibrary(bench.device, x, *weight, y)) {
    return;
  }
  report("gemm-library", "cuBLASLt, with the table's algorithm; rounding the rows counts",
         MeasureRepeated(bench,
                         [&] { bench.products->MultiplyByLibrary(bench.device, x, *weight, y); }));
}

void TuneAll(Bench& bench) {
  if (bench.products == nullptr) {
    Figure figure{.name = "tune", .unit = "s"};
    figure.details["skipped"] = "there is no cuBLASLt here";
    bench.Print(std::move(figure));
    return;
  }
  // Every shape once; the square one is that of gemm-library.
  const int64_t side = bench.options.gemm_side > 0 ? bench.options.gemm_side : 4096;
  std::set<std::pair<int64_t, int64_t>> shapes = {{side, side}};
  const model::ParameterLayout layout(bench.config);
  for (const model::ParameterSpec& spec : layout.specs()) {
    if (spec.packed && spec.training != model::Training::kRouter) {
      shapes.insert({spec.shape[0], spec.shape[1]});
    }
  }
  // The square first, then the largest, forward before backward: time may run out. The head last.
  std::vector<std::pair<int64_t, int64_t>> order(shapes.begin(), shapes.end());
  const auto rank = [&](const std::pair<int64_t, int64_t>& shape) {
    const bool square = shape == std::pair(side, side),
               head = shape.first == bench.config.vocab_size;
    return std::tuple(square ? 0 : head ? 2 : 1, -shape.first * shape.second);
  };
  std::sort(order.begin(), order.end(),
            [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  const double begin = NowSeconds();
  for (const bool backward : {false, true}) {
    for (const auto& [out, in] : order) {
      if (NowSeconds() - begin > bench.options.tune_seconds) {
        Figure figure{.name = "tune", .unit = "s"};
        figure.details = {{"out", out},
                          {"in", in},
                          {"direction", backward ? "backward_input" : "forward"},
                          {"skipped", "the time for tuning is up: our own kernels compute it"}};
        bench.Print(std::move(figure));
        continue;
      }
      bench.Print(bench.products->Tune(bench.device, out, in, backward, bench.options.tune_rows));
      if (absl::Status saved = bench.products->SaveTable(bench.options.table); !saved.ok()) {
        std::fprintf(stderr, "gpu_bench: %s\n", std::string(saved.message()).c_str());
        bench.failed = true;
        return;
      }
    }
  }
}

}  // namespace temper::gpu_check
