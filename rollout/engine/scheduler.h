// Decides which groups and sequences take part in the next model step.
//
// First come, first served: a group's samples all get their places before a later group gets one,
// so a slow group cannot starve. Owns its two lines; touches neither the model nor a clock. Used on
// the engine's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "rollout/engine/accounts.h"
#include "rollout/engine/sequence.h"

namespace temper::rollout {

// What goes through the model next.
struct StepPlan {
  struct Prefill {
    Group* group = nullptr;
    int64_t tokens = 0;  // the next ones of its prompt
  };
  std::vector<Prefill> prefill;
  std::vector<Sequence*> decode;  // all that run, one token each

  bool empty() const { return prefill.empty() && decode.empty(); }
};

class Scheduler {
 public:
  struct Limits {
    int64_t prefill_chunk = 512;  // prompt tokens of one step, over all groups
    int64_t waiting_max = 1024;   // groups that hold no place yet
  };

  Scheduler(Limits limits, Accounts& accounts) : limits_(limits), accounts_(accounts) {}

  // Appends to the waiting line. RESOURCE_EXHAUSTED, and `group` stays the caller's, when the line
  // is full or the group can never fit.
  absl::Status Admit(std::unique_ptr<Group>& group);

  // While set, no new group gets a place: somebody else waits for the bytes that running ones hold.
  // Groups that have begun go on, so what they hold comes free.
  void HoldNewGroups(bool hold) { hold_new_groups_ = hold; }

  // Gives free places to samples in line order. Then names the next sample to fork: one whose
  // prompt is prefilled and which has a place; null when there is none. The caller answers with
  // Run() or, when the first token already ended it, with Finish().
  Group* NextStart();
  // The sample joins every step until Finish(). Returns it for the caller to fill.
  Sequence& Run(std::unique_ptr<Sequence> sequence);

  // The next batch. Empty only when nothing runs and no group has a place.
  StepPlan NextStep() const;

  // A sample of `group` ended: its place and bytes are free. True when it was the group's last; the
  // group is then the caller's to Remove().
  bool Finish(Group& group);
  // Forgets a sequence that ran; invalidates it.
  void Forget(Sequence& sequence);
  // Takes a group and its sequences out, wherever they are, and frees what they hold.
  std::unique_ptr<Group> Remove(Group& group);

  bool empty() const { return groups_.empty(); }
  int64_t waiting() const;
  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  const std::deque<std::unique_ptr<Group>>& groups() const { return groups_; }

 private:
  void Place();

  const Limits limits_;
  Accounts& accounts_;
  bool hold_new_groups_ = false;
  std::deque<std::unique_ptr<Group>> groups_;  // in order of arrival
  std::vector<std::unique_ptr<Sequence>> running_;
};

}  // namespace temper::rollout
