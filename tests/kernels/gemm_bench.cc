// Prints GF/s of our matrix products beside oneDNN's, float32 and bfloat16 weights, taken in turns;
// medians, and each figure's share of what the machine can do at most.
//
// Usage: gemm_bench [threads] [seconds per line] [K N]. oneDNN takes its threads from
// OMP_NUM_THREADS. Its bfloat16 is another arithmetic: inputs are rounded too, and pairs of
// products are summed by an instruction of their own.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dnnl.hpp"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/kernels/turns.h"

namespace temper::kernels {
namespace {

using bench::Limits;
using bench::MedianOfTurns;

// A matrix for oneDNN: [rows, cols] with these strides.
struct Side {
  dnnl::memory::data_type type;
  dnnl::memory::dims strides;
  void* values;
};

// dst [m, n] = src [m, k] * weights [k, n] by oneDNN; weights packed its own way, or as they are.
class OneDnnProduct {
 public:
  using Memory = dnnl::memory;
  OneDnnProduct(int64_t m, int64_t k, int64_t n, const Side& src, const Side& weights, bool pack,
                float* dst)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const Memory::desc plain({k, n}, weights.type, weights.strides);
    const Memory::desc any({k, n}, weights.type, Memory::format_tag::any);
    const Memory::desc source({m, k}, src.type, src.strides);
    const Memory::desc target({m, n}, Memory::data_type::f32, Memory::dims{n, 1});
    const dnnl::matmul::desc description(source, pack ? any : plain, target);
    const dnnl::matmul::primitive_desc primitive(description, engine_);
    matmul_ = dnnl::matmul(primitive);
    Memory given(plain, engine_, weights.values);
    Memory packed = given;
    if (primitive.weights_desc() != plain) {
      packed = Memory(primitive.weights_desc(), engine_);
      dnnl::reorder(given, packed).execute(stream_, given, packed);
      stream_.wait();
    }
    arguments_ = {{DNNL_ARG_SRC, Memory(source, engine_, src.values)},
                  {DNNL_ARG_WEIGHTS, packed},
                  {DNNL_ARG_DST, Memory(target, engine_, dst)}};
  }
  void Run() {
    matmul_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul matmul_;
  std::unordered_map<int, Memory> arguments_;
};

constexpr auto kF32 = dnnl::memory::data_type::f32;
constexpr auto kBf16 = dnnl::memory::data_type::bf16;

std::vector<float> Values(int64_t n) {
  std::vector<float> values(n);
  for (int64_t i = 0; i < n; ++i)
    values[i] = static_cast<float>((i * 2654435761u >> 8) % 1000) / 1000 - 0.5f;
  return values;
}
std::vector<uint16_t> Truncated(const std::vector<float>& values) {
  std::vector<uint16_t> truncated(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    truncated[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(values[i]) >> 16);
  }
  return truncated;
}

class Bench {
 public:
  Bench(Device& device, const Limits& limits, int64_t k, int64_t n, double budget)
      : device_(device),
        limits_(limits),
        k_(k),
        n_(n),
        budget_(budget),
        weight_(Values(n * k)),
        narrow_(Truncated(weight_)),
        packed_(ops_.pack_weight(stream_, {weight_.data(), n, k}, {.backward = true})),
        packed_narrow_(ops_.pack_weight(stream_, {weight_.data(), n, k},
                                        {.backward = true, .dtype = Dtype::kBFloat16})) {}

