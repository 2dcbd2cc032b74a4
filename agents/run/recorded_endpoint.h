// Endpoints as a folder remembers them: for replays, which ask nothing and need no key.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agents/endpoint/open_endpoints.h"
#include "agents/graph/graph.h"

namespace temper::agents {

// What decides a role's answers beside the question: server, revision, model, sampling.
std::string RoleIdentity(const Role& role, const Endpoints& endpoints);

// Names and traits as JSON, and back. DATA_LOSS: not what RecordEndpoints wrote.
std::string RecordEndpoints(const Endpoints& endpoints);
absl::StatusOr<Endpoints> RecordedEndpoints(const std::string& json);

}  // namespace temper::agents
