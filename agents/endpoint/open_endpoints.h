// Opens the endpoints of a file: the one way from a name to a server.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/endpoint/endpoint.h"
#include "agents/endpoint/endpoints_file.h"
#include "base/clock.h"
#include "base/stop.h"

namespace temper::agents {

using Endpoints = std::map<std::string, std::unique_ptr<Endpoint>>;

struct EndpointsContext {
  const Clock* clock = nullptr;     // outlives them
  uint64_t seed = 0;                // of pauses' spread and of the fake's jitter
  const StopToken* stop = nullptr;  // null, or what ends every call with CANCELLED; outlives them
};

// Nothing is sent yet. FAILED_PRECONDITION: an environment variable that should hold a key is not
// set; its name is told, never its value. INVALID_ARGUMENT: a key that cannot stand in a header; a
// script with a fault.
absl::StatusOr<Endpoints> OpenEndpoints(const std::vector<EndpointSpec>& specs,
                                        const EndpointsContext& context);

}  // namespace temper::agents
