// What an agent graph must be to stand in a run as its environment.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/graph/graph.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

// The endpoint's name that stands for the model that is trained: "policy" of "policy:any".
inline constexpr char kPolicyEndpoint[] = "policy";
// Most samples that one execution may ask for.
inline constexpr int64_t kEnvironmentSamplesMax = 100'000;

// One problem a line, each "FILE:LINE:COLUMN: what was found; what is expected"; none: it may.
std::vector<std::string> FindEnvironmentProblems(const agents::Graph& graph,
                                                 const v1::RunSpec& spec);

// Null where the spec has none. As ReadGraph; and INVALID_ARGUMENT with the problems above.
absl::StatusOr<std::shared_ptr<const agents::Graph>> OpenEnvironment(const v1::RunSpec& spec);

// Of everything that was read but the names of files: hexadecimal; "" of null.
std::string EnvironmentDigest(const agents::Graph* graph);

}  // namespace temper::orchestrator
