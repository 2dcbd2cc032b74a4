// Does the final answer say what the gold answer says?
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "reward/answer_extractor.h"
#include "reward/verifier.h"

namespace temper::reward {

// Two numbers are compared exactly, as fractions: 0432 = 432, 1,000 = 1000.0, 0.5 = 1/2, and 0.33
// is not 1/3. Anything else is compared as text, byte by byte after normalisation. `gold` may be a
// worked solution that ends in "#### 72" or a box. Undecided when the gold is longer than
// kNumberBytesMax. Any thread.
Judgement CompareAnswers(std::string_view gold, std::string_view answer);

// Verifier "answer": 1 when the extracted answer equals the gold one, else 0.
class AnswerVerifier : public Verifier {
 public:
  explicit AnswerVerifier(AnswerExtractor extractor) : extractor_(std::move(extractor)) {}

  // INVALID_ARGUMENT when there is no gold answer to compare with.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  const AnswerExtractor extractor_;
};

}  // namespace temper::reward
