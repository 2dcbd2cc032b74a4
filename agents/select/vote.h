// Select by vote: the answer that most candidates give wins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/select/decision.h"

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

}  // namespace temper::agents
