// Which keys go together: what a way of scoring, selecting or filtering needs and has no use for,
// and which kinds of roles can do what.
#pragma once

#include "agents/graph/graph.h"
#include "agents/graph/object_reader.h"

namespace temper::agents {

void CheckGenerate(ObjectReader& reader, const Graph& graph, const Node& node);
// Also sets how the judge's answers are read where the file does not say.
void CheckScore(ObjectReader& reader, const Graph& graph, Node& node);
void CheckSelect(ObjectReader& reader, const Graph& graph, Node& node);
void CheckFilter(ObjectReader& reader, const Node& node);
// Of a tool: a command or a URL.
void CheckCall(ObjectReader& reader, const Node& node);

const char* NameOf(By by);
const char* NameOf(RoleKind kind);

}  // namespace temper::agents
