// Opens the parent's ledger alone, forks, records.
#include "orchestrator/cli/fork_offline.h"

#include <filesystem>
#include <memory>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/ledger.h"

namespace temper::cli {

absl::StatusOr<orchestrator::PreparedFork> ForkOffline(const OfflineFork& wanted) {
  TEMPER_ASSIGN_OR_RETURN(const RunFolder folder, OpenRunFolder(wanted.dir));
  const std::string ledger_path = JoinPath(folder.dir, "ledger.db");
  if (!Exists(ledger_path)) {
    return absl::NotFoundError(ledger_path + ": there is no ledger; the run was never started");
  }
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                          orchestrator::Ledger::Open(ledger_path));
  orchestrator::ForkPlan plan{.parent = folder.spec,
                              .dir = folder.dir,
                              .model_dir = folder.model_dir,
                              .step = wanted.step,
                              .name = wanted.name,
                              .settings = wanted.settings,
                              .root = wanted.root,
                              .now_ms = absl::ToUnixMillis(SystemClock().Now())};
  if (plan.root.empty()) {
    plan.root = Dirname(std::filesystem::path(folder.dir).lexically_normal().string());
  }
  TEMPER_ASSIGN_OR_RETURN(plan.recovered, ledger->Recover());
  TEMPER_ASSIGN_OR_RETURN(orchestrator::PreparedFork fork, orchestrator::PrepareFork(plan));
  v1::RunEvent event;
  event.set_sequence(plan.recovered.sequence + 1);
  event.set_time_ms(plan.now_ms);
  event.mutable_forked()->set_run(fork.spec.spec.name());
  event.mutable_forked()->set_step(plan.step);
  TEMPER_RETURN_IF_ERROR(ledger->Commit({}, {event}));
  return fork;
}

}  // namespace temper::cli
