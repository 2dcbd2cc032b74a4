// Are two mathematical answers equal? The door of this folder.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "reward/math/comparer.h"
#include "reward/verifier.h"
#include "temper/v1/math_verifier.pb.h"

namespace temper::reward::math {

// INVALID_ARGUMENT names the field whose word is none of those it knows, or whose number is out of
// range.
absl::StatusOr<Policy> ReadPolicy(const temper::v1::MathOptions& options);

// Verdict "equal" (score 1), "not_equal" or "undecided" (0) with the reason; `details` holds
// {"proven": true} where the verdict is exact or certified, not only overwhelmingly likely.
// Undecided: the gold answer cannot be read, or a limit was met. The work is bounded by counted
// steps: the same inputs give the same judgement on every machine. Nothing in either text is ever
// run.
Judgement CompareMath(std::string_view gold, std::string_view answer, const Policy& policy);
Judgement CompareMath(std::string_view gold, std::string_view answer);

}  // namespace temper::reward::math
