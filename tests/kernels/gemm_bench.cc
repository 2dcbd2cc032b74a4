// Prints GF/s of our matrix products beside oneDNN's packed f32 ones, taken in turns, best of
// several.
//
// Usage: gemm_bench [threads] [seconds per figure]. oneDNN takes its threads from OMP_NUM_THREADS.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dnnl.hpp"
#include "kernels/cpu/limits.h"
#include "kernels/device.h"
#include "kernels/ops.h"

namespace temper::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// With one thread its own processor time is taken: on a busy machine it is the steadier clock.
bool processor_time = false;

double Now() {
  if (!processor_time) {
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  }
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double Seconds(const std::function<void()>& work) {
  const double begin = Now();
  work();
  return Now() - begin;
}

// Best time of a turn of at least 30 ms: OpenMP's threads spin for a while after their last call,
// and only then are the cores ours.
double BestOfTurn(const std::function<void()>& work) {
  double best = 1e9, spent = 0;
  while (spent < 0.03) {
    const double seconds = Seconds(work);
    best = std::min(best, seconds);
    spent += seconds;
  }
  return best;
}

// Best time of each, run in turns for about `budget` seconds in all.
std::pair<double, double> BestOfTurns(double budget, const std::function<void()>& ours,
                                      const std::function<void()>& theirs) {
  double best_ours = 1e9, best_theirs = 1e9;
  const auto begin = Clock::now();
  do {
    best_ours = std::min(best_ours, BestOfTurn(ours));
    best_theirs = std::min(best_theirs, BestOfTurn(theirs));
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < budget);
  return {best_ours, best_theirs};
}

// dst [m, n] = src [m, k] * weights [k, n] by oneDNN, weights given with these strides, packed its
// own way.
class OneDnnProduct {
 public:
  using Memory = dnnl::memory;
  OneDnnProduct(Memory::dims src_strides, Memory::dims weight_strides, bool pack, int64_t m,
                int64_t k, int64_t n, float* src, float* weights, float* dst)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const auto f32 = Memory::data_type::f32;
    const Memory::desc plain({k, n}, f32, weight_strides);
    const Memory::desc any({k, n}, f32, Memory::format_tag::any);
    const Memory::desc source({m, k}, f32, src_strides);
    const Memory::desc target({m, n}, f32, Memory::dims{n, 1});
    const dnnl::matmul::desc description(source, pack ? any : plain, target);
    const dnnl::matmul::primitive_desc primitive(description, engine_);
    matmul_ = dnnl::matmul(primitive);
    Memory given(plain, engine_, weights);
    Memory packed = given;
    if (primitive.weights_desc() != plain) {
      packed = Memory(primitive.weights_desc(), engine_);
      dnnl::reorder(given, packed).execute(stream_, given, packed);
      stream_.wait();
    }
    arguments_ = {{DNNL_ARG_SRC, Memory(source, engine_, src)},
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

std::vector<float> Values(int64_t n) {
  std::vector<float> values(n);
  for (int64_t i = 0; i < n; ++i)
    values[i] = static_cast<float>((i * 2654435761u >> 8) % 1000) / 1000 - 0.5f;
  return values;
}

void Print(const char* what, int64_t k, int64_t n, int64_t m, std::pair<double, double> best) {
  const double flops = 2.0 * k * n * m;
  std::printf("%-9s K=%5ld N=%5ld M=%4ld  ours %7.1f GF/s  oneDNN %7.1f GF/s  ratio %.2f\n", what,
              static_cast<long>(k), static_cast<long>(n), static_cast<long>(m),
              flops / best.first / 1e9, flops / best.second / 1e9, best.second / best.first);
  std::fflush(stdout);
}

void Compare(Device& device, int64_t k, int64_t n, double budget) {
  const Ops& ops = device.ops();
  Stream& stream = device.stream();
  std::vector<float> weight = Values(n * k), gradient(n * k);
  auto packed = ops.pack_weight(stream, {weight.data(), n, k}, {.backward = true});
  for (const int64_t m : {1, 2, 4, 8, 32, 128, 512}) {
    std::vector<float> x = Values(m * k), y = Values(m * n), out(m * std::max(n, k));
    OneDnnProduct forward({k, 1}, {1, k}, true, m, k, n, x.data(), weight.data(), out.data());
    Print("forward", k, n, m,
          BestOfTurns(
              budget,
              [&] {
                ops.matmul(stream, {x.data(), m, k}, *packed, {out.data(), m, n}, Write::kReplace);
              },
              [&] { forward.Run(); }));
    if (m < 128) continue;
    OneDnnProduct input({n, 1}, {k, 1}, true, m, n, k, y.data(), weight.data(), out.data());
    Print("dx", k, n, m,
          BestOfTurns(
              budget,
              [&] {
                ops.matmul_backward_input(stream, {y.data(), m, n}, *packed, {out.data(), m, k},
                                          Write::kReplace);
              },
              [&] { input.Run(); }));
    OneDnnProduct weights({1, n}, {k, 1}, false, n, m, k, y.data(), x.data(), gradient.data());
    Print("dW", k, n, m,
          BestOfTurns(
              budget,
              [&] {
                ops.matmul_backward_weight(stream, {x.data(), m, k}, {y.data(), m, n},
                                           {gradient.data(), n, k});
              },
              [&] { weights.Run(); }));
  }
}

}  // namespace
}  // namespace temper::kernels

int main(int argc, char** argv) {
  using namespace temper::kernels;
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0;
  const double budget = argc > 2 ? std::atof(argv[2]) : 0.3;
  auto device = OpenCpuDevice(threads);
  processor_time = device->threads() == 1;
  std::printf("threads %d  peak %.1f GF/s  read %.1f GB/s\n", device->threads(),
              MeasureGemmPeak(device->threads()) / 1e9,
              MeasureReadBandwidth(device->threads()) / 1e9);
  const int64_t shapes[][2] = {{768, 5144}, {1536, 768}, {768, 3072}, {3072, 768}, {768, 32000}};
  for (const auto& [k, n] : shapes) Compare(*device, k, n, budget);
  return 0;
}
