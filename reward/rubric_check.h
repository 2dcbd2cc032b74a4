// The door for those who accept a rubric but do not judge by it: is it one, and what does it need?
#pragma once

#include "absl/status/status.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {

// INVALID_ARGUMENT with the field's path, "rubric.parts[1].verifier: ...". Any thread.
absl::Status CheckRubric(const temper::v1::Rubric& rubric);

// Whether some part cannot judge a problem without a gold answer, whatever its task.
bool NeedsAnswers(const temper::v1::Rubric& rubric);

}  // namespace temper::reward
