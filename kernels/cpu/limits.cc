// Measures the machine's arithmetic and read peaks, best of several rounds.
#include "kernels/cpu/limits.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "kernels/cpu/float_buffer.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/thread_pool.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/limits.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// 10 independent chains of `steps` fused multiply-adds on a vector each; returns the operations
// done.
double RunChains(int64_t steps, float* out) {
  const D16 d;
  const V16 scale = hn::Set(d, out[0]), offset = hn::Set(d, out[1]);
  // Different starts: equal chains would be computed once.
  V16 a = hn::Set(d, 1.0f), b = hn::Add(a, scale), c = hn::Add(b, scale), e = hn::Add(c, scale);
  V16 f = hn::Add(e, scale), g = hn::Add(f, scale), h = hn::Add(g, scale), i = hn::Add(h, scale);
  V16 j = hn::Add(i, scale), k = hn::Add(j, scale);
  for (int64_t step = 0; step < steps; ++step) {
    a = hn::MulAdd(a, scale, offset);
    b = hn::MulAdd(b, scale, offset);
    c = hn::MulAdd(c, scale, offset);
    e = hn::MulAdd(e, scale, offset);
    f = hn::MulAdd(f, scale, offset);
    g = hn::MulAdd(g, scale, offset);
    h = hn::MulAdd(h, scale, offset);
    i = hn::MulAdd(i, scale, offset);
    j = hn::MulAdd(j, scale, offset);
    k = hn::MulAdd(k, scale, offset);
  }
  const V16 sum = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)),
                          hn::Add(hn::Add(hn::Add(f, g), hn::Add(h, i)), hn::Add(j, k)));
  out[2] = hn::GetLane(sum);
  return 2.0 * 10 * kVectorLanes * static_cast<double>(steps);
}

float SumOf(const float* values, int64_t n) {
  Lanes16 a = Set16(0), b = a, c = a, e = a;
  for (int64_t i = 0; i + 64 <= n; i += 64) {
    a = Add16(a, Load16(values + i));
    b = Add16(b, Load16(values + i + 16));
    c = Add16(c, Load16(values + i + 32));
    e = Add16(e, Load16(values + i + 48));
  }
  return Sum16(Add16(Add16(a, b), Add16(c, e)));
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels {
namespace cpu {
HWY_EXPORT(RunChains);
HWY_EXPORT(SumOf);
}  // namespace cpu

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double ArithmeticPeak(cpu::ThreadPool& pool) {
  // About 20 ms a thread: long enough for the scheduler to give each a core of its own.
  constexpr int64_t kSteps = 4'000'000;
  double best = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<double> operations(pool.size());
    const auto begin = Clock::now();
    pool.ParallelFor(pool.size(), [&](int64_t i) {
      float values[16] = {0.999f, 0.001f};
      operations[i] = HWY_DYNAMIC_DISPATCH(cpu::RunChains)(kSteps, values);
    });
    const double seconds = SecondsSince(begin);
    double total = 0;
    for (const double count : operations) total += count;
    best = std::max(best, total / seconds);
  }
  return best;
}

double ProductPeak(cpu::ThreadPool& pool) {
  constexpr int64_t kRows = 240, kDepth = 512;
  const int64_t columns = 256 * pool.size();
  cpu::Panels b(kDepth, columns);
  std::fill_n(b.panel(0), b.count() * b.panel_values(), 0.5f);
  std::vector<float> a(kRows * kDepth, 0.25f), c(kRows * columns);
  const cpu::GemmProduct product = {{a.data(), kRows, kDepth}, &b, {c.data(), kRows, columns}};
  double best = 0;
  for (int round = 0; round < 30; ++round) {
    const auto begin = Clock::now();
    cpu::Multiply(pool, {&product, 1}, Write::kReplace);
    best = std::max(best, 2.0 * kRows * kDepth * columns / SecondsSince(begin));
  }
  return best;
}

// Twice the last-level cache, between 256 and 512 MB.
int64_t BeyondCacheBytes() {
  int64_t cache = 0;
#if defined(_SC_LEVEL3_CACHE_SIZE)
  cache = std::max<int64_t>(0, sysconf(_SC_LEVEL3_CACHE_SIZE));
#endif
  return std::clamp<int64_t>(2 * cache, int64_t{256} << 20, int64_t{512} << 20);
}

}  // namespace

double MeasureGemmPeak(int threads) {
  cpu::ThreadPool pool(threads);
  return std::max(ArithmeticPeak(pool), ProductPeak(pool));
}

double MeasureReadBandwidth(int threads) {
  cpu::ThreadPool pool(threads);
  constexpr int64_t kChunk = int64_t{1} << 20;
  const int64_t floats = BeyondCacheBytes() / static_cast<int64_t>(sizeof(float));
  const cpu::FloatBuffer buffer(floats);
  pool.ParallelRanges(floats, kChunk, [&](int64_t begin, int64_t end) {
    std::fill(buffer.data() + begin, buffer.data() + end, 1.0f);
  });
  std::atomic<int64_t> wrong{0};
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const auto begin = Clock::now();
    pool.ParallelRanges(floats, kChunk, [&](int64_t first, int64_t last) {
      const float sum = HWY_DYNAMIC_DISPATCH(cpu::SumOf)(buffer.data() + first, last - first);
      if (sum != static_cast<float>(last - first)) wrong.fetch_add(1);
    });
    best = std::max(best, static_cast<double>(floats) * sizeof(float) / SecondsSince(begin));
  }
  TEMPER_KERNEL_CHECK(wrong.load() == 0);
  return best;
}

}  // namespace temper::kernels
#endif  // HWY_ONCE
