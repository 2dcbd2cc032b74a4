// GPUs, each of a process of its own, that pass memory to each other.
//
// One process asks for an id and tells it to the others by other means; all then join under it,
// each with a rank. Every call is made by all ranks, in the same order, and has a deadline: a rank
// that has died is an error, not a wait. After an error only leaving is left, which the destructor
// does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kernels/device.h"

namespace temper::kernels {

class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  // `bytes` of memory of each rank's device become those of rank `root`. Waits until they are.
  // DEADLINE_EXCEEDED; UNAVAILABLE: a rank or the way to it has failed.
  virtual absl::Status Broadcast(void* data, int64_t bytes, int root, absl::Duration limit) = 0;
};

// Bytes without meaning. FAILED_PRECONDITION: NCCL is not there, with what to do.
absl::StatusOr<std::string> NewCollectiveId();

// Waits until all have joined. `device`: a GPU, used by this rank's thread and outliving the
// result. INVALID_ARGUMENT: no such rank, or no such id. DEADLINE_EXCEEDED: some have not come.
absl::StatusOr<std::unique_ptr<Collective>> JoinCollective(Device& device, std::string_view id,
                                                           int rank, int ranks,
                                                           absl::Duration limit);

}  // namespace temper::kernels
