// What a run would find recorded, and what it would have to ask for, before anything is asked.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "agents/run/execution.h"
#include "agents/run/store.h"

namespace temper::agents {

struct ResumePlan {
  struct Counts {
    int64_t reuse = 0;  // results that are found
    int64_t ask = 0;    // results that are wanted now and not there; what follows from them is more
  };
  std::map<std::string, Counts> nodes;  // by path
  int64_t reuse = 0, ask = 0;
  std::set<std::string> keys;  // all that were looked for
  // Price of what is asked at most, by (role, prompt): the caller knows endpoints.
  double usd_max = 0;
  bool done = false;  // nothing has to be asked
};

// Runs the execution on recorded results alone. `price`: of one sample of a question.
absl::StatusOr<ResumePlan> PlanResume(Execution& execution, GraphStore& store,
                                      const std::function<double(const Question&)>& price);

}  // namespace temper::agents
