// The controller for people with a browser: one page, and its rpcs as JSON over HTTP on loopback.
//
//   GET  /                     the page and its files
//   POST /v1/RPC               any rpc of ControllerService; of a stream: server-sent events
//   GET  /v1/Watch?run=R       events as they come, for curl
//   GET  /access               whether the caller may change runs: {"may_change", "reason"}
//   GET  /metrics              Prometheus' text format
//   GET  /trace?run=R&step=N   a step as trace events, for Perfetto
//
// Every call goes over `controller` with the caller's own Authorization, so who may do what is
// decided in one place, the controller's listener. Owns its threads; any thread may start and end
// it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"

namespace temper::orchestrator {

class Dashboard {
 public:
  struct Options {
    // "127.0.0.1:PORT", "localhost:PORT" or "[::1]:PORT"; PORT 0 picks a free one.
    std::string listen = "127.0.0.1:0";
    // To the controller's own listener. It carries no credentials of its own: each browser would
    // have their role.
    std::shared_ptr<grpc::Channel> controller;
  };

  // INVALID_ARGUMENT: not loopback. UNAVAILABLE: the port is in use.
  static absl::StatusOr<std::unique_ptr<Dashboard>> Start(Options options);
  // Ends open streams and waits for its threads; safe to repeat.
  void Stop();
  ~Dashboard();

  // Where it serves, with the port that was chosen: "127.0.0.1:43211".
  const std::string& address() const { return address_; }

 private:
  class Server;

  Dashboard(std::unique_ptr<Server> server, std::string address);

  std::unique_ptr<Server> server_;
  std::string address_;
};

}  // namespace temper::orchestrator
