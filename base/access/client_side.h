// What a client presents, in gRPC: TLS for the channel, token and user name for each call.
#pragma once

#include <memory>

#include "base/access/credentials.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/client_interceptor.h"

namespace temper {

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsOf(const ClientCredentials& own);

// Adds metadata "authorization" and kUserMetadata to every call of a channel. An interceptor, not
// call credentials: gRPC sends those over TLS alone, and a token may go over a unix socket.
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> PresentingInterceptor(
    const ClientCredentials& own);

}  // namespace temper
