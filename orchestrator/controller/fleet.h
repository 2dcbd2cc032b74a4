// Speaks to the workers: carries out the core's actions as calls and brings the answers back as
// events.
//
// Calls are asynchronous; answers arrive on gRPC's threads and only enqueue. All methods belong to
// the controller's loop thread; `deliver` must be callable from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "orchestrator/core.h"

namespace temper::orchestrator {

class Fleet {
 public:
  // false: the event could not be taken (queue full); the call is then as good as lost and will
  // time out.
  using Deliver = std::function<bool(Event)>;

  // run: what the workers know it by.
  Fleet(std::string run, Deliver deliver);
  ~Fleet();  // cancels what is under way and waits for its end

  void Connect(const std::string& worker, const std::string& address);
  void Disconnect(const std::string& worker);

  // A call on a worker that is not connected fails at once, as an event.
  void Call(const AskStatus& action);
  void Call(const UpdateWeights& action);
  void Call(const Generate& action);
  void Call(const ScoreEpisodes& action);
  void Call(const Train& action, std::shared_ptr<const v1::TrainRequest> request);
  void Call(const SaveCheckpoint& action);
  void Cancel(const CancelGenerate& action);

 private:
  struct Connection;
  struct CallsInFlight;
  class GenerateCall;

  template <class Request, class Response, class Action, class Start, class MakeEvent>
  void Unary(const Action& action, std::shared_ptr<const Request> request, Start start,
             MakeEvent make_event);
  Connection* Find(const std::string& worker);

  const std::string run_;
  const Deliver deliver_;
  std::map<std::string, std::unique_ptr<Connection>> connections_;
  std::shared_ptr<CallsInFlight> in_flight_;
};

}  // namespace temper::orchestrator
