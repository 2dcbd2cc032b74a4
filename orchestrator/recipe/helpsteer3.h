// Records of the HelpSteer3 dataset (CC-BY-4.0) as lines that runs train on.
//
// Pure: what a record becomes depends on it and the turns alone. The dataset's tables and keys, as
// its card has them: feedback {context, response1, response2, feedback1, feedback2}, edit {context,
// original_response, edited_response, feedback}, edit_quality {context, original_response,
// good_edited_response, bad_edited_response, feedback}. The training is that of arXiv 2503.04378.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::recipe {

// What the user says last: after an answer, to have it judged, or to have it written again.
struct Turns {
  std::string feedback;
  std::string edit;  // "{feedback}" marks the place of the comments
};
// Of feedback_turn.txt and edit_turn.txt in `folder`, without the newline at their ends.
absl::StatusOr<Turns> ReadTurns(const std::string& folder);

using Json = nlohmann::ordered_json;
using Lines = std::vector<Json>;

// All of them: INVALID_ARGUMENT names the key, what was found and what was expected.

// {"messages", "response"}: both responses, each with one comment of its reviewers, taken in turn
// by `number` (of the record), or with all.
absl::StatusOr<Lines> FeedbackLines(const Json& record, const Turns& turns, int64_t number,
                                    bool all);
// {"messages", "response"}: one line for each order of the comments, so that none matters.
absl::StatusOr<Lines> EditLines(const Json& record, const Turns& turns);
// {"messages"}: what the edit model is asked, with the comments in their order.
absl::StatusOr<Lines> EditPromptLines(const Json& record, const Turns& turns);
// {"messages", "chosen", "rejected": [...]}: the good edit against the bad one and against no edit.
// What equals the good edit is left out; nothing remains of a record where both do.
absl::StatusOr<Lines> EditPairLines(const Json& record, const Turns& turns);

// Calls `each` for the records of a JSON-lines file, gzip or not; what is wrong is said with
// "<path>:<line>: ".
absl::Status ForEachRecord(
    const std::string& path,
    absl::FunctionRef<absl::Status(const Json& record, int64_t number)> each);

// The file of one part of a table as it is published, DIR/edit/train.jsonl.gz, unpacked, or as
// DIR/edit.jsonl. NOT_FOUND names all that were looked for.
absl::StatusOr<std::string> FindTable(const std::string& folder, const std::string& table,
                                      const std::string& split);

}  // namespace temper::recipe
