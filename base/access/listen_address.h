// Addresses that people write after --listen, and unix sockets that only their owner can reach.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace temper {

// "HOST:PORT", "[IPV6]:PORT" or "unix:PATH"; nothing else of what gRPC would take.
struct ListenAddress {
  std::string host;         // without brackets; empty for a unix socket
  std::string socket_path;  // empty for TCP
  // Only processes on this machine can reach it: 127.0.0.0/8, ::1, "localhost", a unix socket.
  bool local = false;
};
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& address);

// A unix socket that is made where nobody else can reach it, is given mode 0600, and only then
// appears at its path; nothing is open to others in between. Removed with the object.
class PrivateSocket {
 public:
  // ALREADY_EXISTS: a file that is no socket is there, or somebody listens at it.
  static absl::StatusOr<std::unique_ptr<PrivateSocket>> Prepare(const std::string& path);
  ~PrivateSocket();

  // Where to bind: "unix:PATH" in a folder of mode 0700 beside the path.
  std::string bind_address() const { return "unix:" + hidden_; }
  // After bind and listen.
  absl::Status Publish();

 private:
  PrivateSocket(std::string path, std::string folder);

  const std::string path_;
  const std::string folder_;
  const std::string hidden_;
  bool published_ = false;
};

}  // namespace temper
