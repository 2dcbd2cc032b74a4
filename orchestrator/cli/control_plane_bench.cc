// Starts, watches, kills, counts, prints.
#include "orchestrator/cli/control_plane_bench.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/grpc_status.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "base/system_file.h"
#include "base/thread.h"
#include "orchestrator/cli/control_plane_fleet.h"
#include "orchestrator/cli/control_plane_job.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/ledger.h"
#include "orchestrator/supervisor.h"
#include "temper/v1/controller.grpc.pb.h"

namespace temper::cli {
namespace {

constexpr absl::Duration kStartMax = absl::Seconds(60);
constexpr absl::Duration kGetPause = absl::Milliseconds(10);
constexpr absl::Duration kPausePause = absl::Milliseconds(500);
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr int kRecordsPerSync = 64;

using Stub = v1::ControllerService::Stub;

// Milliseconds of calls of one kind; filled by one thread, read when it has ended.
struct Latencies {
  std::vector<double> times;
  int64_t failed = 0;
  std::string last_error;

  void Time(const std::function<grpc::Status(grpc::ClientContext*)>& call) {
    const absl::Time start = absl::Now();
    const absl::Status status = [&call] {
      const BlockingCall context(Wait::OrFail("the controller's answer", kCallTimeout));
      return FromGrpc(call(context.get()));
    }();
    times.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    if (status.ok()) return;
    ++failed;
    last_error = std::string(status.message());
  }
  nlohmann::json Summary() {
    if (times.empty()) return nullptr;
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
      return times[std::min(times.size() - 1,
                            static_cast<size_t>(share * static_cast<double>(times.size())))];
    };
    nlohmann::json summary = {{"calls", times.size()},
                              {"failed", failed},
                              {"p50_ms", at(0.5)},
                              {"p99_ms", at(0.99)},
                              {"max_ms", at(1.0)}};
    if (failed > 0) summary["last_error"] = last_error;
    return summary;
  }
};

// Asks the controller again and again while it works.
class Visitor {
 public:
  Visitor(const std::string& address, bool pause) : pause_(pause), channel_(Dial(address)) {
    threads_.emplace_back("look", [this] { Look(); });
    if (pause) threads_.emplace_back("pause", [this] { PauseAndResume(); });
  }
  ~Visitor() { Leave(); }
  void Leave() {
    stop_.Stop();
    for (Thread& thread : threads_) {
      if (thread.joinable()) thread.Join(kLoopEnd, WaitPolicy::kFail);
    }
  }

  int64_t step() const { return step_; }
  nlohmann::json Summary() {
    nlohmann::json summary = {{"get", get_.Summary()}};
    if (pause_) summary.update({{"pause", paused_.Summary()}, {"resume", resumed_.Summary()}});
    return summary;
  }

 private:
  void Look() {
    Stub stub(channel_);
    while (!stop_.stopped()) {
      v1::GetResponse run;
      get_.Time([&](auto* context) { return stub.Get(context, v1::GetRequest(), &run); });
      if (run.step() > 0) step_ = run.step();
      (void)stop_.WaitFor(Wait::ForWork("the next question", kGetPause));
    }
  }
  void PauseAndResume() {
    Stub stub(channel_);
    for (int i = 0; !stop_.stopped(); ++i) {
      v1::PauseRequest pause;
      pause.set_request_id(absl::StrCat("pause-", i));
      v1::PauseResponse paused;
      paused_.Time([&](auto* context) { return stub.Pause(context, pause, &paused); });
      v1::ResumeRequest resume;
      resume.set_request_id(absl::StrCat("resume-", i));
      v1::ResumeResponse resumed;
      resumed_.Time([&](auto* context) { return stub.Resume(context, resume, &resumed); });
      (void)stop_.WaitFor(Wait::ForWork("the next pause", kPausePause));
    }
  }

  const bool pause_;
  const std::shared_ptr<grpc::Channel> channel_;
  StopToken stop_;
  std::atomic<int64_t> step_{0};
  Latencies get_, paused_, resumed_;
  std::vector<Thread> threads_;
};

double ResidentMbytes(pid_t pid) {
  const std::string text = ReadSystemFile(absl::StrCat("/proc/", pid, "/statm"));
  const std::vector<std::string_view> fields = Split(text, ' ');
  int64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(std::string(fields[1]), &pages)) return 0;
  return static_cast<double>(pages * sysconf(_SC_PAGESIZE)) / 1e6;
}

