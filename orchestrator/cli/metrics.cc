// `temper metrics`: one line per step, from the ledger or, while the run is live, from its
// controller.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/history.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/ledger.h"
#include "orchestrator/progress.h"

namespace temper::cli {
namespace {

struct MetricsOptions {
  ClientOptions client;
  std::string run;
  bool json = false;
};

// The steps among the events, each with the accuracy that was measured under its version.
class StepsHeard {
 public:
  void On(const v1::RunEvent& event) {
    if (event.has_step()) steps_.push_back(event.step());
    if (event.has_evaluation() && !steps_.empty() &&
        event.evaluation().version() == steps_.back().version()) {
      steps_.back().set_eval_accuracy(event.evaluation().accuracy());
    }
  }
  const std::vector<v1::StepMetrics>& steps() const { return steps_; }

 private:
  std::vector<v1::StepMetrics> steps_;
};

struct Measured {
  v1::RunSpec spec;
  std::vector<v1::StepMetrics> steps;
};

// Everything the controller has published so far; it holds the ledger locked.
absl::StatusOr<Measured> ReadLive(const ClientOptions& options, const Target& target) {
  TEMPER_ASSIGN_OR_RETURN(const Connection connection, Connect(options, target));
  TEMPER_ASSIGN_OR_RETURN(const v1::GetResponse run, connection.client->Get(connection.run));
  StepsHeard heard;
  TEMPER_RETURN_IF_ERROR(
      ReadHistory(*connection.client, run, [&](const v1::RunEvent& event) { heard.On(event); }));
  return Measured{run.spec(), heard.steps()};
}

absl::StatusOr<Measured> ReadFolder(const std::string& dir) {
  TEMPER_ASSIGN_OR_RETURN(const RunFolder folder, OpenRunFolder(dir));
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                          orchestrator::Ledger::OpenReadOnly(JoinPath(dir, "ledger.db")));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<v1::StepMetrics> steps, ledger->ReadSteps());
  return Measured{folder.spec.spec, steps};
}

absl::StatusOr<Measured> ReadSteps(const MetricsOptions& options) {
  const Target target = FindTarget(options.client, options.run);
  ClientOptions client = options.client;
  if (!target.dir.empty()) client.wait_seconds = 0;  // the folder answers too
  auto live = ReadLive(client, target);
  if (live.ok() || target.dir.empty()) return live;
  return ReadFolder(target.dir);
}

int Metrics(const MetricsOptions& options) {
  const auto measured = ReadSteps(options);
  if (!measured.ok()) return Report(measured.status());
  const orchestrator::Progress words(measured->spec, orchestrator::Progress::Style::kLines, stdout);
  for (const v1::StepMetrics& step : measured->steps) {
    if (options.json) {
      PrintJson(step);
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
  CLI::App* verb = program.add_subcommand("metrics",
                                          "One line per step of a run\n"
                                          "Example: temper metrics arithmetic --json");
  verb->add_option("run", options->run, "Folder or name of the run")->required();
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON lines on stdout, all fields");
  verb->callback([options, &chosen] { chosen = [options] { return Metrics(*options); }; });
}

}  // namespace temper::cli
