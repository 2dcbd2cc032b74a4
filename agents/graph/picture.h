// A graph as a picture: text for Mermaid, or an SVG drawn by ourselves.
//
// Nodes stand in layers, from the inputs on the left to the output on the right; a loop is a box
// around its body. Pure; any thread.
#pragma once

#include <string>

#include "agents/graph/graph.h"

namespace temper::agents {

std::string Mermaid(const Graph& graph);
std::string Svg(const Graph& graph);

}  // namespace temper::agents
