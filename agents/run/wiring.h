// Who has to look again when something of a node becomes final. Made once for a graph; pure.
#pragma once

#include <vector>

#include "agents/graph/graph.h"

namespace temper::agents {

class Wiring {
 public:
  explicit Wiring(const Graph& graph);

  // Nodes that may become ready when something of `node` becomes final: its readers, and readers of
  // whatever runs once for each of its items (a list is complete only when no more can come).
  const std::vector<int>& readers(int node) const { return readers_[static_cast<size_t>(node)]; }
  // Nodes that run once for each of its items.
  const std::vector<int>& followers(int node) const {
    return followers_[static_cast<size_t>(node)];
  }
  // Nodes whose `enough` looks at it.
  const std::vector<int>& watchers(int node) const { return watchers_[static_cast<size_t>(node)]; }
  // The longest way from an input; later nodes have more.
  int depth(int node) const { return depth_[static_cast<size_t>(node)]; }

 private:
  std::vector<std::vector<int>> readers_, followers_, watchers_;
  std::vector<int> depth_;
};

// Everything that must be final before the node can start.
std::vector<const Reference*> NeededBy(const Node& node);
// The axes of what a name stands for. `inside`: a carry, read in its loop's body, where it has a
// value in every round.
std::vector<int> AxesOf(const Graph& graph, const Target& target, bool inside);
// Whether a reader with these axes stands in the body of the loop that carries the target.
bool Inside(const Graph& graph, const Target& target, const std::vector<int>& axes);
// How many axes, from the outermost, two values share.
size_t Shared(const std::vector<int>& a, const std::vector<int>& b);
// "refine/critic": with the loops around it.
std::string PathOf(const Graph& graph, int node);

}  // namespace temper::agents
