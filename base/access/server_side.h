// The guard in gRPC: every call of a listener is decided before a service sees it.
//
// A metadata processor below gRPC's dispatch refuses calls, of unknown methods too, with a status
// of our own; gRPC's C++ classes have it for TLS alone, so the credentials here are a class of ours
// over the C library. An interceptor then tells the service who calls and ends calls that last too
// long.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "base/access/guard.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_interceptor.h"

namespace temper {

// `tls` with certificate and key, or none: plain text.
std::shared_ptr<grpc::ServerCredentials> GuardedCredentials(std::shared_ptr<const Guard> guard,
                                                            const std::optional<TlsIdentity>& tls);

// How long a call may last, whatever its deadline, and one that came without a deadline.
struct CallLimits {
  absl::Duration unary_longest = absl::Hours(4);
  absl::Duration unary_without_deadline = absl::Minutes(10);
  absl::Duration stream_longest = absl::Hours(24);
};

// Over it: DEADLINE_EXCEEDED at the caller, IsCancelled() at the service.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CallerInterceptor(
    std::shared_ptr<const Guard> guard, const CallLimits& limits);

// Who makes the call that `context` is of; on a server of Listen() alone. Any time until the call
// ends.
Caller CallerOf(const grpc::ServerContextBase& context);

}  // namespace temper
