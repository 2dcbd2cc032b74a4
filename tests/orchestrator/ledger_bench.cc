// Prints how fast a ledger records a run as the core makes it, and how fast it is read back; run by
// hand: ledger_bench FILE SAMPLES [SAMPLES_PER_COMMIT] [TOKENS]. Steps have 64 groups of 16.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/philox.h"
#include "orchestrator/ledger.h"

namespace temper::orchestrator {
namespace {

constexpr int kGroups = 64;
constexpr int kGroupSize = 16;
constexpr int kStepSamples = kGroups * kGroupSize;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double ProcessorNow() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Milliseconds by the clock and by the processor of all transactions of a kind.
struct Times {
  std::vector<double> clock;
  double processor = 0;

  template <class Work>
  void Add(const Work& work) {
    const double start = Now(), processor_start = ProcessorNow();
    work();
    clock.push_back(1e3 * (Now() - start));
    processor += 1e3 * (ProcessorNow() - processor_start);
  }
  void Print(const char* kind) {
    std::sort(clock.begin(), clock.end());
    std::printf("%-28s %7.2f ms p50, %7.2f ms p99; %7.2f ms of processor each\n", kind,
                clock[clock.size() / 2], clock[clock.size() * 99 / 100],
                processor / static_cast<double>(clock.size()));
  }
};
Times opening, recording, fixing, reading, stepping;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::shared_ptr<v1::Episode> RandomEpisode(int64_t group, int sample, int64_t step, int tokens) {
  auto episode = std::make_shared<v1::Episode>();
  episode->set_group_id(group);
  episode->set_sample(sample);
  for (int i = 0; i < 64; ++i) episode->add_prompt_tokens(i);
  std::string text;
  for (int i = 0; i < tokens; ++i) {
    const uint32_t random = Philox(1, static_cast<uint64_t>(group * 64 + sample), i)[0];
    episode->add_tokens(static_cast<int>(random % 130000));
    episode->add_logprobs(-static_cast<float>(random) * 1e-9f);
    text.append({static_cast<char>('a' + random % 26), static_cast<char>('a' + random / 26 % 26),
                 static_cast<char>('a' + random / 676 % 26), ' '});
  }
  episode->set_text(std::move(text));
  episode->add_versions(step);
  episode->set_finish_reason(v1::FINISH_REASON_STOP);
  return episode;
}

std::vector<LedgerWrite> OpenStep(int64_t step) {
  std::vector<LedgerWrite> writes;
  for (int g = 0; g < kGroups; ++g) {
    OpenGroup open{.samples = kGroupSize};
    open.group.set_id(step * kGroups + g + 1);
    open.group.set_step(step);
    open.group.mutable_prompt()->set_id(std::to_string(g));
    open.group.mutable_prompt()->set_text(std::string(256, 'q'));
    open.group.set_answer("42");
    open.group.set_metadata_json(R"({"task": "math"})");
    writes.push_back(std::move(open));
  }
  for (int g = 0; g < kGroups; ++g) {
    LeaseSamples lease{
        .group_id = step * kGroups + g + 1, .epoch = step * kGroups + g + 1, .worker = "rollout-0"};
    for (int k = 0; k < kGroupSize; ++k) lease.samples.push_back(k);
    writes.push_back(std::move(lease));
  }
  return writes;
}

void RecordSamples(Ledger& ledger, int64_t step, int per_commit, int tokens) {
  std::vector<LedgerWrite> writes;
  for (int i = 0; i < kStepSamples; ++i) {
    const int64_t group = step * kGroups + i / kGroupSize + 1;
    const int k = i % kGroupSize;
    writes.push_back(RecordEpisode{group, RandomEpisode(group, k, step, tokens)});
    v1::Score score;
    score.set_value(k % 2);
    score.set_reason("the answer is equal");
    v1::ScorePart& part = *score.add_parts();
    part.set_verifier("math");
    part.set_verdict("equal");
    part.set_value(k % 2);
    writes.push_back(RecordScore{group, k, score});
    if ((i + 1) % per_commit != 0 && i + 1 != kStepSamples) continue;
    recording.Add([&] { Must(ledger.Commit(writes, {})); });
    writes.clear();
  }
}

void FinishStep(Ledger& ledger, int64_t step) {
  FixBatch batch{.step = step};
  for (int i = 0; i < kStepSamples; ++i) {
    batch.entries.push_back({step * kGroups + i / kGroupSize + 1, i % kGroupSize, 0.5});
  }
  fixing.Add([&] { Must(ledger.Commit({batch}, {})); });
  reading.Add([&] { Must(ledger.ReadTrainRequest(step).status()); });
  RecordStep record{.step = step, .weights_digest = std::string(16, 'd')};
  record.metrics.set_version(step + 1);
  v1::RunEvent event;
  event.set_sequence(step + 1);
  *event.mutable_step() = record.metrics;
  RecordSpan span{.version = step};
  span.span.set_worker("rollout-0");
  stepping.Add([&] { Must(ledger.Commit({record, span}, {event})); });
}

int64_t FileBytes(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_size : 0;
}

void ReadBack(const std::string& path) {
  const double start = Now();
  auto ledger = Ledger::Open(path);
  Must(ledger.status());
  const auto run = (*ledger)->Recover();
  Must(run.status());
  std::printf("open and recover at version %ld: %.3f s\n", static_cast<long>(run->version),
              Now() - start);
}

void Bench(const std::string& path, int64_t samples, int per_commit, int tokens) {
  auto ledger = Ledger::Open(path);
  Must(ledger.status());
  const double start = Now();
  const int64_t steps = samples / kStepSamples;
  double marked = start;
  for (int64_t step = 0; step < steps; ++step) {
    opening.Add([&] { Must((*ledger)->Commit(OpenStep(step), {})); });
    RecordSamples(**ledger, step, per_commit, tokens);
    FinishStep(**ledger, step);
    if ((step + 1) % std::max<int64_t>(1, steps / 5) != 0) continue;
    std::printf(
        "%9ld samples: %.0f samples/s lately\n", static_cast<long>((step + 1) * kStepSamples),
        static_cast<double>(std::max<int64_t>(1, steps / 5) * kStepSamples) / (Now() - marked));
    marked = Now();
  }
  const double seconds = Now() - start;
  const double bytes = static_cast<double>(FileBytes(path));
  const double count = static_cast<double>(steps * kStepSamples);
  std::printf("%.0f samples/s, %.0f bytes/sample, %.1f MB/s\n", count / seconds, bytes / count,
              bytes / seconds / 1e6);
  opening.Print("opening and leasing a step");
  recording.Print("episodes and scores");
  fixing.Print("fixing a batch");
  reading.Print("reading it for training");
  stepping.Print("recording a step");
}

}  // namespace
}  // namespace temper::orchestrator

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: ledger_bench FILE SAMPLES [SAMPLES_PER_COMMIT] [TOKENS]\n");
    return 2;
  }
  temper::orchestrator::Bench(argv[1], std::atoll(argv[2]), argc > 3 ? std::atoi(argv[3]) : 64,
                              argc > 4 ? std::atoi(argv[4]) : 256);
  temper::orchestrator::ReadBack(argv[1]);
  return 0;
}
