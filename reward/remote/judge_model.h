// The model behind a judge, wherever it runs.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "temper/v1/remote_verifiers.pb.h"

namespace temper::reward {

class JudgeModel {
 public:
  virtual ~JudgeModel() = default;
  // The reply to one message of a user, decoded greedily.
  virtual absl::StatusOr<std::string> Reply(const std::string& message, int tokens_max) const = 0;
  // p(Yes) / (p(Yes) + p(No)) of the reply's first token. FAILED_PRECONDITION when the model gives
  // neither a share worth the name.
  virtual absl::StatusOr<double> YesShare(const std::string& message) const = 0;
};

// INVALID_ARGUMENT names the field below `field`, e.g. "judge.endpoint.url: ...". Dials lazily;
// `timeout` is that of each call. Any thread.
absl::StatusOr<std::unique_ptr<const JudgeModel>> MakeJudgeModel(
    const temper::v1::ModelEndpoint& endpoint, const std::string& field, absl::Duration timeout);

}  // namespace temper::reward
