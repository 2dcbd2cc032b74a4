// How much of a response was said before?
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "reward/verifier.h"

namespace temper::v1 {
class RepetitionOptions;
}

namespace temper::reward {

// Verifier "repetition": with N n-grams of words, D of them different, the repeated share is
// r = 1 - D / N, and score = 1 - max(0, r - free_share) / (1 - free_share). Fewer than two n-grams
// repeat nothing. Words are lower-cased runs between blanks, without punctuation at their ends;
// in scripts without blanks every character is a word. Verdict "equal" for a score of 1, else
// "repeated". Exact (no hashes are compared in place of words), O(length * log n).
class RepetitionVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::RepetitionOptions& options);

  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  RepetitionVerifier(size_t n, double free_share) : n_(n), free_share_(free_share) {}

  const size_t n_;
  const double free_share_;
};

}  // namespace temper::reward
