// How our processes speak gRPC: listening, dialling, deadlines, waiting between tries.
//
// Loopback addresses and unix sockets (mode 0600) need nothing: everybody there is admin. Any other
// address needs credentials, and where credentials are given they are demanded everywhere
// (docs/security.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/access/credentials.h"
#include "base/access/listen_address.h"
#include "base/access/server_side.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server.h"

namespace temper {

// Batches of episodes are the largest messages between workers; people's requests are small.
inline constexpr int kMessageBytesMax = 256 << 20;
inline constexpr int kControlMessageBytesMax = 4 << 20;

struct ListeningServer {
  std::unique_ptr<PrivateSocket> socket;  // of a unix address; it goes after the server
  std::unique_ptr<grpc::Server> server;
  std::string address;  // with the port that was chosen
};

struct ListenOptions {
  ListenCredentials credentials;
  int request_bytes_max = kMessageBytesMax;
  CallLimits limits;
};

// address: "127.0.0.1:0" picks a free port. An address in use, or one that others can reach while
// no credentials are demanded, is refused with words. Services ask CallerOf(context) who calls.
absl::StatusOr<ListeningServer> Listen(const std::string& address,
                                       const std::vector<grpc::Service*>& services,
                                       const ListenOptions& options = {});

// Presents `own`; with TLS the server must show a certificate of our CA that names the host
// dialled.
std::shared_ptr<grpc::Channel> Dial(const std::string& address,
                                    const ClientCredentials& own = OwnCredentials());

// A context that gives up after `timeout`. A blocking call that may have to wait for its peer to
// come up sets wait_for_ready on it: a channel between failing calls is polled by nobody but gRPC's
// backup poller, each 5 s.
std::unique_ptr<grpc::ClientContext> Deadline(absl::Duration timeout);

// Exponential waiting between tries, 50 ms to `longest`, without randomness: the caller is alone
// with its peer.
class Backoff {
 public:
  explicit Backoff(absl::Duration longest) : longest_(longest) {}
  absl::Duration Next();
  void Reset() { next_ = absl::Milliseconds(50); }

 private:
  const absl::Duration longest_;
  absl::Duration next_ = absl::Milliseconds(50);
};

// Names this host for "same host: share memory": boot id and host name.
std::string HostId();

}  // namespace temper
