// Verifier "math": is the final answer of a response the gold answer, as mathematics?
#pragma once

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "reward/answer_extractor.h"
#include "reward/math/compare.h"
#include "reward/verifier.h"

namespace temper::reward {

// 1 when the extracted answer equals the gold one, else 0. Any thread.
class MathVerifier : public Verifier {
 public:
  MathVerifier(AnswerExtractor extractor, math::Policy policy)
      : extractor_(std::move(extractor)), policy_(policy) {}

  // INVALID_ARGUMENT when there is no gold answer to compare with. Several boxes offered together
  // ("\boxed{1} and \boxed{2}") are one list.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  const AnswerExtractor extractor_;
  const math::Policy policy_;
};

}  // namespace temper::reward
