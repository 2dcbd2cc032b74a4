// Shares independent items among threads that live for this one call.
//
// For loading and drawing, whose items take milliseconds; the ops of a model have kernels' pool.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace temper {

// Calls item(i) once for each i in [0, count), in any order, on at most `threads_max` threads
// (never more than there are cores or items), the caller's among them; returns when all are done.
void ForEachInParallel(int64_t count, int64_t threads_max, absl::FunctionRef<void(int64_t)> item);

}  // namespace temper
