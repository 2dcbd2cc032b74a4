// Verifier "remote": asks a server of VerifierService, whoever wrote it.
#pragma once

#include <memory>
#include <string>

#include "reward/verifier.h"
#include "temper/v1/remote_verifiers.grpc.pb.h"

namespace temper::reward {

class RemoteVerifier : public Verifier {
 public:
  // INVALID_ARGUMENT for settings that cannot be meant. Dials lazily. `timeout`: of each call.
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::RemoteOptions& options, absl::Duration timeout);

  // UNAVAILABLE, DEADLINE_EXCEEDED, ...: the server's failure, tried again by the caller; INTERNAL
  // for an answer that is none (another number of results, a value outside [0, 1]).
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  RemoteVerifier(const temper::v1::RemoteOptions& options, absl::Duration timeout);

  const std::string address_;
  const std::string config_json_;
  const absl::Duration timeout_;
  const std::unique_ptr<temper::v1::VerifierService::StubInterface> stub_;
};

}  // namespace temper::reward
