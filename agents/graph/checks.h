// What only the whole graph can have wrong, once its names and axes are known.
#pragma once

#include "agents/graph/graph.h"
#include "agents/graph/problems.h"

namespace temper::agents {

// Nodes, inputs and roles that nothing uses; judges that no candidate reaches; scores that nobody
// gives; roles that cannot learn. Needs names only.
void CheckUses(const Graph& graph, Problems& problems);

// Lists where one value must stand. Needs axes.
void CheckShapes(const Graph& graph, Problems& problems);

}  // namespace temper::agents
