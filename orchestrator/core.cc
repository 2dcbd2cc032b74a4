// The door to the core; run_state.h is behind it.
#include "orchestrator/core.h"

#include "orchestrator/run_state.h"

namespace temper::orchestrator {

RunCore::RunCore(ResolvedSpec spec, RunRows rows, RecoveredRun recovered, absl::Duration uptime)
    : state_(std::make_unique<State>(std::move(spec), rows, std::move(recovered), uptime)) {}
RunCore::~RunCore() = default;
RunCore::RunCore(RunCore&&) noexcept = default;

Turn RunCore::Handle(const std::vector<Event>& events, absl::Duration uptime) {
  return state_->Handle(events, uptime);
}
absl::Duration RunCore::NextTick() const { return state_->NextTick(); }
void RunCore::Describe(absl::Duration uptime, v1::GetResponse& run) const {
  state_->Describe(uptime, run);
}
bool RunCore::ended() const { return state_->ended(); }
int64_t RunCore::version() const { return state_->version(); }

}  // namespace temper::orchestrator
