// Are the passages that were given cited, and none that were not?
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/verifier.h"

namespace temper::v1 {
class CitationOptions;
}

namespace temper::reward {

// Verifier "citation": 1 when every [id] is one of a passage that was given, enough different ones
// are cited, and what is quoted right before a citation stands in a passage that it cites; else 0.
// Passages stand in the metadata ("passages" or "documents"): a list of objects with "id" and
// "text", an object from ids to texts, or a list of texts, which are numbered from 1.
class CitationVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::CitationOptions& options);

  // INVALID_ARGUMENT without passages, for ids that are given twice, and for ids that could not be
  // cited.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  CitationVerifier() = default;

  int min_ = 1;
  bool check_quotes_ = true;
  bool require_quote_ = false;
};

}  // namespace temper::reward
