// Is the response as long as it may be?
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "reward/verifier.h"

namespace temper::v1 {
class LengthOptions;
}

namespace temper::reward {

// Verifier "length": 1 within the bounds, 0 outside. With a buffer the score falls on the way to
// max: score = clip((max - length) / buffer, 0, 1), which is 1 + DAPO's soft overlong punishment
// (arXiv 2503.14476, equation 13). A response that was cut off before it had made all its tokens
// was cut off by us: verdict "masked", score 1.
class LengthVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::LengthOptions& options);

  // FAILED_PRECONDITION when tokens are counted and nobody said how many there are.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  enum class Unit { kTokens, kWords, kCharacters };
  LengthVerifier() = default;

  Unit unit_ = Unit::kTokens;
  const char* unit_name_ = "tokens";
  int64_t min_ = 0;
  int64_t max_ = 0;  // 0: the most that the response could have
  int64_t buffer_ = 0;
};

}  // namespace temper::reward
