// Places in line order, prefill by budget, decode for all that run.
#include "rollout/engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::rollout {

int64_t Scheduler::waiting() const {
  return std::count_if(groups_.begin(), groups_.end(),
                       [](const std::unique_ptr<Group>& group) { return group->placed == 0; });
}

absl::Status Scheduler::Admit(std::unique_ptr<Group>& group) {
  TEMPER_RETURN_IF_ERROR(
      accounts_.Fits(group->prompt_length(), group->request.sampling.max_tokens));
  if (waiting() >= limits_.waiting_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the waiting line is full (", limits_.waiting_max, " groups); try later"));
  }
  groups_.push_back(std::move(group));
  return absl::OkStatus();
}

// The first place of a group pays for its prompt too, so a prefilled prompt can always start.
void Scheduler::Place() {
  for (const std::unique_ptr<Group>& group : groups_) {
    if (group->placed == 0 && hold_new_groups_) return;
    const int64_t prompt = group->prompt_length();
    while (group->placed < group->samples()) {
      int64_t bytes = accounts_.SampleBytes(prompt, group->request.sampling.max_tokens);
      if (group->placed == 0) bytes += accounts_.PromptBytes(prompt);
      if (!accounts_.Take(bytes)) return;
      ++group->placed;
    }
  }
}

Group* Scheduler::NextStart() {
  Place();
  for (const std::unique_ptr<Group>& group : groups_) {
    if (group->prefilled() && group->started < group->placed) return group.get();
  }
  return nullptr;
}

Sequence& Scheduler::Run(std::unique_ptr<Sequence> sequence) {
  running_.push_back(std::move(sequence));
  return *running_.back();
}

StepPlan Scheduler::NextStep() const {
  StepPlan plan;
  int64_t budget = limits_.prefill_chunk;
  for (const std::unique_ptr<Group>& group : groups_) {
    if (group->placed == 0 || budget == 0) break;
    const int64_t tokens = std::min(budget, group->prompt_length() - group->prompt_done);
    if (tokens == 0) continue;
    plan.prefill.push_back({group.get(), tokens});
    budget -= tokens;
  }
  plan.decode.reserve(running_.size());
  for (const std::unique_ptr<Sequence>& sequence : running_) plan.decode.push_back(sequence.get());
  return plan;
}

bool Scheduler::Finish(Group& group) {
  ++group.finished;
  TEMPER_CHECK(group.finished <= group.started && group.started <= group.placed);
  accounts_.Give(1,
                 accounts_.SampleBytes(group.prompt_length(), group.request.sampling.max_tokens));
  return group.finished == group.samples();
}

void Scheduler::Forget(Sequence& sequence) {
  std::erase_if(running_,
                [&](const std::unique_ptr<Sequence>& one) { return one.get() == &sequence; });
}

std::unique_ptr<Group> Scheduler::Remove(Group& group) {
  std::erase_if(running_,
                [&](const std::unique_ptr<Sequence>& one) { return &one->group == &group; });
  if (group.placed > 0) {
    const int64_t held = group.placed - group.finished;
    const int64_t sample =
        accounts_.SampleBytes(group.prompt_length(), group.request.sampling.max_tokens);
    accounts_.Give(held, held * sample + accounts_.PromptBytes(group.prompt_length()));
  }
  const auto place = std::find_if(groups_.begin(), groups_.end(),
                                  [&](const auto& one) { return one.get() == &group; });
  TEMPER_CHECK(place != groups_.end());
  std::unique_ptr<Group> removed = std::move(*place);
  groups_.erase(place);
  return removed;
}

}  // namespace temper::rollout
