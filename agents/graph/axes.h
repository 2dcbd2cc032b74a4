// Which axes every value has: what a reader sees as one, and what as a list.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agents/graph/graph.h"
#include "agents/graph/problems.h"

namespace temper::agents {

// Of a graph whose names are resolved and whose order is set. Problems: an `each` that adds
// nothing.
void SetAxes(Graph& graph, Problems& problems);

// Of the value that the choice stands for, ascending.
std::vector<int> ValueAxes(const Graph& graph, const Reference::Choice& choice);
// Those that a reader with the given axes lacks: the list's, in the order of its indices.
std::vector<int> ListAxes(const Graph& graph, const Reference::Choice& choice,
                          const std::vector<int>& reader);
// Whether the reader sees a list: one of the choices is one.
bool IsList(const Graph& graph, const Reference& reference, const std::vector<int>& reader);

// How many values the reader sees at most; nothing where that is not known before it runs.
std::optional<int64_t> SizeMax(const Graph& graph, const Reference& reference,
                               const std::vector<int>& reader);
std::optional<int64_t> SizeMax(const Graph& graph, const std::vector<int>& axes);
// Of the node's candidates, for one instance.
std::optional<int64_t> CandidatesMax(const Graph& graph, const Node& node);

// Those that every instance in the body of `loop` has: the loop's and the round; none of -1.
std::vector<int> BodyAxes(const Graph& graph, int loop);

}  // namespace temper::agents
