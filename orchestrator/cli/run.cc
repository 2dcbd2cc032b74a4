// `temper run`: a whole run on this machine, its processes kept alive, its end reported.
#include <filesystem>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "base/thread.h"
#include "kernels/open_device.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/run_report.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/controller_client.h"
#include "orchestrator/progress.h"
#include "orchestrator/supervisor.h"

namespace temper::cli {
namespace {

using orchestrator::Progress;
using orchestrator::Supervisor;

struct RunOptions {
  std::string target;
  std::string dir;
  std::string listen;
  int dashboard = -1;
  std::vector<std::string> settings;
  bool explain = false;
  bool json = false;
};

constexpr char kControllerName[] = "controller";

// A port that was free a moment ago. The controller keeps it for the whole run, restarts included.
absl::StatusOr<std::string> FreeAddress() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoStatus("127.0.0.1", "cannot make a socket");
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return ErrnoStatus("127.0.0.1", "cannot find a free port");
  }
  return absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
}

std::string ThisProgram() {
  char path[4096] = {};
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
  return length > 0 ? std::string(path, length) : "temper";
}

// The processes of one run and the conversation with its controller; main thread only, but for the
// follower.
class LocalRun {
 public:
  LocalRun(RunFolder folder, std::string address, int dashboard, Progress& progress,
           StopToken& stop)
      : folder_(std::move(folder)),
        address_(std::move(address)),
        dashboard_(dashboard),
        progress_(progress),
        stop_(stop),
        supervisor_(ThisProgram(), clock_),
        client_(address_) {}

  // Until the run has ended; the end in `ended`.
  absl::Status Run(v1::RunEnded& ended) {
    TEMPER_RETURN_IF_ERROR(StartAll());
    Thread follower("follower", [this] { Follow(); });
    const absl::Status status = Supervise(ended);
    unfollow_.Stop();
    follower.Join(kLoopEnd, WaitPolicy::kFail);
    supervisor_.StopAll(absl::Seconds(15));
    return status;
  }

  std::vector<ProcessUse> ProcessUses() const {
    std::vector<ProcessUse> uses;
    for (const std::string& name : names_) {
      uses.push_back({name, supervisor_.peak_memory(name), supervisor_.restarts(name)});
    }
    return uses;
  }

 private:
  absl::Status Start(const std::string& name, std::vector<std::string> arguments) {
    names_.push_back(name);
    return supervisor_.Start(
        {name, std::move(arguments), JoinPath(folder_.dir, absl::StrCat("logs/", name, ".log"))});
  }

  absl::Status StartAll() {
    std::vector<std::string> controller = {"controller", "--dir", folder_.dir, "--listen",
                                           address_};
    if (dashboard_ >= 0) {
      controller.insert(controller.end(), {"--dashboard", absl::StrCat(dashboard_)});
    }
    TEMPER_RETURN_IF_ERROR(Start(kControllerName, std::move(controller)));
    TEMPER_RETURN_IF_ERROR(StartWorker("learner", "learner-0"));
    TEMPER_RETURN_IF_ERROR(StartWorker("reward", "reward-0"));
    for (int i = 0; i < folder_.spec.spec.fleet().rollout_workers(); ++i) {
      TEMPER_RETURN_IF_ERROR(StartWorker("rollout", absl::StrCat("rollout-", i)));
    }
    return absl::OkStatus();
  }

  absl::Status StartWorker(const std::string& verb, const std::string& name) {
    return Start(name, {verb, "--controller", address_, "--name", name, "--runs", "1"});
  }

  // Own thread: brings the controller's events, across its restarts.
  void Follow() {
    int64_t next = 1;
    while (!unfollow_.stopped()) {
      const absl::Status status =
          client_.Watch("", next, unfollow_, [this, &next](const v1::RunEvent& event) {
            next = event.sequence() + 1;
            while (!events_.TryPush(event) && !unfollow_.stopped()) {
              (void)unfollow_.WaitFor(Wait::OrRetry("room for an event", absl::Milliseconds(5)));
            }
          });
      if (status.ok()) return;
      (void)unfollow_.WaitFor(Wait::OrRetry("the controller to come back", absl::Milliseconds(50)));
    }
  }

  absl::Status Supervise(v1::RunEnded& ended) {
    bool stop_sent = false;
    while (true) {
      if (const auto event = events_.Pop(Wait::ForWork("an event", absl::Milliseconds(20)))) {
        progress_.Show(*event);
        GoOn();
        if (event->has_ended() && Relevant(*event)) {
          ended = event->ended();
          return absl::OkStatus();
        }
      }
      if (stop_.stopped() && !stop_sent) {
        progress_.Note("stopping at the next safe point (once more to end at once)");
        stop_sent = client_.Stop("", "interrupted").ok();
      }
      TEMPER_RETURN_IF_ERROR(TendChildren());
    }
  }

  // Whoever says `temper run` wants it to run, also where it was left paused or draining. Once.
  void GoOn() {
    if (std::exchange(went_on_, true) || !folder_.resumed) return;
    const auto run = client_.Get("");
    if (!run.ok()) return;
    if (run->state() != v1::RUN_STATE_PAUSED && run->state() != v1::RUN_STATE_DRAINING) return;
    progress_.Note("the run was left paused; it goes on");
    if (const auto resumed = client_.Resume("", "`temper run`"); !resumed.ok()) {
      progress_.Note(absl::StrCat("it does not: ", std::string(resumed.status().message())));
    }
  }

  // A resumed run replays the events of its past, an old end among them.
  bool Relevant(const v1::RunEvent& event) {
    const auto run = client_.Get("");
    return !run.ok() || run->state() == v1::RUN_STATE_DONE ||
           run->state() == v1::RUN_STATE_STOPPED || run->state() == v1::RUN_STATE_FAILED;
  }