double ProcessorSeconds(pid_t pid) {
  const std::string text = ReadSystemFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t after_name = text.rfind(')');
  if (after_name == std::string::npos) return 0;
  const std::vector<std::string_view> fields =
      Split(std::string_view(text).substr(after_name + 2), ' ');
  int64_t user = 0, system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(std::string(fields[11]), &user) ||
      !absl::SimpleAtoi(std::string(fields[12]), &system)) {
    return 0;
  }
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// A point of the curve "memory over results".
struct Point {
  double seconds, results, mbytes;
};

// MB for each 100,000 results: the slope of the least squares over the second half, when caches are
// full.
double MemorySlope(const std::vector<Point>& points) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (size_t i = points.size() / 2; i < points.size(); ++i) {
    const double at = points[i].results / 1e5;
    n += 1, x += at, y += points[i].mbytes, xx += at * at, xy += at * points[i].mbytes;
  }
  const double spread = n * xx - x * x;
  return spread > 0 ? (n * xy - x * y) / spread : 0;
}

// At most ten points of the curve.
nlohmann::json Thinned(const std::vector<Point>& points) {
  nlohmann::json thinned = nlohmann::json::array();
  const size_t stride = points.size() / 10 + 1;
  for (size_t i = 0; i < points.size(); i += stride) {
    thinned.push_back({{"results", points[i].results}, {"mbytes", points[i].mbytes}});
  }
  return thinned;
}

class ControlPlaneBench {
 public:
  ControlPlaneBench(const ControlPlaneBenchOptions& options, std::string folder)
      : options_(options),
        folder_(std::move(folder)),
        run_dir_(JoinPath(folder_, "run")),
        supervisor_("/proc/self/exe", clock_) {}

  absl::StatusOr<nlohmann::json> Run() {
    TEMPER_ASSIGN_OR_RETURN(const std::string spec, WriteControlPlaneJob(folder_, options_));
    TEMPER_RETURN_IF_ERROR(supervisor_.Start(
        {.name = "controller",
         .arguments = {"controller", "--dir", run_dir_, spec, "--log-level", "warning"},
         .log_path = JoinPath(folder_, "controller.log")}));
    TEMPER_RETURN_IF_ERROR(AwaitStep(0).status());
    TEMPER_ASSIGN_OR_RETURN(fleet_,
                            AnsweringFleet::Start({.dir = run_dir_,
                                                   .rollout_workers = options_.rollout_workers,
                                                   .tokens = options_.tokens}));
    TEMPER_RETURN_IF_ERROR(AwaitStep(1).status());
    TEMPER_RETURN_IF_ERROR(Measure());
    TEMPER_RETURN_IF_ERROR(Restart());
    fleet_.reset();
    supervisor_.StopAll(absl::Seconds(10));
    TEMPER_RETURN_IF_ERROR(CountLedger());
    return Result();
  }

 private:
  double StepResults() const { return options_.groups * options_.group_size; }
  pid_t pid() const { return supervisor_.pid("controller"); }

  // Until Get answers and the run has made that many steps; the address that answered.
  absl::StatusOr<std::string> AwaitStep(int64_t step) {
    absl::Status last = absl::UnavailableError("it never wrote its address");
    for (const absl::Time start = absl::Now(); absl::Now() - start < kStartMax;) {
      std::vector<orchestrator::Supervisor::Death> deaths;
      TEMPER_RETURN_IF_ERROR(supervisor_.Poll(deaths));
      Sleep(Wait::OrRetry("the controller's address", absl::Milliseconds(5)));
      const absl::StatusOr<std::string> address = ControllerAddress(run_dir_);
      if (!address.ok()) continue;
      v1::GetResponse run;
      const BlockingCall context(Wait::OrRetry("the controller's answer", absl::Seconds(5)));
      last = FromGrpc(Stub(Dial(*address)).Get(context.get(), {}, &run));
      if (!last.ok()) continue;
      if (run.state() == v1::RUN_STATE_FAILED) return absl::InternalError(run.reason());
      if (run.step() >= step) return *address;
      last = absl::UnavailableError(absl::StrCat("it stands at version ", run.step()));
    }
    return absl::DeadlineExceededError(
        absl::StrCat("the controller did not reach version ", step, " within ",
                     absl::FormatDuration(kStartMax), ": ", std::string(last.message()), "\n",
                     orchestrator::LastLines(JoinPath(folder_, "controller.log"), 10)));
  }

