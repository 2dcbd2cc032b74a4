// Refuses a malformed request before any work starts, with the field's path.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "reward/rubric.h"
#include "temper/v1/reward.pb.h"

namespace temper::reward {

// The largest item, in bytes of all its texts.
inline constexpr size_t kItemBytesMax = 32 << 20;

// INVALID_ARGUMENT, e.g. "items[3].metadata_json: ...". Any thread.
absl::Status CheckItem(const temper::v1::ScoreItem& item, int index, const Rubric& rubric);

// The rubric of a request whose every field is in order.
absl::StatusOr<std::shared_ptr<const Rubric>> CheckRequest(const temper::v1::ScoreRequest& request);

}  // namespace temper::reward
