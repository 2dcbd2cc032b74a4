// Listening and dialling with the limits every process of ours has.
#include "base/rpc.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace temper {
namespace {

bool IsLocal(const std::string& address) {
  return absl::StartsWith(address, "127.") || absl::StartsWith(address, "localhost:") ||
         absl::StartsWith(address, "[::1]:") || absl::StartsWith(address, "unix:");
}

}  // namespace

absl::StatusOr<ListeningServer> Listen(const std::string& address,
                                       const std::vector<grpc::Service*>& services) {
  if (!IsLocal(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", address,
                     ": not a loopback address; expected 127.0.0.1:PORT, [::1]:PORT or unix:PATH"));
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  for (grpc::Service* service : services) builder.RegisterService(service);
  ListeningServer listening;
  listening.server = builder.BuildAndStart();
  if (listening.server == nullptr || (port == 0 && !absl::StartsWith(address, "unix:"))) {
    return absl::UnavailableError(absl::StrCat(
        "--listen ", address,
        ": cannot listen there (port in use?); choose another port, or 0 for a free one"));
  }
  listening.address = absl::StartsWith(address, "unix:")
                          ? address
                          : absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
  return listening;
}

std::shared_ptr<grpc::Channel> Dial(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);  // the time one try may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<grpc::ClientContext> Deadline(absl::Duration timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  return context;
}

void ShutDown(grpc::Server& server, absl::Duration grace) {
  const Waiting waiting(Wait::OrDrop("the end of the calls under way", grace));
  server.Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
}

absl::Duration Backoff::Next() {
  const absl::Duration wait = next_;
  next_ = std::min(next_ * 2, longest_);
  return wait;
}

std::string HostId() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  const auto boot = ReadFile("/proc/sys/kernel/random/boot_id");
  return absl::StrCat(name, "/", boot.ok() ? absl::StripSuffix(*boot, "\n") : "unknown");
}

}  // namespace temper