  absl::Status Measure() {
    TEMPER_ASSIGN_OR_RETURN(const std::string address, AwaitStep(1));
    Visitor visitor(address, options_.pause);
    const absl::Time start = absl::Now();
    const double processor = ProcessorSeconds(pid());
    const int64_t first = WaitForStepAfter(visitor, 0);
    const absl::Time first_at = absl::Now();
    int64_t newest = first;
    absl::Time newest_at = first_at;
    for (absl::Time next = start; !Enough(start, newest);) {
      Sleep(Wait::ForWork("the next reading", absl::Milliseconds(2)));
      const absl::Time now = absl::Now();
      if (visitor.step() > newest) newest = visitor.step(), newest_at = now;
      if (now < next) continue;
      next += absl::Seconds(1);
      std::vector<orchestrator::Supervisor::Death> deaths;
      TEMPER_RETURN_IF_ERROR(supervisor_.Poll(deaths));
      if (!deaths.empty()) {
        return absl::InternalError(absl::StrCat("the controller ended: ", deaths.front().how));
      }
      curve_.push_back({absl::ToDoubleSeconds(now - start),
                        static_cast<double>(newest) * StepResults(), ResidentMbytes(pid())});
    }
    results_ = static_cast<double>(newest - first) * StepResults();
    seconds_ = absl::ToDoubleSeconds(newest_at - first_at);
    processor_seconds_ = ProcessorSeconds(pid()) - processor;
    visitor.Leave();
    latencies_ = visitor.Summary();
    if (newest > first) return absl::OkStatus();
    return absl::DeadlineExceededError(absl::StrCat("not one step of ", StepResults(),
                                                    " results was made; give it more --seconds"));
  }

  bool Enough(absl::Time start, int64_t step) const {
    if (options_.samples > 0) {
      return static_cast<double>(step) * StepResults() >= static_cast<double>(options_.samples);
    }
    return absl::Now() - start > absl::Seconds(options_.seconds);
  }

  static int64_t WaitForStepAfter(const Visitor& visitor, int64_t step) {
    const absl::Time start = absl::Now();
    while (visitor.step() <= step && absl::Now() - start < kStartMax) {
      Sleep(Wait::OrRetry("a step", absl::Milliseconds(1)));
    }
    return visitor.step();
  }

  // As after kill -9: a torn transaction may have to be rolled back.
  absl::Status Restart() {
    const pid_t before = pid();
    kill(before, SIGKILL);
    const absl::Time killed = absl::Now();
    unlink(JoinPath(run_dir_, "controller.address").c_str());
    while (pid() == before || pid() < 0) {
      std::vector<orchestrator::Supervisor::Death> deaths;
      TEMPER_RETURN_IF_ERROR(supervisor_.Poll(deaths));
      Sleep(Wait::OrRetry("the controller's next life", absl::Milliseconds(1)));
      if (absl::Now() - killed > kStartMax) return absl::InternalError("it was not started again");
    }
    const absl::Time started = absl::Now();
    TEMPER_RETURN_IF_ERROR(AwaitStep(1).status());
    restart_seconds_ = absl::ToDoubleSeconds(absl::Now() - started);
    return absl::OkStatus();
  }

  absl::Status CountLedger() {
    const std::string path = JoinPath(run_dir_, "ledger.db");
    TEMPER_ASSIGN_OR_RETURN(const auto ledger, orchestrator::Ledger::OpenReadOnly(path));
    TEMPER_ASSIGN_OR_RETURN(recorded_, ledger->database().Count("SELECT count(*) FROM episodes"));
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return ErrnoStatus(path, "cannot look at");
    ledger_bytes_ = static_cast<double>(status.st_size);
    return absl::OkStatus();
  }

