// Finds what every reference means, and puts the nodes in an order in which edges point back.
#pragma once

#include <set>
#include <string>

#include "agents/graph/graph.h"
#include "agents/graph/problems.h"

namespace temper::agents {

// Sets every Target. `unread`: names that were refused where they stand; nothing more is said of
// references to them. Also sets the context that a judge needs and the file does not name.
void ResolveNames(Graph& graph, const std::set<std::string>& unread, Problems& problems);

// Sets Graph::order and every Loop::body; a cycle is a problem that names its nodes.
void SetOrder(Graph& graph, Problems& problems);

}  // namespace temper::agents
