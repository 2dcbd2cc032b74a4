// Is the response, or the answer in it, what the gold says: as text, as a number, as a pattern?
#pragma once

#include <gmpxx.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/answer_extractor.h"
#include "reward/verifier.h"

namespace temper::v1 {
class MatchOptions;
}

namespace temper::reward {

// Verifier "match": 1 when one of the golds matches, else 0. Golds are the gold answer, where it is
// not empty, and the strings of the metadata's "answers". Judged is the whole response without its
// thought, or what `extract` finds in it.
class MatchVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::MatchOptions& options, const std::string& extract,
      const std::string& marker);

  // INVALID_ARGUMENT without a gold, and for a gold that is no number or no pattern where it has to
  // be one.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  enum class Mode { kExact, kContains, kNumeric, kRegex };
  MatchVerifier() = default;
  // Nothing: undecided.
  absl::StatusOr<std::optional<bool>> MatchesGold(std::string_view said,
                                                  const std::string& gold) const;
  absl::StatusOr<std::optional<bool>> MatchesNumber(std::string_view said,
                                                    const std::string& gold) const;
  std::string Normalised(std::string_view text) const;

  Mode mode_ = Mode::kExact;
  bool ignore_case_ = false;
  bool normalise_blanks_ = true;
  bool partial_ = false;
  mpq_class tolerance_ = 0;
  mpq_class relative_tolerance_ = 0;
  std::optional<AnswerExtractor> extractor_;
};

}  // namespace temper::reward
