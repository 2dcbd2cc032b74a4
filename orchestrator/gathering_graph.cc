// A gathering with an environment: executions are told what was scored, and what they want is
// opened.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "orchestrator/gathering.h"
#include "orchestrator/request_rules.h"

namespace temper::orchestrator {

// Its own prompt; with an environment also the row that it was made from.
const std::string* Gathering::QuarantinedBecause(const GatheredGroup& group) const {
  auto found = board_.quarantined.find(group.group.prompt().id());
  if (found == board_.quarantined.end() && environment_.has_value()) {
    found = board_.quarantined.find(environment_->row_id(group.place.slot));
  }
  return found == board_.quarantined.end() ? nullptr : &found->second;
}

int Gathering::MaxTokensOf(const GatheredGroup& group) const {
  const v1::RunSpec& spec = board_.spec.spec;
  return environment_.has_value() ? environment_->MaxTokens(spec, group.place.node)
                                  : spec.max_tokens();
}

// Every row is read before the first group is opened. False: one cannot be read.
bool Gathering::BeginGraphs() {
  const v1::RunSpec& spec = board_.spec.spec;
  const RowSource& rows = evaluation_ ? *board_.rows.evaluation : *board_.rows.dataset;
  const int64_t slots = evaluation_ ? rows.size() : spec.prompts_per_step();
  for (int64_t slot = 0; slot < slots; ++slot) {
    const int64_t index =
        evaluation_ ? slot : RowOfSlot(board_.policy_step() * spec.prompts_per_step() + slot);
    absl::StatusOr<Row> row = rows.Read(index);
    const absl::Status begun = row.ok() ? environment_->Begin(*std::move(row)) : row.status();
    if (begun.ok()) continue;
    board_.Fail(std::string(begun.message()));
    return false;
  }
  for (int64_t slot = 0; slot < slots; ++slot) Admit(static_cast<int>(slot));
  DropUnwanted();
  return true;
}

void Gathering::Admit(int slot) {
  for (;;) {
    std::vector<GraphEnvironment::Wanted> wanted = environment_->Take(slot);
    if (wanted.empty()) return;
    for (GraphEnvironment::Wanted& one : wanted) AddWanted(std::move(one));
  }
}

// Of the step, the row's slot and the instance's number alone.
int64_t Gathering::GroupIdOf(const GraphEnvironment::Wanted& wanted) const {
  const int64_t before = evaluation_ ? board_.version * board_.rows.evaluation->size()
                                     : board_.policy_step() * board_.spec.spec.prompts_per_step();
  return (evaluation_ ? kEvaluationGroupIds : 1) +
         (before + wanted.place.slot) * environment_->instances() + wanted.number;
}

void Gathering::AddWanted(GraphEnvironment::Wanted wanted) {
  const int64_t id = GroupIdOf(wanted);
  TEMPER_CHECK(index_.emplace(id, groups_.size()).second);
  const size_t index = groups_.size();
  GatheredGroup& group = groups_.emplace_back();
  group.group = std::move(wanted.group);
  group.group.set_id(id);
  group.group.set_step(board_.version);
  group.place = std::move(wanted.place);
  group.task = TaskOf(group.group);
  group.samples.resize(group.place.wants.size());
  const auto old = recovered_.find(id);
  if (old == recovered_.end()) {
    board_.Record(OpenGroup{group.group, static_cast<int>(group.samples.size()), evaluation_});
    const std::string* reason = evaluation_ ? nullptr : QuarantinedBecause(group);
    if (reason != nullptr) Drop(index, absl::StrCat("quarantined: ", *reason));
    return;
  }
  TEMPER_CHECK(old->second.samples.size() == group.samples.size());
  for (size_t k = 0; k < group.samples.size(); ++k) {
    RecoveredSample& recovered = old->second.samples[k];
    group.samples[k] = {.state = recovered.state,
                        .text = std::move(recovered.text),
                        .finish = recovered.finish,
                        .tokens = recovered.tokens,
                        .score = recovered.score,
                        .scored = recovered.scored};
    group.dropped = group.dropped || recovered.state == SampleState::kDropped;
  }
  recovered_.erase(old);
  for (size_t k = 0; k < group.samples.size(); ++k) {
    if (group.samples[k].scored || group.dropped) Tell(group, static_cast<int>(k));
  }
}

// What was dropped before it was scored is a failure to its execution.
void Gathering::Tell(GatheredGroup& group, int number) {
  GatheredSample& sample = group.samples[static_cast<size_t>(number)];
  TEMPER_CHECK(!sample.told);
  sample.told = true;
  agents::Result result;
  if (sample.scored) {
    result.text = sample.text;
    result.finish_reason = sample.finish == v1::FINISH_REASON_LENGTH ? "length" : "stop";
    result.version = board_.version;
    result.score = sample.score;
    result.usage.tokens_out = sample.tokens;
  } else {
    result.status =
        absl::FailedPreconditionError(absl::StrCat("group ", group.group.id(), " was dropped"));
  }
  environment_->Deliver(group.place, number, std::move(result));
}

// Groups of the ledger that no execution asked for again: only another program makes them.
void Gathering::DropUnwanted() {
  for (const auto& [id, group] : recovered_) {
    bool dropped = false;
    for (const RecoveredSample& sample : group.samples) {
      dropped = dropped || sample.state == SampleState::kDropped;
    }
    if (!dropped) board_.Record(DropGroup{id, "no execution of the graph wants it"});
  }
  recovered_.clear();
}

}  // namespace temper::orchestrator
