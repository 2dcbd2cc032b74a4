// Select by vote: the answer that most candidates give wins.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/select/decision.h"

namespace re2 {
class RE2;
}

namespace temper::agents {

// Each candidate votes with its answer: a text, or the key that was read from it; texts are the
// same when NormalText (normal_text.h) makes them the same. A candidate without an answer, or with
// one that is empty then, does not vote and is out. The first candidate of an answer stands for it:
// with keep k the k most frequent answers are kept, each by its first candidate; the others of the
// same answer rank behind all that stand for one. Equal counts go to the earlier lineage and are
// flagged. scores: votes for the candidate's answer. INVALID_ARGUMENT: no candidates, keep below 1.
// FAILED_PRECONDITION: nobody votes.
absl::StatusOr<Decision> ChooseByVote(const std::vector<std::optional<std::string>>& answers,
                                      int keep);

// How a candidate's answer is read from its text, where the whole text is not the answer.
class AnswerPattern {
 public:
  // An RE2 pattern with exactly one group. INVALID_ARGUMENT: not such a pattern.
  static absl::StatusOr<AnswerPattern> Create(const std::string& pattern);
  // The group of the last match behind the thinking; nothing where there is no match.
  std::optional<std::string> Read(std::string_view text) const;

 private:
  explicit AnswerPattern(std::shared_ptr<const re2::RE2> pattern) : pattern_(std::move(pattern)) {}
  std::shared_ptr<const re2::RE2> pattern_;
};

}  // namespace temper::agents
