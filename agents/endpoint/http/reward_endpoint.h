// Servers that score a conversation's last turn: NIM by a chat's answer, vLLM by /pooling,
// /classify or /score. One dialect each.
#pragma once

#include <memory>

#include "agents/endpoint/endpoints_file.h"
#include "agents/endpoint/http/http_wire.h"

namespace temper::agents {

// `kind`: one of the reward kinds.
std::unique_ptr<HttpDialect> MakeRewardDialect(EndpointKind kind);

}  // namespace temper::agents
