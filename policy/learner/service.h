// Serves a trainer on the wire: callbacks enqueue, one loop trains.
//
// Calls that come before the trainer is loaded wait in the queue, within their deadlines. After
// that GetStatus and FetchWeights are answered from the weight store and never wait for a step in
// progress.
#pragma once

#include <memory>

#include "base/stop.h"
#include "grpcpp/impl/service_type.h"
#include "policy/learner/trainer.h"

namespace temper::learner {

class Service {
 public:
  Service();
  // The server must have been shut down.
  ~Service();

  grpc::Service& wire();

  // The learner's loop: serves `trainer` until `stop`, then closes. Shut the server down before the
  // trainer goes. Called once.
  void Run(Trainer& trainer, const StopToken& stop);
  // Answers what waits, and what comes, with UNAVAILABLE: a server with unanswered calls cannot
  // shut down. For a learner whose trainer could not be loaded.
  void Close();

 private:
  class Wire;
  std::unique_ptr<Wire> wire_;
};

}  // namespace temper::learner
