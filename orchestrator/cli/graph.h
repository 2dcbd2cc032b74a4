// `temper graph ...`: what can be done with a graph of agents, one room each.
//
// A room adds its sub-command to the group as a verb is added to the program (verbs.h).
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agents/graph/graph.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {

void AddGraph(CLI::App& program, Chosen& chosen);

void AddGraphCheck(CLI::App& group, Chosen& chosen);
void AddGraphShow(CLI::App& group, Chosen& chosen);
void AddGraphRun(CLI::App& group, Chosen& chosen);  // run, resume, replay
void AddGraphFork(CLI::App& group, Chosen& chosen);
void AddGraphCurve(CLI::App& group, Chosen& chosen);
void AddGraphExport(CLI::App& group, Chosen& chosen);
void AddGraphEval(CLI::App& group, Chosen& chosen);
void AddGraphServe(CLI::App& group, Chosen& chosen);
void AddGraphLook(CLI::App& group, Chosen& chosen);  // events, report, answer

// Prints what is wrong with a graph file, a line for each problem and nothing else, to stderr: for
// editors that jump to places.
int ReportGraph(const absl::Status& status);

// "5 nodes, at most 144 samples, 16 candidates scored, 160 calls"
std::string GraphCounts(const agents::Graph& graph);

}  // namespace temper::cli
