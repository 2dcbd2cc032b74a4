// Carries a Status across the wire; gRPC 1.51 has no public conversion.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace temper {

inline absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// Messages longer than 4 KiB are cut: they travel in HTTP/2 headers.
inline grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      std::string(status.message().substr(0, 4096)));
}

}  // namespace temper
