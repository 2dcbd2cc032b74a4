// Scores a whole file's worth of items in this process, in order, whatever their number.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "reward/scorer.h"

namespace temper::reward {

// `result` is called on the caller's thread, in the order of the items. INVALID_ARGUMENT as
// Scorer::Submit says, before anything is judged.
absl::Status ScoreAll(
    Scorer& scorer, const temper::v1::ScoreRequest& request,
    const std::function<void(int index, const temper::v1::ScoreResult& result)>& result);

}  // namespace temper::reward
