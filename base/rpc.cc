// Listening and dialling with the limits every process of ours has.
#include "base/rpc.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/access/client_side.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"

namespace temper {
namespace {

constexpr int kMetadataBytesMax = 8 << 10;
// Messages of errors travel in metadata, a letter as three bytes where it is not ASCII.
constexpr int kAnswerMetadataBytesMax = 16 << 10;
constexpr int kStreamsMax = 1024;  // calls at a time on one connection
constexpr int kThreadsMax = 256;
constexpr absl::Duration kPingEach = absl::Minutes(1);
constexpr absl::Duration kPingAnsweredWithin = absl::Seconds(20);
constexpr absl::Duration kPingsLeastApart = absl::Seconds(20);
constexpr absl::Duration kConnectionIdleMax = absl::Minutes(30);
constexpr absl::Duration kConnectionAgeMax = absl::Hours(24);  // streams on it may end in peace

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

absl::Status CheckCredentials(const std::string& address, const ListenAddress& parsed,
                              const ListenCredentials& credentials) {
  if (!parsed.local && !credentials.demanded()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen ", address,
        ": others can reach this address, so callers must show who they are: give --tls-dir DIR "
        "(`temper certs` makes such folders) or --token-file FILE, or listen at 127.0.0.1:PORT, "
        "[::1]:PORT or unix:PATH"));
  }
  if (credentials.tls.has_value() && credentials.tls->certificate.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen ", address,
        ": the --tls-dir holds ca.pem alone; a listener needs its own cert.pem and key.pem"));
  }
  if (!parsed.local && !credentials.tls.has_value()) {
    log::Warning("tokens and data travel in clear text on this address; --tls-dir encrypts them",
                 {{"address", address}});
  }
  return absl::OkStatus();
}

// Once is enough.
void WarnOfClearText(const std::string& address, const ClientCredentials& own) {
  if (own.token.empty() || own.tls.has_value()) return;
  const auto parsed = ParseListenAddress(address);
  static std::atomic<bool> warned{false};
  if (parsed.ok() && !parsed->local && !warned.exchange(true)) {
    log::Warning("the token travels in clear text to this address; --tls-dir encrypts it",
                 {{"address", address}});
  }
}

// What a stranger can make this process hold or do.
void SetLimits(grpc::ServerBuilder& builder, const ListenOptions& options) {
  builder.SetMaxReceiveMessageSize(options.request_bytes_max);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kPingEach));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kPingAnsweredWithin));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(kPingsLeastApart));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(kConnectionIdleMax));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(kConnectionAgeMax));
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // The guard refuses compressed calls; nothing may unpack what comes all the same.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  grpc::ResourceQuota quota("listener");
  quota.Resize(size_t{4} * static_cast<size_t>(std::max(options.request_bytes_max, 64 << 20)));
  quota.SetMaxThreads(kThreadsMax);
  builder.SetResourceQuota(quota);
}

}  // namespace

absl::StatusOr<ListeningServer> Listen(const std::string& address,
                                       const std::vector<grpc::Service*>& services,
                                       const ListenOptions& options) {
  TEMPER_ASSIGN_OR_RETURN(const ListenAddress parsed, ParseListenAddress(address));
  TEMPER_RETURN_IF_ERROR(CheckCredentials(address, parsed, options.credentials));
  ListeningServer listening;
  std::string bind = address;
  if (!parsed.socket_path.empty()) {
    TEMPER_ASSIGN_OR_RETURN(listening.socket, PrivateSocket::Prepare(parsed.socket_path));
    bind = listening.socket->bind_address();
  }
  grpc::ServerBuilder builder;
  SetLimits(builder, options);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  const auto guard = std::make_shared<const Guard>(options.credentials);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(CallerInterceptor(guard, options.limits));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  int port = 0;
  builder.AddListeningPort(bind, GuardedCredentials(guard, options.credentials.tls), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  listening.server = builder.BuildAndStart();
  if (listening.server == nullptr || (port == 0 && listening.socket == nullptr)) {
    return absl::UnavailableError(absl::StrCat(
        "--listen ", address,
        ": cannot listen there (port in use?); choose another port, or 0 for a free one"));
  }
  listening.address = address;
  if (listening.socket != nullptr) {
    TEMPER_RETURN_IF_ERROR(listening.socket->Publish());
  } else {
    listening.address = absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
  }
  return listening;
}

std::shared_ptr<grpc::Channel> Dial(const std::string& address, const ClientCredentials& own) {
  WarnOfClearText(address, own);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kAnswerMetadataBytesMax);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kPingEach));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kPingAnsweredWithin));
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);  // the time one try may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(PresentingInterceptor(own));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      address, ChannelCredentialsOf(own), arguments, std::move(interceptors));
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
