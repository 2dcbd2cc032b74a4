// What a picture of a graph shows, before anybody knows where.
#pragma once

#include <string>
#include <vector>

#include "agents/graph/graph.h"

namespace temper::agents {

// A node, an input, the output, or a carry at the beginning of its loop's body.
struct DrawnNode {
  enum class Shape { kInput, kOutput, kCarry, kNode, kLoop };
  Shape shape = Shape::kNode;
  NodeKind kind = NodeKind::kGenerate;  // kNode
  std::string id;                       // unique; letters, digits and "_"
  std::vector<std::string> lines;       // the name first
  int loop = -1;                        // of Drawing::nodes: in whose box it stands
};

struct DrawnEdge {
  int from = -1;  // of Drawing::nodes
  int to = -1;
  bool order = false;  // only order or a condition: nothing is read
  bool back = false;   // from what sets a carry to the carry: the next round
};

struct Drawing {
  std::vector<DrawnNode> nodes;
  std::vector<DrawnEdge> edges;
};

Drawing Draw(const Graph& graph);

}  // namespace temper::agents
