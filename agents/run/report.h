// What became of an execution, counted node by node.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agents/run/execution.h"
#include "agents/run/store.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

struct NodeCounts {
  std::string path;
  int64_t instances = 0;
  int64_t present = 0, absent = 0, failed = 0;  // items
  int64_t unchanged = 0;  // texts equal to the one they were made from (`each`, or a loop's carry)
  int64_t cut = 0;        // texts that max_tokens ended
  // Of selections by pairs.
  int64_t games = 0, invalid = 0, flips = 0, pairs_both_ways = 0, ties = 0;
  std::string failure;  // the first
};

// In the order of the file; those of sub-graphs under "node/".
std::vector<NodeCounts> CountNodes(const Execution& execution);

// One JSON object: outcome, output, nodes, usage by role. `usage` of the store, by role.
nlohmann::ordered_json ReportJson(const std::vector<NodeCounts>& nodes,
                                  const std::map<std::string, RoleUsage>& usage);
// The same for people: two tables.
std::string ReportText(const std::vector<NodeCounts>& nodes,
                       const std::map<std::string, RoleUsage>& usage);

}  // namespace temper::agents
