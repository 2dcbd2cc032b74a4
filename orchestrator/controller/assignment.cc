// Learners first come first served, rollout workers spread evenly.
#include "orchestrator/controller/assignment.h"

#include <algorithm>

namespace temper::orchestrator {
namespace {

using Assignments = std::map<std::string, std::set<std::string>>;

void AssignLearners(const std::vector<AssignableWorker>& workers,
                    const std::vector<std::string>& runs, Assignments& assignments) {
  std::set<std::string> served;
  for (const AssignableWorker& worker : workers) {
    if (worker.role != v1::ROLE_LEARNER) continue;
    for (const std::string& run : runs) {
      if (worker.runs.contains(run) && served.insert(run).second) {
        assignments[worker.name].insert(run);
      }
    }
  }
  for (const std::string& run : runs) {
    if (served.contains(run)) continue;
    const AssignableWorker* chosen = nullptr;
    for (const AssignableWorker& worker : workers) {
      const size_t holds = assignments[worker.name].size();
      if (worker.role != v1::ROLE_LEARNER || holds >= static_cast<size_t>(worker.runs_max)) {
        continue;
      }
      if (chosen == nullptr || holds < assignments[chosen->name].size()) chosen = &worker;
    }
    if (chosen != nullptr) assignments[chosen->name].insert(run);
  }
}

void AssignRollout(const std::vector<AssignableWorker>& workers,
                   const std::vector<std::string>& runs, Assignments& assignments) {
  std::map<std::string, int> workers_of;
  // What a worker has open stays there while all fits, so that nothing is opened twice.
  for (const AssignableWorker& worker : workers) {
    if (worker.role != v1::ROLE_ROLLOUT) continue;
    std::vector<std::string> wanted = runs;
    std::stable_sort(wanted.begin(), wanted.end(), [&](const auto& a, const auto& b) {
      if (workers_of[a] != workers_of[b]) return workers_of[a] < workers_of[b];
      return worker.runs.contains(a) && !worker.runs.contains(b);
    });
    wanted.resize(std::min(wanted.size(), static_cast<size_t>(worker.runs_max)));
    for (const std::string& run : wanted) {
      assignments[worker.name].insert(run);
      ++workers_of[run];
    }
  }
}

}  // namespace

Assignments AssignRuns(const std::vector<AssignableWorker>& workers,
                       const std::vector<std::string>& runs) {
  Assignments assignments;
  for (const AssignableWorker& worker : workers) {
    std::set<std::string>& own = assignments[worker.name];
    if (worker.role == v1::ROLE_REWARD) own.insert(runs.begin(), runs.end());
  }
  AssignLearners(workers, runs, assignments);
  AssignRollout(workers, runs, assignments);
  return assignments;
}

}  // namespace temper::orchestrator