  absl::StatusOr<nlohmann::json> Result() {
    const double bytes = ledger_bytes_ / static_cast<double>(std::max<int64_t>(1, recorded_));
    TEMPER_ASSIGN_OR_RETURN(const AppendRate appends,
                            MeasureAppends(folder_, static_cast<int64_t>(bytes), kRecordsPerSync));
    double load[1] = {0};
    if (getloadavg(load, 1) != 1) load[0] = -1;
    const double value = results_ / seconds_;
    nlohmann::json details = {
        {"limit_formula", absl::StrCat("appending the bytes of ", kRecordsPerSync,
                                       " results to a file and syncing it, again and again")},
        {"results", results_},
        {"seconds", seconds_},
        {"results_in_ledger", recorded_},
        {"ledger_mbytes", ledger_bytes_ / 1e6},
        {"bytes_per_result", bytes},
        {"tokens", options_.tokens},
        {"syncs_per_second", appends.syncs_per_second},
        {"append_mbytes_per_second", appends.mbytes_per_second},
        {"processor_us_per_result", 1e6 * processor_seconds_ / results_},
        {"memory_mbytes", curve_.empty() ? 0 : curve_.back().mbytes},
        {"memory_mbytes_per_100000_results", MemorySlope(curve_)},
        {"memory_curve", Thinned(curve_)},
        {"restart_seconds", restart_seconds_},
        {"cores", std::thread::hardware_concurrency()},
        {"load_average", load[0]}};
    details.update(latencies_);
    return nlohmann::json{{"name", "control-plane"},
                          {"value", value},
                          {"unit", "results/s"},
                          {"limit", appends.records_per_second},
                          {"fraction", value / appends.records_per_second},
                          {"details", std::move(details)}};
  }

  const ControlPlaneBenchOptions& options_;
  const std::string folder_, run_dir_;
  const SystemClock clock_;
  orchestrator::Supervisor supervisor_;
  std::unique_ptr<AnsweringFleet> fleet_;
  std::vector<Point> curve_;
  nlohmann::json latencies_;
  double results_ = 0, seconds_ = 0, processor_seconds_ = 0, restart_seconds_ = 0;
  int64_t recorded_ = 0;
  double ledger_bytes_ = 0;
};

void PrintTable(const nlohmann::json& line) {
  const nlohmann::json& details = line.at("details");
  const auto number = [&](const char* key) { return details.at(key).get<double>(); };
  std::printf("control-plane: %.0f results/s recorded durably (%.0f in %.1f s)\n",
              line.at("value").get<double>(), number("results"), number("seconds"));
  std::printf("limit: %.0f results/s, %s\n", line.at("limit").get<double>(),
              details.at("limit_formula").get<std::string>().c_str());
  for (const char* call : {"get", "pause", "resume"}) {
    if (!details.contains(call) || details.at(call).is_null()) continue;
    const nlohmann::json& times = details.at(call);
    std::printf("%s: p50 %.1f ms, p99 %.1f ms, longest %.1f ms (%ld calls, %ld failed)\n", call,
                times.at("p50_ms").get<double>(), times.at("p99_ms").get<double>(),
                times.at("max_ms").get<double>(), times.at("calls").get<long>(),
                times.at("failed").get<long>());
  }
  std::printf("memory: %.0f MB, %+.2f MB per 100,000 results\n", number("memory_mbytes"),
              number("memory_mbytes_per_100000_results"));
  std::printf("ledger: %.0f results, %.0f MB, %.0f bytes each; back %.2f s after a kill\n",
              number("results_in_ledger"), number("ledger_mbytes"), number("bytes_per_result"),
              number("restart_seconds"));
  std::printf("%.0f us of processor a result; %.0f cores, load %.1f\n",
              number("processor_us_per_result"), number("cores"), number("load_average"));
}

}  // namespace

absl::Status BenchControlPlane(const ControlPlaneBenchOptions& options) {
  std::string folder = JoinPath(options.dir.empty() ? "." : options.dir, "bench_XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return ErrnoStatus(folder, "cannot create");
  const auto remove = absl::MakeCleanup([&] {
    if (!options.keep) RemoveAll(folder).IgnoreError();
  });
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json line, ControlPlaneBench(options, folder).Run());
  if (options.json) {
    std::printf("%s\n", line.dump().c_str());
  } else {
    PrintTable(line);
  }
  return absl::OkStatus();
}

}  // namespace temper::cli
