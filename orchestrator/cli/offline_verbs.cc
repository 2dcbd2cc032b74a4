// `temper fork` and `temper replay` from a folder that no controller has open.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/json_config.h"
#include "base/log.h"
#include "base/stop.h"
#include "orchestrator/cli/fork_offline.h"
#include "orchestrator/cli/replay_offline.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct ForkArguments {
  OfflineFork wanted;
  bool json = false;
};

int Fork(const ForkArguments& arguments) {
  OfflineFork wanted = arguments.wanted;
  const auto dir = FindRunFolder(wanted.dir, "runs");
  if (!dir.ok()) return Report(dir.status());
  wanted.dir = *dir;
  const auto fork = ForkOffline(wanted);
  if (!fork.ok()) return Report(fork.status());
  if (arguments.json) {
    std::printf("%s\n", ToJson(fork->spec.spec, JsonStyle::kLine).c_str());
  } else {
    std::printf("%s begins after step %lld of %s; `temper run %s` goes on\n",
                fork->spec.spec.name().c_str(), static_cast<long long>(wanted.step),
                fork->origin.parent.c_str(), fork->dir.c_str());
  }
  return kDone;
}

struct ReplayArguments {
  std::string run;
  int64_t step = 0;
  bool json = false;
};

void PrintReport(const v1::ReplayReport& report) {
  for (const v1::ReplayComparison& kind : report.comparisons()) {
    std::printf("%-12s %10lld compared %10lld differ%s%s\n", kind.name().c_str(),
                static_cast<long long>(kind.compared()), static_cast<long long>(kind.differing()),
                kind.differing() > 0 ? ": " : "", kind.first_difference().c_str());
    if (kind.left_out() == 0) continue;
    std::printf("%-12s %10lld left out: %s\n", "", static_cast<long long>(kind.left_out()),
                kind.left_out_why().c_str());
  }
  std::printf("step %lld, made again from version %lld in %.1f s: %s\n",
              static_cast<long long>(report.step()), static_cast<long long>(report.from_version()),
              report.seconds(), report.equal() ? "equal, bit for bit" : "NOT equal");
}

int Replay(const ReplayArguments& arguments) {
  log::Start("replay", "error");
  const auto dir = FindRunFolder(arguments.run, "runs");
  if (!dir.ok()) return Report(dir.status());
  const auto report =
      ReplayOffline(*dir, arguments.step, StopOnSignals(), [](const v1::ReplayProgress& progress) {
        std::fprintf(stderr, "%s  %lld of %lld\n", progress.what().c_str(),
                     static_cast<long long>(progress.done()),
                     static_cast<long long>(progress.total()));
      });
  if (!report.ok()) return Report(report.status());
  if (arguments.json) {
    std::printf("%s\n", ToJson(*report, JsonStyle::kLine).c_str());
  } else {
    PrintReport(*report);
  }
  return report->equal() ? kDone : kFailed;
}

}  // namespace

void AddReplay(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<ReplayArguments>();
  CLI::App* verb = program.add_subcommand("replay",
                                          "Redoes a step from the ledger and compares it bit by "
                                          "bit; exit code 1 when something differs");
  verb->add_option("run", arguments->run, "Folder or name of the run")->required();
  verb->add_option("--step", arguments->step, "The policy step, counted from 1")->required();
  verb->add_flag("--json", arguments->json, "JSON on stdout");
  verb->callback([arguments, &chosen] { chosen = [arguments] { return Replay(*arguments); }; });
}

void AddFork(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<ForkArguments>();
  OfflineFork& wanted = arguments->wanted;
  CLI::App* verb = program.add_subcommand(
      "fork", "A new run with the weights and moments that another one had after a step");
  verb->add_option("run", wanted.dir, "Folder or name of the run")->required();
  verb->add_option("--at", wanted.step, "Its policy step; 0: before the first")
      ->required()
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--name", wanted.name, "The new run's name [RUN-at-STEP]");
  verb->add_option("--set", wanted.settings, "Change a field: --set a.b=value; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--root", wanted.root, "Where its folder goes [beside the run's]");
  verb->add_flag("--json", arguments->json, "Its spec as JSON on stdout");
  verb->callback([arguments, &chosen] { chosen = [arguments] { return Fork(*arguments); }; });
}

}  // namespace temper::cli
