// `temper metrics`: one line per step, from the ledger or, while the run is live, from its
// controller.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/controller_client.h"
#include "orchestrator/ledger.h"
#include "orchestrator/progress.h"

namespace temper::cli {
namespace {

struct MetricsOptions {
  std::string run;
  bool json = false;
};

// Everything the controller has published so far; it holds the ledger locked.
absl::StatusOr<std::vector<v1::StepMetrics>> ReadLive(const std::string& address) {
  orchestrator::ControllerClient client(address);
  TEMPER_ASSIGN_OR_RETURN(const v1::GetResponse run, client.Get(""));
  std::vector<v1::StepMetrics> steps;
  StopToken enough;
  const auto on_event = [&](const v1::RunEvent& event) {
    if (event.has_step()) steps.push_back(event.step());
    if (event.has_evaluation() && !steps.empty() &&
        event.evaluation().version() == steps.back().version()) {
      steps.back().set_eval_accuracy(event.evaluation().accuracy());
    }
    // By version: a fork has fewer steps of its own than versions.
    if (!steps.empty() && steps.back().version() >= run.step()) enough.Stop();
  };
  const absl::Status status = client.Watch("", 0, enough, on_event);
  if (!status.ok() && !enough.stopped()) return status;
  return steps;
}

absl::StatusOr<std::vector<v1::StepMetrics>> ReadSteps(const std::string& dir) {
  const auto address = ControllerAddress(dir);
  if (address.ok()) {
    auto live = ReadLive(*address);
    if (live.ok()) return live;
  }
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                          orchestrator::Ledger::OpenReadOnly(JoinPath(dir, "ledger.db")));
  return ledger->ReadSteps();
}

int Metrics(const MetricsOptions& options) {
  const auto dir = FindRunFolder(options.run, "runs");
  if (!dir.ok()) return Report(dir.status());
  const auto steps = ReadSteps(*dir);
  if (!steps.ok()) return Report(steps.status());
  const auto folder = OpenRunFolder(*dir);
  if (!folder.ok()) return Report(folder.status());
  const orchestrator::Progress words(folder->spec.spec, orchestrator::Progress::Style::kLines,
                                     stdout);
  for (const v1::StepMetrics& step : *steps) {
    if (options.json) {
      std::printf("%s\n", ToJson(step, JsonStyle::kLine).c_str());
    } else {
      std::printf("%s", words.StepLine(step).c_str());
      if (step.has_eval_accuracy()) std::printf("  accuracy %.3f", step.eval_accuracy());
      std::printf("\n");
    }
  }
  return kDone;
}

}  // namespace

void AddMetrics(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<MetricsOptions>();
  CLI::App* verb = program.add_subcommand("metrics", "One line per step of a run");
  verb->add_option("run", options->run, "Folder or name of the run")->required();
  verb->add_flag("--json", options->json, "JSON lines on stdout, all fields");
  verb->callback([options, &chosen] { chosen = [options] { return Metrics(*options); }; });
}

}  // namespace temper::cli
