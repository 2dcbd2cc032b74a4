// All references of a node, and the edges that they are.
#pragma once

#include <vector>

#include "absl/functional/function_ref.h"
#include "agents/graph/graph.h"

namespace temper::agents {

// What a reference is for.
enum class Use {
  kEach,
  kAfter,
  kWhen,
  kEnough,  // no edge: looks at what there is, downstream too
  kPrompt,
  kFrom,
  kPassing,
  kContext,
  kSource,
  kArgument,
  kInitial,  // of a loop's carries
  kStop,     // of a loop; seen from its body
};

void ForEachReference(Node& node, absl::FunctionRef<void(Use, Reference&)> visit);
void ForEachReference(const Node& node, absl::FunctionRef<void(Use, const Reference&)> visit);

struct Edge {
  int from = -1;  // of Graph::nodes
  Use use = Use::kFrom;
  Place place;  // of the reference
};

// What the node waits for, as it is written: of a loop not what its body waits for. A carry is an
// edge from its loop outside of it and none inside. Without repetition, in the order of references.
std::vector<Edge> EdgesInto(const Graph& graph, int node);

// Whether `node` stands in the body of `loop`, however deep.
bool IsInside(const Graph& graph, int node, int loop);

}  // namespace temper::agents
