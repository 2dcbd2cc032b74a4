// Runs on paper.
#include "tests/fakes/recording_controller.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/nearest_name.h"

namespace temper::fakes {
namespace {

using grpc::Status;
using grpc::StatusCode;

v1::Worker MakeWorker(v1::Role role, const std::string& name) {
  v1::Worker worker;
  worker.set_role(role);
  worker.set_name(name);
  worker.set_address("127.0.0.1:1");
  worker.set_pid(4242);
  worker.set_connected(true);
  worker.mutable_capabilities()->set_device("cpu avx2");
  worker.mutable_capabilities()->set_threads(2);
  worker.mutable_capabilities()->set_memory_bytes(int64_t{4} << 30);
  return worker;
}

}  // namespace

bool RecordingController::Ended(v1::RunState state) {
  return state == v1::RUN_STATE_DONE || state == v1::RUN_STATE_FAILED ||
         state == v1::RUN_STATE_STOPPED;
}

RecordingController::RecordingController(const std::string& address) {
  for (const char* name : {"rollout-0", "rollout-1"}) {
    workers_.push_back(MakeWorker(v1::ROLE_ROLLOUT, name));
  }
  workers_.push_back(MakeWorker(v1::ROLE_REWARD, "reward-0"));
  workers_.push_back(MakeWorker(v1::ROLE_LEARNER, "learner-0"));
  auto listening = Listen(address, {this});
  TEMPER_CHECK(listening.ok());
  listening_ = *std::move(listening);
}

RecordingController::~RecordingController() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    mutex_.Changed();
  }
  listening_.server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
}

void RecordingController::AddRun(const std::string& name, int64_t steps) {
  MutexLock lock(mutex_);
  Run& run = runs_[name];
  run.run.set_name(name);
  run.run.set_state(v1::RUN_STATE_RUNNING);
  run.run.set_dir(absl::StrCat("/nowhere/runs/", name));
  run.run.set_steps(steps);
  run.run.set_created_ms(1764000000000);
  v1::RunSpec& spec = *run.run.mutable_spec();
  spec.set_name(name);
  spec.set_steps(static_cast<int32_t>(steps));
  spec.set_learning_rate(2e-4);
  spec.set_temperature(1);
  spec.set_clip_low(0.2);
  spec.set_clip_high(0.2);
  spec.set_kl(0);
  spec.set_group_size(8);
  spec.set_max_tokens(48);
}

void RecordingController::Edit(const std::string& name,
                               const std::function<void(v1::GetResponse&)>& edit) {
  MutexLock lock(mutex_);
  edit(runs_.at(name).run);
  mutex_.Changed();
}

void RecordingController::Tell(const std::string& name, v1::RunEvent event) {
  MutexLock lock(mutex_);
  Append(runs_.at(name), std::move(event));
}

void RecordingController::AddSample(v1::Sample sample) {
  MutexLock lock(mutex_);
  samples_.push_back(std::move(sample));
}

void RecordingController::set_step_time(absl::Duration time) {
  MutexLock lock(mutex_);
  step_time_ = time;
}

void RecordingController::set_replay_difference(std::string difference) {
  MutexLock lock(mutex_);
  replay_difference_ = std::move(difference);
}

void RecordingController::set_checks(std::vector<v1::Check> checks) {
  MutexLock lock(mutex_);
  checks_ = std::move(checks);
}

void RecordingController::LoseAnswers(const std::string& method, int count) {
  MutexLock lock(mutex_);
  lost_answers_[method] = count;
}

void RecordingController::BreakWatches(int events, int count) {
  MutexLock lock(mutex_);
  break_after_ = events;
  breaks_left_ = count;
}

std::vector<RecordingController::Call> RecordingController::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

std::vector<RecordingController::Call> RecordingController::calls(const std::string& method) const {
  std::vector<Call> of_method = calls();
  std::erase_if(of_method, [&](const Call& call) { return call.method != method; });
  return of_method;
}

int RecordingController::effects(const std::string& method) const {
  MutexLock lock(mutex_);
  const auto found = effects_.find(method);
  return found == effects_.end() ? 0 : found->second;
}

v1::GetResponse RecordingController::run(const std::string& name) const {
  MutexLock lock(mutex_);
  return runs_.at(name).run;
}

Status RecordingController::Find(const std::string& name, Run** found) {
  if (name.empty() && runs_.size() == 1) {
    *found = &runs_.begin()->second;
    return Status::OK;
  }
  if (const auto run = runs_.find(name); run != runs_.end()) {
    *found = &run->second;
    return Status::OK;
  }
  std::vector<std::string> names;
  for (const auto& entry : runs_) names.push_back(entry.first);
  return Status(StatusCode::NOT_FOUND,
                absl::StrCat("run \"", name, "\" is not here", Suggestion(name, names)));
}

void RecordingController::Append(Run& run, v1::RunEvent event) {
  event.set_sequence(static_cast<int64_t>(run.events.size()) + 1);
  event.set_time_ms(absl::ToUnixMillis(absl::Now()));
  run.run.set_sequence(event.sequence());
  run.events.push_back(std::move(event));
  mutex_.Changed();
}

Status RecordingController::Turn(const std::string& name, v1::RunState after,
                                 const std::string& reason, v1::RunState* state) {
  Run* run = nullptr;
  if (Status status = Find(name, &run); !status.ok()) return status;
  if (Ended(run->run.state()) && after != v1::RUN_STATE_RUNNING) {
    return Status(StatusCode::FAILED_PRECONDITION,
                  absl::StrCat("run \"", run->run.name(), "\" has ended"));
  }
  v1::RunEvent event;
  event.set_who("tester");
  event.mutable_state_change()->set_before(run->run.state());
  event.mutable_state_change()->set_after(after);
  event.mutable_state_change()->set_reason(reason);
  run->run.set_state(after);
  run->run.set_reason(reason);
  Append(*run, std::move(event));
  if (Ended(after)) {
    v1::RunEvent ended;
    ended.mutable_ended()->set_state(after);
    ended.mutable_ended()->set_reason(reason);
    Append(*run, std::move(ended));
  }
  *state = after;
  return Status::OK;
}

// Each step pays a little better.
void RecordingController::MakeStep(Run& run) {
  v1::RunEvent event;
  v1::StepMetrics& step = *event.mutable_step();
  run.run.set_step(run.run.step() + 1);
  step.set_step(run.run.step());
  step.set_version(run.run.step());
  step.set_stage("policy");
  step.set_reward_mean(1 - 1 / (1 + 0.1 * static_cast<double>(run.run.step())));
  step.set_length_mean(20);
  step.set_tokens_per_second(1234);
  step.set_learning_rate(run.run.spec().learning_rate());
  step.mutable_seconds()->set_total(0.5);
  *run.run.mutable_last() = step;
  Append(run, std::move(event));
  if (run.run.step() % 2 == 0) {
    v1::RunEvent kept;
    kept.mutable_checkpoint()->set_step(run.run.step());
    kept.mutable_checkpoint()->set_version(run.run.step());
    kept.mutable_checkpoint()->set_path(absl::StrCat(run.run.dir(), "/step-", run.run.step()));
    *run.run.add_checkpoints() = kept.checkpoint();
    Append(run, std::move(kept));
  }
  if (run.run.step() < run.run.steps()) return;
  run.run.set_state(v1::RUN_STATE_DONE);
  v1::RunEvent ended;
  ended.mutable_ended()->set_state(v1::RUN_STATE_DONE);
  Append(run, std::move(ended));
}

}  // namespace temper::fakes
