// What this process can do, as a worker says it when it registers.
#pragma once

#include <cstdint>

#include "temper/v1/run.pb.h"

namespace temper::cli {

// Physical memory, or what the process's control group allows if that is less.
int64_t MemoryBytesMax();

// runs_max: runs that it serves at once. The dtypes are those that every model of ours can compute
// with; a reward service computes with none and ignores them.
v1::Capabilities OwnCapabilities(int runs_max);

}  // namespace temper::cli
