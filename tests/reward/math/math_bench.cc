// Prints comparisons of the math verifier per second, by number of threads and kind of answer.
//
// Usage: math_bench [seconds per line]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "reward/math/compare.h"
#include "tests/reward/math/case_file.h"

namespace temper::reward::math {
namespace {

using Clock = std::chrono::steady_clock;

double PerSecond(const std::vector<Case>& cases, int threads, double seconds) {
  std::atomic<long> done{0};
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      long mine = 0;
      for (size_t i = static_cast<size_t>(t); Clock::now() < end; ++i, ++mine) {
        const Case& one = cases[i % cases.size()];
        CompareMath(one.gold, one.answer);
      }
      done += mine;
    });
  }
  for (std::thread& worker : workers) worker.join();
  return static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - start).count();
}

// The slowest case, each the best of three.
double SlowestMs(const std::vector<Case>& cases, std::string& which) {
  double slowest = 0;
  for (const Case& one : cases) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const auto start = Clock::now();
      CompareMath(one.gold, one.answer);
      best =
          std::min(best, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
    if (best > slowest) {
      slowest = best;
      which = one.gold + "  against  " + one.answer;
    }
  }
  return slowest;
}

int Run(double seconds) {
  struct Set {
    const char* name;
    std::vector<Case> cases;
  };
  const std::string data = std::string(TEMPER_TEST_DATA) + "/math/";
  std::vector<Set> sets = {{"numbers",
                            {{0, "72", "72"},
                             {0, "1000", "1,000"},
                             {0, "1/2", "0.5"},
                             {0, "18", "\\boxed{18}"},
                             {0, "\\frac{3}{4}", "\\frac34"},
                             {0, "10", "11"},
                             {0, "-5", "5"},
                             {0, "\\$20", "20"}}},
                           {"public cases", ReadCases(data + "cases.jsonl")},
                           {"own cases", ReadCases(data + "own_cases.jsonl")}};
  for (Set& set : sets) {
    for (const int threads : {1, 2}) {
      std::printf("%-14s %d thread%s %9.0f comparisons/s\n", set.name, threads,
                  threads == 1 ? " " : "s", PerSecond(set.cases, threads, seconds));
    }
    std::string which;
    const double slowest = SlowestMs(set.cases, which);
    std::printf("%-14s slowest %.2f ms: %s\n", set.name, slowest, which.substr(0, 120).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace temper::reward::math

int main(int argc, char** argv) {
  return temper::reward::math::Run(argc > 1 ? std::atof(argv[1]) : 2);
}
