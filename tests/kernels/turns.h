// How the kernels' benches take time: medians of several pieces of work done in turns, and the
// limits of the machine at that moment.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "kernels/cpu/limits.h"
#include "kernels/device.h"
#include "kernels/ops.h"

namespace temper::kernels::bench {

using Clock = std::chrono::steady_clock;
using Work = std::function<void()>;

// With one thread its own processor time is taken: on a busy machine it is the steadier clock.
inline bool processor_time = false;

inline double Now() {
  if (!processor_time) {
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  }
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double Seconds(const Work& work) {
  const double begin = Now();
  work();
  return Now() - begin;
}

// One turn of at least 30 ms. The first third warms up: OpenMP's threads spin for a while after
// their last call, and only then are the cores ours.
inline void TakeTurn(const Work& work, std::vector<double>& times) {
  double spent = 0;
  while (spent < 0.03) {
    const double seconds = Seconds(work);
    if (spent > 0.01 || seconds > 0.02) times.push_back(seconds);
    spent += seconds;
  }
}

// Median seconds of each, run in turns for about `budget` seconds in all.
inline std::vector<double> MedianOfTurns(double budget, const std::vector<Work>& works) {
  std::vector<std::vector<double>> times(works.size());
  const auto begin = Clock::now();
  do {
    for (size_t i = 0; i < works.size(); ++i) TakeTurn(works[i], times[i]);
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < budget);
  std::vector<double> medians;
  for (std::vector<double>& one : times) {
    std::nth_element(one.begin(), one.begin() + one.size() / 2, one.end());
    medians.push_back(one[one.size() / 2]);
  }
  return medians;
}

struct Limits {
  double peak, bandwidth;
  // Seconds below which a product of `flops` on weights of so many bytes cannot fall, if they come
  // from memory; weights that fit in a cache may well be faster.
  double Seconds(double flops, double bytes) const {
    return std::max(flops / peak, bytes / bandwidth);
  }
};

// The better of the machine's limit as everybody measures it and of a sum over memory by this
// clock: with one thread on a busy machine only the latter leaves the others' time out.
inline Limits MeasureLimits(Device& device) {
  const int threads = device.threads();
  Limits limits = {MeasureGemmPeak(threads), MeasureReadBandwidth(threads)};
  const std::vector<float> memory(size_t{64} << 20, 1.0f);
  for (int i = 0; i < 15; ++i) {
    const double seconds =
        Seconds([&] { (void)device.ops().sum_squares(device.stream(), memory); });
    limits.bandwidth =
        std::max(limits.bandwidth, 4.0 * static_cast<double>(memory.size()) / seconds);
  }
  std::printf("threads %d  peak %.1f GF/s  read %.1f GB/s\n", threads, limits.peak / 1e9,
              limits.bandwidth / 1e9);
  return limits;
}

}  // namespace temper::kernels::bench
