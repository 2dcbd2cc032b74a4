// How our processes speak gRPC: listening, dialling, deadlines, waiting between tries.
//
// Loopback addresses and unix sockets (mode 0600) need nothing: everybody there is admin. Any other
// address needs credentials, and where credentials are given they are demanded everywhere
// (docs/security.md).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/access/credentials.h"
#include "base/access/listen_address.h"
#include "base/access/server_side.h"
#include "base/wait.h"
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

// A context that gives up after `timeout`, for a call that does not block.
std::unique_ptr<grpc::ClientContext> Deadline(absl::Duration timeout);

// The context of one blocking call, or of one stream that is read to its end: gives up at the
// wait's deadline, is listed for as long as it lives (so it should not outlive the call). A call
// that may have to wait for its peer to come up sets wait_for_ready: a channel between failing
// calls is polled by nobody but gRPC's backup poller, each 5 s.
class BlockingCall {
 public:
  explicit BlockingCall(Wait wait)
      : context_(Deadline(wait.timeout())), waiting_(std::move(wait)) {}

  grpc::ClientContext* get() const { return context_.get(); }
  grpc::ClientContext* operator->() const { return context_.get(); }

 private:
  const std::unique_ptr<grpc::ClientContext> context_;
  const Waiting waiting_;
};

// Takes no more calls, gives those under way `grace`, cancels what is left.
void ShutDown(grpc::Server& server, absl::Duration grace);

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
