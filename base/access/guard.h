// Decides about each call on a listener: who calls, and whether the method is for them.
//
// Immutable; any thread. It knows credentials and schemas, not gRPC: base/access/server_side.h
// feeds it.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "base/access/access_rules.h"
#include "base/access/credentials.h"

namespace temper {

// What one call shows of its caller. Empty: not shown.
struct Presented {
  std::string_view common_name;    // of a client certificate that our CA has signed
  std::string_view authorization;  // metadata "authorization": "Bearer TOKEN"
  std::string_view user;           // metadata kUserMetadata
};

class Guard {
 public:
  explicit Guard(const ListenCredentials& credentials);

  // UNAUTHENTICATED says what to give. A token is looked at before a certificate.
  absl::StatusOr<Caller> Identify(const Presented& presented) const;

  // UNAUTHENTICATED or PERMISSION_DENIED.
  absl::Status Admit(const Presented& presented, std::string_view path) const;

 private:
  absl::StatusOr<Caller> OfToken(std::string_view authorization) const;
  absl::StatusOr<Caller> OfCertificate(std::string_view common_name) const;

  const bool demanded_;
  const bool certificates_;
  const std::optional<TokenTable> tokens_;
};

}  // namespace temper
