// The program: reads the command line and hands over to one verb.
#include <cstdio>
#include <string>
#include <vector>

#include "base/nearest_name.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {

int Report(const absl::Status& status) {
  if (status.ok()) return kDone;
  std::fprintf(stderr, "temper: %s\n", std::string(status.message()).c_str());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
      return kWrong;
    default:
      return kFailed;
  }
}

namespace {

std::vector<std::string> VerbNames(CLI::App& program) {
  std::vector<std::string> names;
  for (const CLI::App* verb : program.get_subcommands(nullptr)) names.push_back(verb->get_name());
  return names;
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
  AddStop(program, chosen);
  AddMetrics(program, chosen);
  AddAudit(program, chosen);
  AddFork(program, chosen);
  AddReplay(program, chosen);
  AddReplayBundle(program, chosen);
  AddInit(program, chosen);
  AddInspect(program, chosen);
  AddExport(program, chosen);
  AddGenerate(program, chosen);
  AddScore(program, chosen);
  AddTokenize(program, chosen);
  AddVerify(program, chosen);
  AddEval(program, chosen);
  AddVerifierHost(program, chosen);
  AddBench(program, chosen);
  AddDoctor(program, chosen);

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
