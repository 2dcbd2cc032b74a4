// Lives of workers, and the lists they are given.
#include "orchestrator/controller/worker_registry.h"

#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/nearest_name.h"
#include "orchestrator/controller/assignment.h"

namespace temper::orchestrator {

WorkerRegistry::WorkerRegistry(Options options, Outside outside)
    : options_(std::move(options)), outside_(std::move(outside)) {}

template <class Response>
void WorkerRegistry::AddAssignments(const Member& member, Response& response) const {
  for (const v1::Assignment& run : runs_) {
    if (!member.runs.contains(run.run())) continue;
    v1::Assignment& assignment = *response.add_assignments();
    assignment = run;
    if (member.registration.role() != v1::ROLE_LEARNER) assignment.clear_run_dir();
  }
}

absl::Status WorkerRegistry::Register(const v1::RegisterRequest& request, absl::Duration uptime,
                                      v1::RegisterResponse& response) {
  if (request.name().empty() || request.incarnation().empty() || request.address().empty() ||
      request.role() == v1::ROLE_UNSPECIFIED) {
    return absl::InvalidArgumentError("Register: role, name, incarnation and address are needed");
  }
  Member& member = members_[request.name()];
  const bool same = member.registration.incarnation() == request.incarnation();
  if (!same && !member.lost) Lose(member, "it was started anew", /*crashed=*/false);
  if (!same && !member.registration.incarnation().empty()) ++member.restarts;
  if (!same || member.lost) {
    member.failed.clear();
    member.told.clear();
    log::Info("a worker has registered",
              {{"worker", request.name()}, {"pid", request.pid()}, {"address", request.address()}});
  }
  member.registration = request;
  member.lost = false;
  member.last_beat = uptime;
  Assign(uptime);
  response.set_heartbeat_ms(options_.heartbeat_ms);
  AddAssignments(member, response);
  return absl::OkStatus();
}

absl::Status WorkerRegistry::Heartbeat(const v1::HeartbeatRequest& request, absl::Duration uptime,
                                       v1::HeartbeatResponse& response) {
  const auto found = members_.find(request.name());
  if (found == members_.end() || found->second.lost ||
      found->second.registration.incarnation() != request.incarnation()) {
    return absl::NotFoundError(absl::StrCat(request.name(), ": not registered; register again"));
  }
  Member& member = found->second;
  member.last_beat = uptime;
  member.progress = request.progress();
  member.waits.assign(request.waits().begin(), request.waits().end());
  for (const auto& [run, reason] : request.failed()) {
    std::string& before = member.failed[run];
    if (before == reason) continue;
    before = reason;
    log::Warning("a worker cannot open a run",
                 {{"worker", request.name()}, {"run", run}, {"reason", reason}});
  }
  const std::set<std::string> ready(request.ready().begin(), request.ready().end());
  for (const std::string& run : std::set<std::string>(member.told)) {
    if (!ready.contains(run)) TellLost(member, run, "it closed the run", /*crashed=*/false);
  }
  for (const std::string& run : ready) {
    if (!member.runs.contains(run) || member.told.contains(run)) continue;
    member.failed.erase(run);
    const bool told =
        outside_.on_joined(run, {member.registration.role(), request.name(), request.incarnation(),
                                 member.registration.address()});
    if (told) member.told.insert(run);
  }
  AddAssignments(member, response);
  return absl::OkStatus();
}

void WorkerRegistry::TellLost(Member& member, const std::string& run, const std::string& reason,
                              bool crashed) {
  if (member.told.erase(run) == 0) return;
  outside_.on_lost(
      run, {member.registration.name(), member.registration.incarnation(), reason, crashed});
}

void WorkerRegistry::Lose(Member& member, const std::string& reason, bool crashed) {
  log::Warning("a worker is lost", {{"worker", member.registration.name()},
                                    {"pid", member.registration.pid()},
                                    {"reason", reason}});
  member.lost = true;
  for (const std::string& run : std::set<std::string>(member.told)) {
    TellLost(member, run, reason, crashed);
  }
  member.runs.clear();
  member.waits.clear();
}

void WorkerRegistry::ReportExit(const v1::ReportExitRequest& request) {
  const auto found = members_.find(request.name());
  if (found == members_.end() || found->second.lost ||
      found->second.registration.pid() != request.pid()) {
    return;
  }
  Lose(found->second, request.reason(), request.crashed());
  Assign(now_);
}

void WorkerRegistry::FindSilent(absl::Duration uptime) {
  now_ = uptime;
  bool any = false;
  for (auto& [name, member] : members_) {
    if (member.lost || uptime - member.last_beat < options_.silence_max) continue;
    Lose(member, "no heartbeat", /*crashed=*/false);
    any = true;
  }
  if (any) Assign(uptime);
}

void WorkerRegistry::Fence(const FenceWorker& fence) {
  log::Warning("fencing a worker", {{"worker", fence.worker}, {"reason", fence.reason}});
  const auto found = members_.find(fence.worker);
  if (found == members_.end() || found->second.registration.incarnation() != fence.incarnation) {
    return;
  }
  Member& member = found->second;
  const v1::RegisterRequest& who = member.registration;
  Lose(member, "it did not answer", /*crashed=*/false);
  Assign(now_);
  // A process of another host is only shut out; it finds out by its next heartbeat.
  if (who.capabilities().host_id() == options_.host_id && who.pid() > 1) kill(who.pid(), SIGKILL);
}

void WorkerRegistry::AddRun(const v1::Assignment& assignment) {
  RemoveRun(assignment.run());
  runs_.push_back(assignment);
  Assign(now_);
}

void WorkerRegistry::RemoveRun(const std::string& run) {
  std::erase_if(runs_, [&run](const auto& one) { return one.run() == run; });
  for (auto& [name, member] : members_) {
    member.runs.erase(run);
    member.told.erase(run);  // the run has ended: there is nobody to tell
    member.failed.erase(run);
  }
  Assign(now_);
}

void WorkerRegistry::Assign(absl::Duration uptime) {
  now_ = uptime;
  std::vector<AssignableWorker> workers;
  for (const auto& [name, member] : members_) {
    if (member.lost || cordons_.contains(name)) continue;
    AssignableWorker& worker = workers.emplace_back();
    worker.name = name;
    worker.role = member.registration.role();
    worker.runs_max = std::max(1, member.registration.capabilities().runs_max());
    for (const auto& [run, since] : member.runs) worker.runs.insert(run);
  }
  std::vector<std::string> names;
  for (const v1::Assignment& run : runs_) names.push_back(run.run());
  auto assignments = AssignRuns(workers, names);
  for (auto& [name, member] : members_) {
    const std::set<std::string>& now = assignments[name];
    for (auto it = member.runs.begin(); it != member.runs.end();) {
      const std::string run = it->first;
      if (now.contains(run)) {
        ++it;
        continue;
      }
      it = member.runs.erase(it);
      const auto cordon = cordons_.find(name);
      TellLost(member, run,
               cordon == cordons_.end() ? "it works for other runs"
                                        : absl::StrCat("cordoned: ", cordon->second),
               /*crashed=*/false);
    }
    for (const std::string& run : now) member.runs.emplace(run, uptime);
  }
}

absl::Status WorkerRegistry::Cordon(const std::string& worker, bool cordoned,
                                    const std::string& reason) {
  if (!members_.contains(worker) && !cordons_.contains(worker)) {
    std::vector<std::string> known;
    for (const auto& [name, member] : members_) known.push_back(name);
    return absl::NotFoundError(
        absl::StrCat("worker \"", worker, "\" is not known here", Suggestion(worker, known)));
  }
  if (cordoned) {
    cordons_[worker] = reason.empty() ? "asked to" : reason;
  } else {
    cordons_.erase(worker);
  }
  Assign(now_);
  return absl::OkStatus();
}

void WorkerRegistry::Complete(v1::Worker& worker, absl::Duration uptime) const {
  const auto cordon = cordons_.find(worker.name());
  worker.set_cordoned(cordon != cordons_.end());
  if (cordon != cordons_.end()) worker.set_cordon_reason(cordon->second);
  const auto found = members_.find(worker.name());
  if (found == members_.end()) return;
  const Member& member = found->second;
  worker.set_role(member.registration.role());
  worker.set_address(member.registration.address());
  worker.set_pid(member.registration.pid());
  worker.set_restarts(member.restarts);
  worker.set_progress(member.progress);
  *worker.mutable_capabilities() = member.registration.capabilities();
  worker.set_silent_seconds(absl::ToDoubleSeconds(uptime - member.last_beat));
  for (const auto& [run, since] : member.runs) worker.add_runs(run);
}

std::vector<v1::Worker> WorkerRegistry::Describe(absl::Duration uptime) const {
  std::vector<v1::Worker> workers;
  for (const auto& [name, member] : members_) {
    v1::Worker& worker = workers.emplace_back();
    worker.set_name(name);
    worker.set_connected(!member.lost);
    Complete(worker, uptime);
  }
  return workers;
}

void WorkerRegistry::AddWaits(absl::Duration uptime, v1::ListWaitsResponse& response) const {
  for (const auto& [name, member] : members_) {
    if (member.lost) continue;
    for (v1::Wait wait : member.waits) {
      if (wait.owner().empty()) wait.set_owner(name);
      *response.add_waits() = std::move(wait);
    }
    for (const auto& [run, since] : member.runs) {
      if (member.told.contains(run)) continue;
      const auto failed = member.failed.find(run);
      v1::Wait& wait = *response.add_waits();
      wait.set_name(absl::StrCat(
          name, " opens run ", run,
          failed == member.failed.end() ? "" : absl::StrCat("; last try: ", failed->second)));
      wait.set_owner("controller");
      wait.set_run(run);
      wait.set_age_seconds(absl::ToDoubleSeconds(uptime - since));
      wait.set_deadline_seconds(600);
      wait.set_policy(v1::WAIT_POLICY_RETRY);
    }
  }
}

}  // namespace temper::orchestrator
