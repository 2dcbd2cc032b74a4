// A unary call that somebody else will finish, on another thread: exactly once, whatever happens.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "base/grpc_status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace temper::orchestrator {

// Finishes its call even when the question was thrown away unasked: nobody is left waiting.
class OpenCall {
 public:
  explicit OpenCall(grpc::CallbackServerContext* context) : reactor_(context->DefaultReactor()) {}
  ~OpenCall() { Finish(absl::UnavailableError("the controller is ending")); }
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;

  // Only the first counts.
  void Finish(const absl::Status& status) {
    if (!finished_.exchange(true)) reactor_->Finish(ToGrpc(status));
  }
  grpc::ServerUnaryReactor* reactor() { return reactor_; }

 private:
  grpc::ServerUnaryReactor* const reactor_;
  std::atomic<bool> finished_{false};
};

inline absl::Status InboxFull() {
  return absl::ResourceExhaustedError("too much waits for the controller; try again");
}

// Answers a call with what `on_loop()` says on the loop of `loop` (a Controller or a RunLoop).
template <class Loop, class OnLoop>
grpc::ServerUnaryReactor* AnswerOn(Loop& loop, grpc::CallbackServerContext* context,
                                   OnLoop on_loop) {
  auto call = std::make_shared<OpenCall>(context);
  grpc::ServerUnaryReactor* const reactor = call->reactor();
  const bool taken = loop.Post([call, on_loop = std::move(on_loop)] { call->Finish(on_loop()); });
  if (!taken) call->Finish(InboxFull());
  return reactor;
}

}  // namespace temper::orchestrator
