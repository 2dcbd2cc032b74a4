// The lines of `temper verify`: problems and responses in, verdicts out.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "temper/v1/reward.pb.h"

namespace temper::cli {

// {"gold", "answer" | "response"} for verifiers that compare with a gold answer, {"response" |
// "code", ...} for others; every other key goes to the verifier as metadata. Numbers are taken as
// they are written. Errors begin with `place`.
absl::StatusOr<temper::v1::ScoreItem> ParseVerifyLine(std::string_view text,
                                                      const std::string& place, bool needs_gold);

// {"verdict", "score", "reason", "details"}: one line of JSON without its end. Our own failure is
// "internal_error" and a problem that cannot be judged "invalid", both without a score.
std::string ToVerifyLine(const temper::v1::ScoreResult& result);

// The verdict of such a line.
std::string VerdictOf(const temper::v1::ScoreResult& result);

}  // namespace temper::cli
