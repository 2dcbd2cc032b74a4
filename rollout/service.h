// RolloutService on the wire: callbacks find the run, translate and enqueue; its thread works.
#pragma once

#include <memory>

#include "base/run_directory.h"
#include "grpcpp/impl/service_type.h"
#include "rollout/engine_loop.h"

namespace temper::rollout {

// The loop of each run that is open. Whoever closes a run stops its loop before the engine goes.
using EngineDirectory = RunDirectory<EngineLoop>;

// For base/rpc.h's Listen(); each request finds its loop by its `run`. `runs` outlives the service;
// stop the loops before the server, so that every open call ends with words.
std::unique_ptr<grpc::Service> MakeRolloutService(const EngineDirectory& runs);

}  // namespace temper::rollout
