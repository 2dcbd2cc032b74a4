// `temper verifier-host`: the process that forks verifiers; `temper reward` and `temper verify`
// start it.
#include <algorithm>
#include <thread>

#include "orchestrator/cli/scorer_options.h"
#include "orchestrator/cli/verbs.h"
#include "reward/pool/host.h"

namespace temper::cli {

reward::Scorer::Options ScorerOptions() {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  reward::Scorer::Options options;
  options.pool.host_command = {"/proc/self/exe", "verifier-host"};
  options.pool.compute_processes = cores;
  options.pool.sandbox_processes = cores;
  return options;
}

void AddVerifierHost(CLI::App& program, Chosen& chosen) {
  CLI::App* verb = program.add_subcommand("verifier-host", "Started by the program itself");
  verb->group("");
  verb->callback([&chosen] { chosen = [] { return reward::RunVerifierHost({}); }; });
}

}  // namespace temper::cli
