// LearnerService on the wire: callbacks find the run and enqueue; its thread trains.
//
// GetStatus and FetchWeights are answered from the weight store and never wait for a step in
// progress, but where a GPU's values must first be written to a file.
#pragma once

#include <memory>

#include "base/run_directory.h"
#include "grpcpp/impl/service_type.h"
#include "policy/learner/trainer_loop.h"

namespace temper::learner {

// The loop of each run that is open.
using TrainerDirectory = RunDirectory<TrainerLoop>;

// For base/rpc.h's Listen(); each request finds its loop by its `run`. `runs` outlives the service;
// stop the loops before the server: one with unanswered calls cannot shut down.
std::unique_ptr<grpc::Service> MakeLearnerService(const TrainerDirectory& runs);

}  // namespace temper::learner
