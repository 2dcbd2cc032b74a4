// The waits of this process in the words of the wire.
#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "temper/v1/run.pb.h"

namespace temper {

enum class IdleWaits { kLeaveOut, kTell };

// Adds the waits that are at least so old, the oldest first. Their owner is "`process` thread",
// e.g. "rollout-2 engine".
void AddWaits(std::string_view process, absl::Duration older_than,
              google::protobuf::RepeatedPtrField<temper::v1::Wait>& waits,
              IdleWaits idle = IdleWaits::kLeaveOut);

}  // namespace temper
