// `temper replay-bundle`: the child of a controller that replays a step; not for people.
#include <cstdio>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/stop.h"
#include "orchestrator/cli/step_replay.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/replay/replay_lines.h"

namespace temper::cli {
namespace {

void Say(const std::string& line) {
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
}

int Replay(const ReplayOrder& order) {
  log::Start("replay", "info");
  const auto report = ReplayBundle(order, StopOnSignals(), [](const v1::ReplayProgress& progress) {
    v1::ReplayResponse response;
    *response.mutable_progress() = progress;
    Say(orchestrator::ReplayLine(response));
  });
  if (!report.ok()) {
    Say(orchestrator::ErrorLine(report.status()));
    return Report(report.status());
  }
  v1::ReplayResponse response;
  *response.mutable_report() = *report;
  Say(orchestrator::ReplayLine(response));
  return report->equal() ? kDone : kFailed;
}

}  // namespace

void AddReplayBundle(CLI::App& program, Chosen& chosen) {
  auto order = std::make_shared<ReplayOrder>();
  CLI::App* verb =
      program.add_subcommand("replay-bundle", "Redo a step from a controller's bundle");
  verb->group("");  // not listed
  verb->add_option("folder", order->folder, "The bundle")
      ->required()
      ->check(CLI::ExistingDirectory);
  verb->add_option("--model-dir", order->model_dir, "The run's model folder")->required();
  verb->add_option("--step", order->step, "The policy step, counted from 1")->required();
  verb->add_option("--threads", order->threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024));
  verb->callback([order, &chosen] { chosen = [order] { return Replay(*order); }; });
}

}  // namespace temper::cli
