// Servers that score a conversation's last turn: NIM by a chat's answer, vLLM by /pooling,
// /classify or /score. One dialect each.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/endpoint/endpoints_file.h"
#include "agents/endpoint/http/http_wire.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// `kind`: one of the reward kinds.
std::unique_ptr<HttpDialect> MakeRewardDialect(EndpointKind kind);

// "reward:-12.5", "helpfulness:1.25,correctness:0.5" or "-12.5" (whose name is ""): in their order.
// DATA_LOSS where it is none of these.
absl::StatusOr<std::vector<std::pair<std::string, double>>> ParseScores(std::string_view text);

// The number that `attribute` names; "" where there is only one. INVALID_ARGUMENT tells the names
// that there are.
absl::StatusOr<double> ScoreOf(const std::vector<std::pair<std::string, double>>& scores,
                               const std::string& attribute);

}  // namespace temper::agents
