// `temper list`, `temper show` and `temper stop`: looking at runs, live or from their ledgers.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/controller_client.h"
#include "orchestrator/ledger.h"
#include "orchestrator/progress.h"

namespace temper::cli {
namespace {

struct LookOptions {
  std::string name;
  std::string root = "runs";
  bool json = false;
};

absl::StatusOr<v1::GetResponse> ReadOffline(const std::string& dir) {
  TEMPER_ASSIGN_OR_RETURN(const RunFolder folder, OpenRunFolder(dir));
  v1::GetResponse run;
  run.set_name(folder.spec.spec.name());
  run.set_dir(folder.dir);
  run.set_steps(folder.spec.steps());
  *run.mutable_spec() = folder.spec.spec;
  if (!Exists(JoinPath(dir, "ledger.db"))) return run;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                          orchestrator::Ledger::OpenReadOnly(JoinPath(dir, "ledger.db")));
  TEMPER_ASSIGN_OR_RETURN(const orchestrator::RecoveredRun recovered, ledger->Recover());
  run.set_state(recovered.state);
  run.set_reason(recovered.reason);
  run.set_step(recovered.version);
  *run.mutable_last() = recovered.last;
  return run;
}

// From the controller when one is at work, else from the ledger.
absl::StatusOr<v1::GetResponse> ReadRun(const std::string& dir) {
  const auto address = ControllerAddress(dir);
  if (address.ok()) {
    auto run = orchestrator::ControllerClient(*address).Get("");
    if (run.ok()) return run;
  }
  return ReadOffline(dir);
}

std::string StateWord(const v1::GetResponse& run) {
  const bool at_work = run.workers_size() > 0;
  switch (run.state()) {
    case v1::RUN_STATE_DONE:
      return "done";
    case v1::RUN_STATE_FAILED:
      return "failed";
    case v1::RUN_STATE_STOPPED:
      return "stopped";
    default:
      return at_work ? "running" : "interrupted";
  }
}

void PrintRun(const v1::GetResponse& run) {
  std::printf("run      %s\nfolder   %s\nstate    %s%s%s\nstep     %lld of %lld\n",
              run.name().c_str(), run.dir().c_str(), StateWord(run).c_str(),
              run.reason().empty() ? "" : ": ", run.reason().c_str(),
              static_cast<long long>(run.step()), static_cast<long long>(run.steps()));
  if (run.has_last() && run.step() > 0) {
    const orchestrator::Progress words(run.spec(), orchestrator::Progress::Style::kLines, stdout);
    std::printf("last     %s\n", words.StepLine(run.last()).c_str());
  }
  for (const v1::Worker& worker : run.workers()) {
    std::printf(
        "worker   %-12s pid %-8d %-9s version %lld  %s%s\n", worker.name().c_str(), worker.pid(),
        worker.connected() ? "connected" : "lost", static_cast<long long>(worker.version()),
        worker.address().c_str(),
        worker.restarts() > 0 ? absl::StrCat("  restarted ", worker.restarts(), "x").c_str() : "");
  }
  for (const v1::Wait& wait : run.waits()) {
    std::printf("waits    %s, %.1f s of %.0f s\n", wait.name().c_str(), wait.age_seconds(),
                wait.deadline_seconds());
  }
}

int Show(const LookOptions& options) {
  const auto dir = FindRunFolder(options.name, options.root);
  if (!dir.ok()) return Report(dir.status());
  const auto run = ReadRun(*dir);
  if (!run.ok()) return Report(run.status());
  if (options.json) {
    std::printf("%s\n", ToJson(*run, JsonStyle::kLine).c_str());
  } else {
    PrintRun(*run);
  }
  return kDone;
}

int List(const LookOptions& options) {
  std::error_code none;
  std::vector<std::string> dirs;
  for (const auto& entry : std::filesystem::directory_iterator(options.root, none)) {
    if (Exists(entry.path() / "spec.json")) dirs.push_back(entry.path().string());
  }
  std::sort(dirs.begin(), dirs.end());
  int code = kDone;
  for (const std::string& dir : dirs) {
    const auto run = ReadRun(dir);
    if (!run.ok()) {
      code = Report(run.status());
    } else if (options.json) {
      std::printf("%s\n", ToJson(*run, JsonStyle::kLine).c_str());
    } else {
      std::printf("%-24s %-12s step %lld of %lld  reward %.3f  %s\n", run->name().c_str(),
                  StateWord(*run).c_str(), static_cast<long long>(run->step()),
                  static_cast<long long>(run->steps()), run->last().reward_mean(), dir.c_str());
    }
  }
  if (dirs.empty() && !options.json) std::printf("no runs under %s/\n", options.root.c_str());
  return code;
}

int Stop(const LookOptions& options) {
  const auto dir = FindRunFolder(options.name, options.root);
  if (!dir.ok()) return Report(dir.status());
  const auto address = ControllerAddress(*dir);
  if (!address.ok()) {
    return Report(absl::FailedPreconditionError(
        absl::StrCat(*dir, ": no controller is at work on this run; nothing to stop")));
  }
  return Report(orchestrator::ControllerClient(*address).Stop("", "stopped by `temper stop`"));
}

void AddLook(CLI::App& program, Chosen& chosen, const char* name, const char* purpose,
             int (*look)(const LookOptions&)) {
  auto options = std::make_shared<LookOptions>();
  CLI::App* verb = program.add_subcommand(name, purpose);
  if (look != List) {
    verb->add_option("run", options->name, "Name or folder of the run")->required();
  }
  verb->add_option("--root", options->root, "Where run folders are")->capture_default_str();
  if (look != Stop) verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, look, &chosen] { chosen = [options, look] { return look(*options); }; });
}

}  // namespace

void AddList(CLI::App& program, Chosen& chosen) {
  AddLook(program, chosen, "list", "Runs in a folder, one a line", List);
}

void AddShow(CLI::App& program, Chosen& chosen) {
  AddLook(program, chosen, "show", "One run: state, step, workers, what it waits for", Show);
}

void AddStop(CLI::App& program, Chosen& chosen) {
  AddLook(program, chosen, "stop", "Ends a run at the next safe point; it can be resumed", Stop);
}

}  // namespace temper::cli
