// What a graph comes to at most, before anything runs: instances, samples, calls, tokens, a price.
//
// "At most": every `when` holds, every loop goes its full rounds, every answer is as long as its
// role allows. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agents/graph/graph.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// As an endpoint says (Endpoint::Traits).
struct EndpointPrice {
  double usd_per_million_in = 0;
  double usd_per_million_out = 0;
  int64_t samples_max = 1;  // of one call
};

struct PlanOptions {
  // By endpoint: sub-graphs may give other roles the same names. One without costs nothing.
  std::map<std::string, EndpointPrice> prices;
  int64_t input_tokens = 1000;  // of each of the graph's inputs
  int64_t answer_tokens = 500;  // of a tool's or a person's answer
};

// At most. Nothing where no number holds before it runs (a list that grows for many rounds).
using Count = std::optional<int64_t>;

struct Amounts {
  Count samples = 0;     // generated
  Count scored = 0;      // candidates that get a number from a judge
  Count judgements = 0;  // asked of judges: scores, yes or no, one order of a pair
  Count calls = 0;       // requests to models, without retries
  Count tokens_in = 0;
  Count tokens_out = 0;
  double usd = 0;  // of what is counted

  void Add(const Amounts& other);
};

struct NodePlan {
  Count instances;
  Count candidates;  // of one instance
  Amounts amounts;   // of a sub-graph: of all inside it; of a loop: nothing, its body has it
  bool conditional = false;  // a `when` may leave it out, its own or that of a loop around it
  bool repeated = false;     // stands in a loop
};

struct Plan {
  std::vector<NodePlan> nodes;  // as Graph::nodes
  Amounts total;
  bool priced = false;  // some endpoint has a price
};

Plan MakePlan(const Graph& graph, const PlanOptions& options);

// For programs: nodes with their edges and amounts, and the total. Unknown numbers are null.
nlohmann::ordered_json PlanJson(const Graph& graph, const Plan& plan);

const char* NameOf(NodeKind kind);

}  // namespace temper::agents
