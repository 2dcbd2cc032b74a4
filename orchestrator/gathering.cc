// Opening groups and leasing their samples to rollout workers.
#include "orchestrator/gathering.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/philox.h"
#include "orchestrator/request_rules.h"

namespace temper::orchestrator {
namespace {

constexpr int kStrikesMax = 3;
constexpr absl::Duration kLeaseLeast = absl::Minutes(2);
constexpr int64_t kSlowestTokensPerSecond = 20;  // of a whole worker
constexpr absl::Duration kGrace = absl::Seconds(5);

}  // namespace

Gathering::Gathering(Board& board) : board_(board) {
  if (board.rows.graph != nullptr) environment_.emplace(board.rows.graph);
}

std::string Gathering::Purpose() const {
  if (!evaluation_) return board_.StepName();
  return absl::StrCat("the evaluation after step ", board_.policy_step());
}

void Gathering::Open(bool evaluation) {
  TEMPER_CHECK(!open_);
  open_ = true;
  evaluation_ = evaluation;
  opened_at_ = leased_at_ = generated_at_ = board_.now;
  if (environment_.has_value()) {
    if (!BeginGraphs()) Close();
    return;
  }
  if (!(evaluation ? AddEvaluationGroups() : AddPolicyGroups())) {
    Close();  // a row could not be read: none of the groups is opened
    return;
  }
  for (const GatheredGroup& group : groups_) {
    board_.Record(OpenGroup{group.group, static_cast<int>(group.samples.size()), evaluation});
  }
  DropQuarantined();
}

void Gathering::DropQuarantined() {
  if (evaluation_) return;  // its prompts are another file's
  for (size_t i = 0; i < groups_.size(); ++i) {
    const std::string* reason = QuarantinedBecause(groups_[i]);
    if (reason != nullptr) Drop(i, absl::StrCat("quarantined: ", *reason));
  }
}

void Gathering::OnQuarantined(const std::string& prompt_id) {
  if (open_ && board_.quarantined.contains(prompt_id)) DropQuarantined();
}

// In turn through a permutation of the file, another one for each epoch. With a mixture each slot
// draws its task, and the slots of a task go through permutations of its rows.
int64_t Gathering::RowOfSlot(int64_t position) const {
  const v1::RunSpec& spec = board_.spec.spec;
  const RowSource& rows = *board_.rows.dataset;
  const uint64_t slot = static_cast<uint64_t>(position);
  const std::map<std::string, double> mixture(spec.dataset().mixture().begin(),
                                              spec.dataset().mixture().end());
  if (mixture.empty()) {
    const uint64_t size = static_cast<uint64_t>(rows.size());
    return static_cast<int64_t>(
        PermutedIndex(spec.seed(), HashName("dataset") + slot / size, size, slot % size));
  }
  double total = 0;
  for (const auto& [task, share] : mixture) total += share;
  double left = UniformAt(spec.seed(), HashName("mixture"), slot) * total;
  auto chosen = mixture.begin();
  while (std::next(chosen) != mixture.end() && left >= chosen->second) {
    left -= (chosen++)->second;
  }
  const std::vector<int64_t>& of_task = rows.RowsOf(chosen->first);
  const uint64_t size = of_task.size();
  const uint64_t stream = HashName(absl::StrCat("task ", chosen->first)) + slot / size;
  return of_task[PermutedIndex(spec.seed(), stream, size, slot % size)];
}

bool Gathering::AddPolicyGroups() {
  const v1::RunSpec& spec = board_.spec.spec;
  for (int i = 0; i < spec.prompts_per_step(); ++i) {
    const int64_t position = board_.policy_step() * spec.prompts_per_step() + i;
    if (!AddGroup(position + 1, *board_.rows.dataset, RowOfSlot(position), spec.group_size())) {
      return false;
    }
  }
  return true;
}

bool Gathering::AddEvaluationGroups() {
  const RowSource& rows = *board_.rows.evaluation;
  for (int64_t i = 0; i < rows.size(); ++i) {
    if (!AddGroup(kEvaluationGroupIds + board_.version * rows.size() + i, rows, i, 1)) return false;
  }
  return true;
}

bool Gathering::AddGroup(int64_t id, const RowSource& rows, int64_t index, int samples) {
  absl::StatusOr<Row> row = rows.Read(index);
  if (!row.ok()) {
    board_.Fail(std::string(row.status().message()));
    return false;
  }
  GatheredGroup& group = groups_.emplace_back();
  group.group.set_id(id);
  group.group.set_step(board_.version);
  group.group.mutable_prompt()->set_id(row->id);
  group.group.mutable_prompt()->set_text(row->prompt);
  group.group.mutable_prompt()->set_chat_json(row->chat_json);
  group.group.set_answer(row->answer);
  group.group.set_metadata_json(row->metadata_json);
  group.task = TaskOf(group.group);
  group.samples.resize(static_cast<size_t>(samples));
  index_[id] = groups_.size() - 1;
  return true;
}

void Gathering::Resume(bool evaluation, std::vector<RecoveredGroup> recovered) {
  TEMPER_CHECK(!open_ && !recovered.empty());
  open_ = true;
  evaluation_ = evaluation;
  opened_at_ = leased_at_ = generated_at_ = board_.now;
  if (environment_.has_value()) {
    for (RecoveredGroup& old : recovered) recovered_[old.group.id()] = std::move(old);
    if (!BeginGraphs()) Close();
    return;
  }
  for (RecoveredGroup& old : recovered) {
    GatheredGroup& group = groups_.emplace_back();
    group.group = std::move(old.group);
    group.task = TaskOf(group.group);
    index_[group.group.id()] = groups_.size() - 1;
    for (RecoveredSample& sample : old.samples) {
      group.dropped = group.dropped || sample.state == SampleState::kDropped;
      group.samples.push_back({.state = sample.state,
                               .text = std::move(sample.text),
                               .finish = sample.finish,
                               .tokens = sample.tokens,
                               .score = sample.score});
    }
  }
}

void Gathering::Close() {
  TEMPER_CHECK(leases_.empty());
  open_ = false;
  groups_.clear();
  index_.clear();
  broken_.clear();
  recovered_.clear();
  if (environment_.has_value()) environment_->Clear();
}

size_t Gathering::IndexOf(int64_t group_id) const {
  const auto found = index_.find(group_id);
  return found == index_.end() ? groups_.size() : found->second;
}

bool Gathering::Complete() const {
  for (const GatheredGroup& group : groups_) {
    for (const GatheredSample& sample : group.samples) {
      if (sample.state != SampleState::kScored && sample.state != SampleState::kDropped) {
        return false;
      }
    }
  }
  return open_;
}

void Gathering::Advance() {
  if (!open_) return;
  LeaseGroups();
  SendScores();
}

// Enough to keep the engine full while the next group waits.
int Gathering::SamplesOutMax() const {
  return board_.spec.spec.fleet().sequences_max() + board_.spec.spec.group_size();
}

absl::Duration Gathering::LeaseLength() const {
  const int64_t tokens = int64_t{board_.spec.spec.max_tokens()} * SamplesOutMax();
  return kLeaseLeast + absl::Seconds(tokens / kSlowestTokensPerSecond);
}

CoreWorker* Gathering::ChooseRolloutWorker(int samples, bool alone) {
  CoreWorker* chosen = nullptr;
  for (auto& [name, worker] : board_.workers) {
    if (worker.role != v1::ROLE_ROLLOUT || !board_.Ready(worker)) continue;
    if (worker.version != board_.version || worker.calls_out > 0 || worker.suspect_out) continue;
    if (worker.samples_out > 0 && (alone || worker.samples_out + samples > SamplesOutMax())) {
      continue;
    }
    if (chosen == nullptr || worker.samples_out < chosen->samples_out) chosen = &worker;
  }
  return chosen;
}

void Gathering::LeaseGroups() {
  for (size_t i = 0; i < groups_.size(); ++i) {
    GatheredGroup& group = groups_[i];
    if (group.dropped || group.retry_at > board_.now) continue;
    std::vector<int> samples;
    for (size_t k = 0; k < group.samples.size(); ++k) {
      const GatheredSample& sample = group.samples[k];
      if (sample.state == SampleState::kIssued && sample.epoch == 0) {
        samples.push_back(static_cast<int>(k));
      }
    }
    if (samples.empty()) continue;
    const bool alone = group.strikes > 0;
    CoreWorker* worker = ChooseRolloutWorker(static_cast<int>(samples.size()), alone);
    if (worker == nullptr && !alone) return;  // nobody has room; a suspect must not block others
    if (worker == nullptr) continue;
    worker->suspect_out = alone;
    LeaseGroup(i, std::move(samples), *worker);
  }
}

void Gathering::LeaseGroup(size_t index, std::vector<int> samples, CoreWorker& worker) {
  GatheredGroup& group = groups_[index];
  const v1::RunSpec& spec = board_.spec.spec;
  const int64_t epoch = ++board_.lease_epoch;
  auto request = std::make_shared<v1::GenerateRequest>();
  request->set_lease_epoch(epoch);
  request->set_group_id(group.group.id());
  request->set_run(spec.name());
  *request->mutable_prompt() = group.group.prompt();
  request->set_version(board_.version);
  *request->mutable_sampling() = SamplingAt(spec, board_.version);
  if (environment_.has_value()) {
    environment_->Adjust(spec, group.place.node, evaluation_, *request->mutable_sampling());
  } else if (evaluation_) {
    request->mutable_sampling()->set_temperature(0);
  }
  Lease lease{.group = index,
              .worker = worker.name,
              .missing = std::set<int>(samples.begin(), samples.end()),
              .since = board_.now,
              .deadline = board_.now + LeaseLength()};
  for (const int number : samples) {
    request->add_samples(number);
    group.samples[static_cast<size_t>(number)].epoch = epoch;
  }
  if (leases_.empty() && leased_at_ == opened_at_) leased_at_ = board_.now;
  worker.samples_out += static_cast<int>(samples.size());
  leases_.emplace(epoch, std::move(lease));
  board_.Record(LeaseSamples{group.group.id(), std::move(samples), epoch, worker.name});
  board_.Do(Generate{worker.name, std::move(request), LeaseLength()});
}

std::string Gathering::WaitName(const Lease& lease) const {
  return absl::StrCat(Purpose(), " waits for group ", groups_[lease.group].group.id(), " on ",
                      lease.worker);
}

void Gathering::Release(int64_t epoch, const std::string& error) {
  const auto found = leases_.find(epoch);
  TEMPER_CHECK(found != leases_.end());
  const Lease& lease = found->second;
  const GatheredGroup& held = groups_[lease.group];
  board_.RecordSpanSince("generate", lease.worker,
                         absl::StrCat(evaluation_ ? "evaluation, " : "", "group ", held.group.id(),
                                      ", prompt ", held.group.prompt().id()),
                         lease.since, error);
  for (const int number : lease.missing) {
    groups_[lease.group].samples[static_cast<size_t>(number)].epoch = 0;
  }
  if (CoreWorker* worker = board_.Find(lease.worker)) {
    worker->samples_out -= static_cast<int>(lease.missing.size());
    if (worker->samples_out == 0) worker->suspect_out = false;
  }
  leases_.erase(found);
}

void Gathering::Strike(size_t index, const std::string& reason) {
  GatheredGroup& group = groups_[index];
  if (group.dropped) return;
  group.retry_at = board_.now + Board::BackoffAfter(++group.strikes);
  if (group.strikes >= kStrikesMax) {
    Drop(index, absl::StrCat("failed ", kStrikesMax, " workers, last: ", reason));
  }
}

void Gathering::Drop(size_t index, const std::string& reason) {
  GatheredGroup& group = groups_[index];
  if (group.dropped) return;
  for (auto it = leases_.begin(); it != leases_.end();) {
    const int64_t epoch = (it++)->first;
    if (leases_.at(epoch).group != index) continue;
    board_.Do(CancelGenerate{epoch});
    Release(epoch, "dropped");
  }
  group.dropped = true;
  for (GatheredSample& sample : group.samples) sample.state = SampleState::kDropped;
  board_.Record(DropGroup{group.group.id(), reason});
  board_.Note(absl::StrCat(Purpose(), ": group ", group.group.id(), " (prompt ",
                           group.group.prompt().id(), ") is dropped: ", reason));
  if (!environment_.has_value()) return;
  for (size_t k = 0; k < group.samples.size(); ++k) {
    if (!group.samples[k].told) Tell(group, static_cast<int>(k));
  }
  Admit(group.place.slot);
}

void Gathering::OnWorkerLost(const CoreWorker& worker) {
  std::set<size_t>& held = broken_[{worker.name, worker.incarnation}];
  for (auto it = leases_.begin(); it != leases_.end();) {
    const auto [epoch, lease] = *it++;
    if (lease.worker != worker.name) continue;
    held.insert(lease.group);
    board_.Do(CancelGenerate{epoch});
    Release(epoch, "the worker was lost");
  }
  // The doubt about whose fault a broken stream was is settled for now: nothing has to wait.
  for (const size_t index : held) groups_[index].retry_at = board_.now;
}

void Gathering::OnCrash(const std::string& worker, const std::string& incarnation) {
  const auto found = broken_.find({worker, incarnation});
  if (found == broken_.end()) return;
  const std::set<size_t> held = std::move(found->second);
  broken_.erase(found);
  for (const size_t index : held) Strike(index, absl::StrCat(worker, " crashed"));
}

void Gathering::OnOverdue() {
  std::vector<int64_t> overdue;
  for (const auto& [epoch, lease] : leases_) {
    if (lease.deadline + kGrace <= board_.now) overdue.push_back(epoch);
  }
  for (const int64_t epoch : overdue) {
    board_.Do(CancelGenerate{epoch});
    OnGenerateEnded({epoch, absl::DeadlineExceededError("the lease ran out")});
  }
}

void Gathering::FindStalls() {
  for (auto& [epoch, lease] : leases_) {
    if (lease.stalled || board_.now - lease.since < board_.StallAfter("generate", LeaseLength())) {
      continue;
    }
    lease.stalled = true;
    board_.PublishStall(WaitName(lease), v1::WAIT_POLICY_RETRY, lease.since, lease.deadline);
  }
}

void Gathering::CancelAll() {
  while (!leases_.empty()) {
    const int64_t epoch = leases_.begin()->first;
    board_.Do(CancelGenerate{epoch});
    Release(epoch, "given back");
  }
}

absl::Duration Gathering::NextDue() const {
  absl::Duration due = absl::InfiniteDuration();
  const auto consider = [&](absl::Duration at) {
    if (at > board_.now) due = std::min(due, at);
  };
  for (const auto& [epoch, lease] : leases_) {
    consider(lease.deadline + kGrace);
    if (!lease.stalled) consider(lease.since + board_.StallAfter("generate", LeaseLength()));
  }
  for (const GatheredGroup& group : groups_) {
    consider(group.retry_at);
    for (const GatheredSample& sample : group.samples) consider(sample.score_at);
  }
  return due;
}

void Gathering::AddWaits(absl::Duration uptime, v1::GetResponse& run) const {
  for (const auto& [epoch, lease] : leases_) {
    v1::Wait& wait = *run.add_waits();
    wait.set_name(WaitName(lease));
    wait.set_policy(v1::WAIT_POLICY_RETRY);
    wait.set_age_seconds(absl::ToDoubleSeconds(uptime - lease.since));
    wait.set_deadline_seconds(absl::ToDoubleSeconds(lease.deadline - lease.since));
  }
}

}  // namespace temper::orchestrator