  void Run(int64_t m) {
    std::vector<float> x = Values(m * k_), y = Values(m * n_), out(m * std::max(n_, k_));
    std::vector<uint16_t> x_narrow = Truncated(x), y_narrow = Truncated(y);
    const auto product = [&](const PackedWeight& weight) {
      return [&] { ops_.matmul(stream_, {x.data(), m, k_}, weight, {out.data(), m, n_}, kSet); };
    };
    OneDnnProduct forward(m, k_, n_, {kF32, {k_, 1}, x.data()}, {kF32, {1, k_}, weight_.data()},
                          true, out.data());
    OneDnnProduct forward_narrow(m, k_, n_, {kBf16, {k_, 1}, x_narrow.data()},
                                 {kBf16, {1, k_}, narrow_.data()}, true, out.data());
    Print("forward", m,
          MedianOfTurns(budget_, {product(*packed_), [&] { forward.Run(); },
                                  product(*packed_narrow_), [&] { forward_narrow.Run(); }}));
    if (m < 128) return;
    const auto input = [&](const PackedWeight& weight) {
      return [&] {
        ops_.matmul_backward_input(stream_, {y.data(), m, n_}, weight, {out.data(), m, k_}, kSet);
      };
    };
    OneDnnProduct back(m, n_, k_, {kF32, {n_, 1}, y.data()}, {kF32, {k_, 1}, weight_.data()}, true,
                       out.data());
    OneDnnProduct back_narrow(m, n_, k_, {kBf16, {n_, 1}, y_narrow.data()},
                              {kBf16, {k_, 1}, narrow_.data()}, true, out.data());
    Print("dx", m,
          MedianOfTurns(budget_, {input(*packed_), [&] { back.Run(); }, input(*packed_narrow_),
                                  [&] { back_narrow.Run(); }}));
    std::vector<float> gradient(n_ * k_);
    OneDnnProduct weights(n_, m, k_, {kF32, {1, n_}, y.data()}, {kF32, {k_, 1}, x.data()}, false,
                          gradient.data());
    Print("dW", m,
          MedianOfTurns(budget_, {[&] {
                                    ops_.matmul_backward_weight(stream_, {x.data(), m, k_},
                                                                {y.data(), m, n_}, Dtype::kFloat32,
                                                                {gradient.data(), n_, k_});
                                  },
                                  [&] { weights.Run(); }}));
  }

 private:
  static constexpr Write kSet = Write::kReplace;

  // seconds: ours and oneDNN's in float32, then in bfloat16.
  void Print(const char* what, int64_t m, const std::vector<double>& seconds) const {
    const double flops = 2.0 * static_cast<double>(k_ * n_ * m);
    std::printf("%-8s K=%5ld N=%5ld M=%4ld", what, static_cast<long>(k_), static_cast<long>(n_),
                static_cast<long>(m));
    for (size_t i = 0; i + 1 < seconds.size(); i += 2) {
      const double bytes = static_cast<double>(k_ * n_) * (i == 0 ? 4 : 2);
      std::printf("  %s %6.1f (%3.0f %% of limit) oneDNN %6.1f ratio %.2f", i == 0 ? "f32" : "bf16",
                  flops / seconds[i] / 1e9, 100 * limits_.Seconds(flops, bytes) / seconds[i],
                  flops / seconds[i + 1] / 1e9, seconds[i + 1] / seconds[i]);
    }
    if (seconds.size() > 2) std::printf("  bf16/f32 %.2f", seconds[0] / seconds[2]);
    std::printf("\n");
    std::fflush(stdout);
  }

  Device& device_;
  const Limits& limits_;
  const int64_t k_, n_;
  const double budget_;
  const Ops& ops_ = device_.ops();
  Stream& stream_ = device_.stream();
  std::vector<float> weight_;
  std::vector<uint16_t> narrow_;
  std::unique_ptr<PackedWeight> packed_, packed_narrow_;
};

}  // namespace
}  // namespace temper::kernels

int main(int argc, char** argv) {
  using namespace temper::kernels;
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0;
  const double budget = argc > 2 ? std::atof(argv[2]) : 0.6;
  auto device = OpenCpuDevice(threads);
  bench::processor_time = device->threads() == 1;
  std::vector<std::pair<int64_t, int64_t>> shapes = {{768, 5144}, {1536, 768},   {768, 3072},
                                                     {3072, 768}, {3136, 12544}, {768, 32000}};
  if (argc > 4) shapes = {{std::atol(argv[3]), std::atol(argv[4])}};
  for (const auto& [k, n] : shapes) {
    const bench::Limits limits = bench::MeasureLimits(*device);
    Bench bench(*device, limits, k, n, budget);
    for (const int64_t m : {1, 2, 4, 8, 32, 128, 512}) bench.Run(m);
  }
  return 0;
}
