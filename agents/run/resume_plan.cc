// A run without calls, that counts.
#include "agents/run/resume_plan.h"

#include "base/status_macros.h"

namespace temper::agents {

absl::StatusOr<ResumePlan> PlanResume(Execution& execution, GraphStore& store,
                                      const std::function<double(const Question&)>& price) {
  ResumePlan plan;
  std::set<int64_t> dropped;
  for (;;) {
    const std::vector<Want> wants = execution.TakeWants();
    if (wants.empty()) break;
    for (const Want& want : wants) {
      if (execution.done()) break;
      for (const int64_t one : execution.TakeDropped()) dropped.insert(one);
      if (dropped.contains(want.id)) continue;
      plan.keys.insert(want.key);
      TEMPER_ASSIGN_OR_RETURN(const std::optional<Result> recorded, store.Find(want.key));
      ResumePlan::Counts& counts = plan.nodes[want.question->path];
      if (recorded.has_value()) {
        ++counts.reuse, ++plan.reuse;
        execution.Deliver(want.id, *recorded);
      } else {
        ++counts.ask, ++plan.ask;
        plan.usd_max += price(*want.question);
      }
    }
    execution.ConsiderEnough();
  }
  plan.done = execution.done();
  return plan;
}

}  // namespace temper::agents
