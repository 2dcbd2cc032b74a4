// The door to a learner on the wire: blocking calls, each with a deadline.
//
// Needs no model. Any thread may call it; a call ends at its deadline with DEADLINE_EXCEEDED and
// may be repeated, as LearnerService says for each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "temper/v1/learner.pb.h"

namespace temper::learner {

class LearnerClient {
 public:
  // `address` as RegisterRequest and WeightsManifest carry it.
  explicit LearnerClient(const std::string& address);
  ~LearnerClient();

  absl::StatusOr<temper::v1::TrainResponse> Train(const temper::v1::TrainRequest& request,
                                                  absl::Duration timeout);
  absl::StatusOr<temper::v1::SaveCheckpointResponse> SaveCheckpoint(
      const temper::v1::SaveCheckpointRequest& request, absl::Duration timeout);
  // `run` may be empty where the learner serves one run only; the requests above carry theirs.
  absl::StatusOr<temper::v1::GetStatusResponse> GetStatus(absl::Duration timeout,
                                                          const std::string& run = "");

  // Fills `bytes` (WeightsManifest.bytes of them) with the version's data. The caller checks the
  // digests; DATA_LOSS: the stream had a hole or another length.
  absl::Status FetchWeights(int64_t version, std::span<std::byte> bytes, absl::Duration timeout,
                            const std::string& run = "");

 private:
  struct Wire;  // keeps gRPC out of this header
  std::unique_ptr<Wire> wire_;
};

}  // namespace temper::learner