  absl::Status TendChildren() {
    std::vector<Supervisor::Death> deaths;
    const absl::Status status = supervisor_.Poll(deaths);
    for (const Supervisor::Death& death : deaths) {
      TEMPER_RETURN_IF_ERROR(CheckFatal(death));
      progress_.Note(absl::StrCat(death.name, " ended (", death.how, "); starting it again"));
      if (death.name != kControllerName) {
        client_.ReportExit(death.name, death.pid, death.how, death.crashed).IgnoreError();
      }
    }
    return status;
  }

  // Exit codes 1 and 2 are words, not accidents: starting again would say the same.
  absl::Status CheckFatal(const Supervisor::Death& death) {
    if (death.exit_code != kFailed && death.exit_code != kWrong) return absl::OkStatus();
    const std::string log = JoinPath(folder_.dir, absl::StrCat("logs/", death.name, ".log"));
    std::string words = orchestrator::LastLines(log, 40);
    const size_t said = words.rfind("temper: ");
    words = said == std::string::npos ? orchestrator::LastLines(log, 5) : words.substr(said + 8);
    const std::string message = absl::StrCat(death.name, ": ", words);
    return death.exit_code == kWrong ? absl::FailedPreconditionError(message)
                                     : absl::UnavailableError(message);
  }

  const RunFolder folder_;
  const std::string address_;
  const int dashboard_;  // port; -1: none
  Progress& progress_;
  StopToken& stop_;
  SystemClock clock_;
  Supervisor supervisor_;
  orchestrator::ControllerClient client_;
  std::vector<std::string> names_;
  bool went_on_ = false;
  StopToken unfollow_;
  BoundedQueue<v1::RunEvent> events_{4096};
};

// Of a spec before its folder is made, or of a run's folder before it goes on.
absl::Status CheckDevice(const RunOptions& options) {
  const bool folder = std::filesystem::is_directory(options.target);
  const auto spec = orchestrator::LoadSpec(
      folder ? JoinPath(options.target, "spec.json") : options.target, options.settings);
  // What is wrong with the spec is told by who prepares the folder.
  return spec.ok() ? kernels::CheckDeviceHere(spec->spec.device()) : absl::OkStatus();
}

int Run(const RunOptions& options) {
  StopToken& stop = StopOnSignals();
  if (options.explain) {
    const auto spec = orchestrator::LoadSpec(options.target, options.settings);
    if (!spec.ok()) return Report(spec.status());
    std::fputs(orchestrator::Explain(*spec).c_str(), stdout);
    return kDone;
  }
  if (const absl::Status device = CheckDevice(options); !device.ok()) return Report(device);
  const auto folder = PrepareRunFolder(options.target, options.dir, options.settings);
  if (!folder.ok()) return Report(folder.status());
  const absl::Status locked =
      LockForever(JoinPath(folder->dir, "run.lock"), "another `temper run`");
  if (!locked.ok()) return Report(locked);
  const auto address = options.listen.empty() ? FreeAddress() : options.listen;
  if (!address.ok()) return Report(address.status());

  FILE* const out = options.json ? stdout : stderr;
  const Progress::Style style = options.json             ? Progress::Style::kJson
                                : isatty(fileno(stderr)) ? Progress::Style::kTerminal
                                                         : Progress::Style::kLines;
  Progress progress(folder->spec.spec, style, out);
  if (!options.json) {
    std::fprintf(stderr, "run %s in %s%s; controller at %s\n", folder->spec.spec.name().c_str(),
                 folder->dir.c_str(), folder->resumed ? " (resumed)" : "", address->c_str());
  }
  LocalRun run(*folder, *address, options.dashboard, progress, stop);
  v1::RunEnded ended;
  const absl::Status status = run.Run(ended);
  progress.Finish();
  if (!status.ok()) return Report(status);
  if (!options.json) {
    const absl::Status reported = PrintRunReport(*folder, ended, progress, run.ProcessUses());
    if (!reported.ok()) log::Warning("report", {{"error", reported.ToString()}});
  }
  if (ended.state() == v1::RUN_STATE_FAILED) {
    std::fprintf(stderr, "temper: the run failed: %s\n", ended.reason().c_str());
    return kFailed;
  }
  if (ended.state() == v1::RUN_STATE_STOPPED) {
    std::fprintf(stderr, "temper: stopped (%s); `temper run %s` goes on\n", ended.reason().c_str(),
                 folder->dir.c_str());
    return kFailed;
  }
  return kDone;
}

}  // namespace

void AddRun(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* verb = program.add_subcommand(
      "run",
      "Runs a job on this machine: starts controller, learner, reward service and rollout "
      "workers,\n"
      "shows progress, ends when it ends. Run again on the same folder it resumes.");
  verb->add_option("spec", options->target, "A RunSpec (JSON), or the folder of a run to resume")
      ->required()
      ->check(CLI::ExistingPath);
  verb->add_option("--set", options->settings, "Change a field: --set a.b=value; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--dir", options->dir, "The folder of the run [runs/<name>]");
  verb->add_option("--listen", options->listen, "The controller's loopback address [a free port]");
  verb->add_option("--dashboard", options->dashboard,
                   "Serve the dashboard and /metrics at this port of 127.0.0.1 while it runs")
      ->check(CLI::Range(1, 65535));
  verb->add_flag("--explain", options->explain,
                 "Print every field with its value and the formulas in force, and end");
  verb->add_flag("--json", options->json, "Events as JSON lines on stdout");
  verb->callback([options, &chosen] { chosen = [options] { return Run(*options); }; });
}

}  // namespace temper::cli
