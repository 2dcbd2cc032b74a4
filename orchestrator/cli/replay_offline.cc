// Copies what is needed, lets the ledger go, replays.
#include "orchestrator/cli/replay_offline.h"

#include <unistd.h>

#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/ledger.h"
#include "orchestrator/replay/bundle.h"

namespace temper::cli {

absl::StatusOr<v1::ReplayReport> ReplayOffline(const std::string& dir, int64_t step,
                                               const StopToken& stop, const ShowReplay& show) {
  TEMPER_ASSIGN_OR_RETURN(const RunFolder run, OpenRunFolder(dir));
  const std::string folder = JoinPath(run.dir, absl::StrCat("replay-", getpid()));
  TEMPER_RETURN_IF_ERROR(RemoveAll(folder));  // of a dead process with our number
  const auto remove_folder = absl::MakeCleanup([&] { RemoveAll(folder).IgnoreError(); });
  {
    const std::string path = JoinPath(run.dir, "ledger.db");
    if (!Exists(path)) return absl::NotFoundError(absl::StrCat(path, ": there is no ledger"));
    TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                            orchestrator::Ledger::Open(path));
    TEMPER_RETURN_IF_ERROR(orchestrator::WriteReplayBundle(
        *ledger, {.dir = run.dir,
                  .folder = folder,
                  .step = step,
                  .warm_start_steps = run.spec.warm_start_steps()}));
  }
  return ReplayBundle({.folder = folder, .model_dir = run.model_dir, .step = step}, stop, show);
}

}  // namespace temper::cli
