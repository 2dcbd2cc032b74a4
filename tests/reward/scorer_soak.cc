// Scores N items of which 1 % hang, 1 % crash and 1 % eat memory, beside the same healthy ones
// alone; prints throughput of the healthy ones, what was lost, what is left. Not a test: it
// measures.
//
//   scorer_soak [items] [microseconds of processor time of a healthy item] [rounds]
//               [programs for verifier "code" among 100 items]
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/log.h"
#include "reward/scorer.h"
#include "tests/fakes/faulty_verifier.h"

namespace temper::reward {
namespace {

size_t ResidentMegabytes() {
  std::ifstream file("/proc/self/statm");
  size_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) >> 20;
}

int Children() {
  std::ifstream file(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  int count = 0;
  for (std::string pid; file >> pid;) ++count;
  return count;
}

struct Report {
  double healthy_seconds = 0;  // until the last healthy item
  double seconds = 0;
  int64_t scored = 0, internal_errors = 0, wrong = 0;
  size_t resident_half = 0, resident_end = 0;
  int64_t lost_workers = 0;
};

class Soak {
 public:
  Soak(int items, int work, int programs) : items_(items), work_(work), programs_(programs) {}

  std::string ResponseOf(int i, bool faulty) const {
    static const char* const kFaults[] = {"hang", "crash", "eat"};
    // Each faulty input is another one: nothing is known from quarantine.
    if (faulty && i % 100 < 3) return absl::StrCat(kFaults[i % 100], " ", i);
    return work_ > 0 ? absl::StrCat("work ", work_, " ", i) : absl::StrCat("fine ", i);
  }

  static temper::v1::RubricPart* AddPart(temper::v1::ScoreRequest& request,
                                         const std::string& verifier) {
    temper::v1::RubricPart* part = request.mutable_rubric()->add_parts();
    part->set_verifier(verifier);
    part->add_tasks(verifier);
    return part;
  }

  void Fill(temper::v1::ScoreItem& item, int i, bool faulty) const {
    if (i % 100 < 100 - programs_) {
      item.set_task("format");
      item.set_response(ResponseOf(i, faulty));
    } else {
      item.set_task("code");
      item.set_extracted(true);
      item.set_response(absl::StrCat("def f(x): return x + ", i));
      item.set_metadata_json(absl::StrCat("{\"test_list\": [\"assert f(1) == ", i + 1, "\"]}"));
    }
  }

  Report Run(bool faulty) {
    Scorer::Options options;
    options.pool = FaultyPool();
    options.items_max = 1 << 20;
    options.callers = 1;
    Scorer scorer(options);
    Report report;
    std::atomic<int> left{items_};
    std::atomic<int64_t> scored{0}, internal_errors{0}, wrong{0};
    std::atomic<double> last_healthy{0};
    const SystemClock clock;
    const absl::Duration began = clock.Uptime();
    int submitted = 0;
    for (int first = 0; first < items_; first += 256) {
      auto request = std::make_shared<temper::v1::ScoreRequest>();
      AddPart(*request, "format")->set_timeout_seconds(0.25);
      request->mutable_rubric()->mutable_parts(0)->set_pattern("x");
      if (programs_ > 0) AddPart(*request, "code");
      std::vector<bool> healthy;
      for (int i = first; i < std::min(items_, first + 256); ++i) {
        if (!faulty && i % 100 < 3) continue;
        Fill(*request->add_items(), i, faulty);
        healthy.push_back(i % 100 >= 3);
      }
      submitted += request->items_size();
      const absl::Status taken =
          scorer.Submit(request, [&, healthy](int index, temper::v1::ScoreResult result) {
            const bool is_healthy = healthy[static_cast<size_t>(index)];
            if (is_healthy) last_healthy = absl::ToDoubleSeconds(clock.Uptime() - began);
            scored += result.has_score();
            internal_errors += !result.internal_error().empty();
            wrong += result.has_score() != is_healthy;
            --left;
          });
      if (!taken.ok()) std::abort();
    }
    left -= items_ - submitted;
    while (left.load() > 0) {
      absl::SleepFor(absl::Milliseconds(20));
      if (report.resident_half == 0 && left.load() < submitted / 2) {
        report.resident_half = ResidentMegabytes();
      }
    }
    report.seconds = absl::ToDoubleSeconds(clock.Uptime() - began);
    report.healthy_seconds = last_healthy;
    report.scored = scored;
    report.internal_errors = internal_errors;
    report.wrong = wrong;
    report.resident_end = ResidentMegabytes();
    BoundedQueue<temper::v1::GetStatisticsResponse> answers(1);
    scorer.AskStatistics([&](const auto& response) { (void)answers.TryPush(response); });
    report.lost_workers = answers.Pop(Wait::OrFail("statistics", absl::Seconds(10)))->workers_lost();
    return report;
  }

 private:
  const int items_;
  const int work_;
  const int programs_;
};

int Main(int items, int work, int rounds, int programs) {
  log::Start("soak", "error");
  Soak soak(items, work, programs);
  std::vector<double> alone, mixed;
  for (int round = 0; round < rounds; ++round) {
    for (const bool faulty : {false, true}) {
      const Report report = soak.Run(faulty);
      const double rate = items * 0.97 / report.healthy_seconds;
      (faulty ? mixed : alone).push_back(rate);
      std::printf(
          "%-7s healthy %8.0f /s (%.2f s; all %.2f s): %lld scored, %lld internal errors, %lld "
          "wrong, %lld processes lost, %zu MB at half, %zu MB at the end, %d children left\n",
          faulty ? "mixed" : "alone", rate, report.healthy_seconds, report.seconds,
          static_cast<long long>(report.scored), static_cast<long long>(report.internal_errors),
          static_cast<long long>(report.wrong), static_cast<long long>(report.lost_workers),
          report.resident_half, report.resident_end, Children());
      std::fflush(stdout);
    }
  }
  std::sort(alone.begin(), alone.end());
  std::sort(mixed.begin(), mixed.end());
  std::printf("medians: alone %.0f /s, mixed %.0f /s: %.1f %%\n", alone[alone.size() / 2],
              mixed[mixed.size() / 2], 100 * mixed[mixed.size() / 2] / alone[alone.size() / 2]);
  return 0;
}

}  // namespace
}  // namespace temper::reward

int main(int argc, char** argv) {
  if (const auto code = temper::reward::RunAsFaultyHost(argc, argv)) return *code;
  return temper::reward::Main(argc > 1 ? std::atoi(argv[1]) : 100000,
                              argc > 2 ? std::atoi(argv[2]) : 1000,
                              argc > 3 ? std::atoi(argv[3]) : 3, argc > 4 ? std::atoi(argv[4]) : 0);
}
