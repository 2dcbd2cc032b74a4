// Verifier "judge": a language model as judge (settings: JudgeOptions).
#pragma once

#include <memory>
#include <string>

#include "reward/remote/judge_model.h"
#include "reward/verifier.h"
#include "temper/v1/remote_verifiers.pb.h"

namespace temper::reward {

// Verdicts: "judged", "not_judged" (nothing to judge: score 0).
class JudgeVerifier : public Verifier {
 public:
  // INVALID_ARGUMENT names the field, "judge.mode: ...".
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::JudgeOptions& options, absl::Duration timeout);
  // For tests: any model.
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::JudgeOptions& options, std::unique_ptr<const JudgeModel> model);

  // A reply without a verdict is FAILED_PRECONDITION; INVALID_ARGUMENT: pairwise without a
  // reference.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  enum class Mode { kGrade, kPairwise, kYesNo };
  JudgeVerifier(const temper::v1::JudgeOptions& options, Mode mode, std::string form,
                std::unique_ptr<const JudgeModel> model);

  absl::StatusOr<Judgement> Grade(const Response& response, const std::string& text) const;
  absl::StatusOr<Judgement> Compare(const Response& response, const std::string& text) const;
  absl::StatusOr<double> AskWhichIsBetter(const Response& response, const std::string& first,
                                          const std::string& second) const;
  absl::StatusOr<Judgement> AskYesNo(const Response& response, const std::string& text) const;

  const Mode mode_;
  const std::string form_;
  const std::string principle_;
  const double low_;
  const double high_;
  const int tokens_max_;
  const std::unique_ptr<const JudgeModel> model_;
};

}  // namespace temper::reward
