// The program: reads the command line and hands over to one verb.
#include <cstdio>
#include <string>
#include <vector>

#include "base/nearest_name.h"
#include "orchestrator/cli/fork.h"
#include "orchestrator/cli/fork_offline.h"
#include "orchestrator/cli/graph.h"
#include "orchestrator/cli/replay_offline.h"
#include "orchestrator/cli/replay.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {

namespace {

std::vector<std::string> VerbNames(CLI::App& program) {
  std::vector<std::string> names;
  for (const CLI::App* verb : program.get_subcommands(nullptr)) names.push_back(verb->get_name());
  return names;
}

absl::StatusOr<std::string> ForkFolder(const std::string& dir, const v1::ForkRequest& request,
                                       v1::ForkResponse& response) {
  auto fork = ForkOffline({.dir = dir,
                           .step = request.step(),
                           .name = request.name(),
                           .settings = {request.settings().begin(), request.settings().end()}});
  if (!fork.ok()) return fork.status();
  response.set_run(fork->spec.spec.name());
  *response.mutable_spec() = fork->spec.spec;
  return fork->dir;
}

absl::StatusOr<v1::ReplayReport> ReplayFolder(
    const std::string& dir, int64_t step, const StopToken& stop,
    absl::FunctionRef<void(const v1::ReplayProgress&)> on_progress) {
  return ReplayOffline(dir, step, stop,
                       [&](const v1::ReplayProgress& progress) { on_progress(progress); });
}

int Main(int argc, char** argv) {
  CLI::App program(
      "temper: trains hybrid Mamba-2/Transformer language models by reinforcement learning.\n"
      "Start with `temper run examples/arithmetic.json`; `temper VERB --help` explains a verb.");
  program.set_version_flag("--version", "temper 0.1.0");
  program.require_subcommand(1);
  Chosen chosen;
  AddRun(program, chosen);
  AddController(program, chosen);
  AddRollout(program, chosen);
  AddReward(program, chosen);
  AddLearner(program, chosen);
  AddList(program, chosen);
  AddShow(program, chosen);
  AddSubmit(program, chosen);
  AddWatch(program, chosen);
  AddTrace(program, chosen);
  AddSteering(program, chosen);
  AddSet(program, chosen);
  AddCheckpoint(program, chosen);
  AddFork(program, chosen, ForkFolder);
  AddReplay(program, chosen, ReplayFolder);
  AddSamples(program, chosen);
  AddWaits(program, chosen);
  AddWorkers(program, chosen);
  AddQuarantine(program, chosen);
  AddMetrics(program, chosen);
  AddAudit(program, chosen);
  AddReplayBundle(program, chosen);
  AddInit(program, chosen);
  AddInspect(program, chosen);
  AddExport(program, chosen);
  AddGenerate(program, chosen);
  AddScore(program, chosen);
  AddServe(program, chosen);
  AddTokenize(program, chosen);
  AddVerify(program, chosen);
  AddEval(program, chosen);
  AddGraph(program, chosen);
  AddRecipe(program, chosen);
  AddVerifierHost(program, chosen);
  AddCerts(program, chosen);
  AddBench(program, chosen);
  AddDoctor(program, chosen);
  AddTune(program, chosen);

  if (argc > 1 && argv[1][0] != '-') {
    const std::vector<std::string> names = VerbNames(program);
    if (std::find(names.begin(), names.end(), argv[1]) == names.end()) {
      std::fprintf(stderr, "temper: unknown verb \"%s\"%s\n", argv[1],
                   Suggestion(argv[1], names).c_str());
      return kWrong;
    }
  }
  try {  // CLI11 reports by exceptions; they end here
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? kDone : kWrong;
  }
  return chosen ? chosen() : kWrong;
}

}  // namespace
}  // namespace temper::cli

int main(int argc, char** argv) { return temper::cli::Main(argc, argv); }
