// Verifier "reward_model": a model with a scalar head, served by a rollout worker.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "reward/verifier.h"
#include "temper/v1/remote_verifiers.pb.h"

namespace temper::rollout {
class RolloutClient;
}

namespace temper::reward {

// Verdict "judged"; details: {"value": the head's number}. The conversation with the response,
// thinking removed, is measured. Any thread.
class RewardModelVerifier : public Verifier {
 public:
  // INVALID_ARGUMENT names the field, "reward_model.scale: ...". Dials lazily.
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::RewardModelOptions& options, absl::Duration timeout);
  ~RewardModelVerifier() override;

  // FAILED_PRECONDITION when the worker's model has no reward head.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  RewardModelVerifier(const temper::v1::RewardModelOptions& options, absl::Duration timeout);
  double Scaled(double value) const;

  const temper::v1::RewardModelOptions options_;
  const absl::Duration timeout_;
  const std::unique_ptr<rollout::RolloutClient> client_;
};

}  // namespace temper::reward
