// Roles, the budget and how roles are trained: what stands around the nodes of a graph file.
#pragma once

#include <string>

#include "agents/graph/graph.h"
#include "agents/graph/object_reader.h"
#include "agents/graph/problems.h"

namespace temper::agents {

void ReadInputs(const PlacedJson& inputs, Graph& graph, Problems& problems);
void ReadRoles(const PlacedJson& roles, Graph& graph, Problems& problems);
void ReadBudget(const PlacedJson& budget, Graph& graph, Problems& problems);
// After the roles.
void ReadTrain(const PlacedJson& train, Graph& graph, Problems& problems);

}  // namespace temper::agents
