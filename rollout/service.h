// RolloutService on the wire: callbacks validate, translate and enqueue; the engine's thread works.
#pragma once

#include <memory>

#include "grpcpp/impl/service_type.h"
#include "rollout/engine_loop.h"

namespace temper::rollout {

// For base/rpc.h's Listen(). `loop` outlives the service; stop the loop before the server, so that
// every open call ends with words.
std::unique_ptr<grpc::Service> MakeRolloutService(EngineLoop& loop);

}  // namespace temper::rollout
