// A run's past: over the wire, or from the ledger.
#include "orchestrator/cli/history.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/ledger.h"

namespace temper::cli {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr int kPage = 1000;

std::string LedgerPath(const std::string& dir) { return JoinPath(dir, "ledger.db"); }

}  // namespace

absl::Status ReadHistory(orchestrator::ControllerClient& client, const v1::GetResponse& run,
                         OnEvent on_event) {
  if (run.sequence() <= 0) return absl::OkStatus();
  StopToken enough;
  bool all = false;
  const absl::Time give_up = absl::Now() + kPatience;
  orchestrator::ControllerClient::WatchOptions options;
  options.reconnect_budget = absl::Seconds(5);
  options.on_idle = [&] {
    if (absl::Now() > give_up) enough.Stop();
  };
  const absl::Status status = client.Watch(
      run.name(), 0, enough,
      [&](const v1::RunEvent& event) {
        if (all) return;
        on_event(event);
        all = event.sequence() >= run.sequence();
        if (all) enough.Stop();
      },
      options);
  if (all || status.ok()) return absl::OkStatus();
  if (!enough.stopped()) return status;
  return absl::DeadlineExceededError(absl::StrCat("run \"", run.name(), "\": its ", run.sequence(),
                                                  " events did not come within a minute"));
}

absl::StatusOr<v1::GetResponse> ReadOffline(const std::string& dir) {
  TEMPER_ASSIGN_OR_RETURN(const RunFolder folder, OpenRunFolder(dir));
  v1::GetResponse run;
  run.set_name(folder.spec.spec.name());
  run.set_dir(folder.dir);
  run.set_steps(folder.spec.steps());
  run.set_warm_start_steps(folder.spec.warm_start_steps());
  *run.mutable_spec() = folder.spec.spec;
  if (!Exists(LedgerPath(dir))) return run;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                          orchestrator::Ledger::OpenReadOnly(LedgerPath(dir)));
  TEMPER_ASSIGN_OR_RETURN(const orchestrator::RecoveredRun recovered, ledger->Recover());
  run.set_state(recovered.state);
  run.set_reason(recovered.reason);
  run.set_step(recovered.version);
  run.set_sequence(recovered.sequence);
  *run.mutable_last() = recovered.last;
  return run;
}

absl::Status ReadHistoryOffline(const std::string& dir, OnEvent on_event) {
  if (!Exists(LedgerPath(dir))) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                          orchestrator::Ledger::OpenReadOnly(LedgerPath(dir)));
  int64_t next = 1;
  while (true) {
    TEMPER_ASSIGN_OR_RETURN(const std::vector<v1::RunEvent> events,
                            ledger->ReadEvents(next, kPage));
    for (const v1::RunEvent& event : events) on_event(event);
    if (events.empty()) return absl::OkStatus();
    next = events.back().sequence() + 1;
  }
}

}  // namespace temper::cli
