// The graphs of one gathering: an execution for each row, what they want, and what it comes to.
//
// The wants of one instance of a generate node are one group. Its number is a function of the graph
// alone, its id of (step, row slot, number), its prompt id "ROW/NODE[LINEAGE]" decides its
// randomness: nothing depends on who answers when. A sample is told to its execution once it is
// scored; executions are not kept: told the same samples again, they want the same. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agents/run/execution.h"
#include "orchestrator/dataset.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

// Of a group: whose samples they are.
struct GraphPlace {
  int slot = -1;  // of the row, in the step or evaluation
  int node = -1;  // of Graph::nodes
  agents::Point point;
  std::vector<int64_t> wants;  // by sample
};

class GraphEnvironment {
 public:
  struct Wanted {
    GraphPlace place;
    int64_t number = 0;  // of the instance, below instances()
    v1::Group group;     // but for id and step
  };

  // A graph that environment_check.h let pass.
  explicit GraphEnvironment(std::shared_ptr<const agents::Graph> graph);

  const agents::Graph& graph() const { return *graph_; }
  // Most that one execution has.
  int64_t instances() const { return instances_; }

  void Clear();
  // Starts the execution of the next slot; INVALID_ARGUMENT: the row is no input of the graph.
  absl::Status Begin(Row row);
  size_t slots() const { return slots_.size(); }
  const agents::Execution& execution(size_t slot) const { return *slots_[slot].execution; }
  const std::string& row_id(int slot) const { return slots_[static_cast<size_t>(slot)].row.id; }

  // New since the last call.
  std::vector<Wanted> Take(int slot);
  // A sample that its execution does not want any more is passed by.
  void Deliver(const GraphPlace& place, int sample, agents::Result result);

  const agents::Role& RoleOf(int node) const;
  // What a role says of sampling, over the spec's; an evaluation draws by the run's seed alone.
  void Adjust(const v1::RunSpec& spec, int node, bool evaluation, v1::Sampling& sampling) const;
  int MaxTokens(const v1::RunSpec& spec, int node) const;

 private:
  struct Slot {
    Row row;
    std::unique_ptr<agents::Execution> execution;
    std::set<int64_t> dropped;  // wants of instances that have failed
  };
  int64_t NumberOf(int node, const agents::Point& point) const;

  const std::shared_ptr<const agents::Graph> graph_;
  std::vector<int64_t> first_;  // by node: the number of its first instance
  int64_t instances_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace temper::orchestrator
