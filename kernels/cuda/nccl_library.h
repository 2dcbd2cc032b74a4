// NCCL as far as broadcasts go: the one place that knows its API. It is loaded when first asked
// for, since a program that runs on one GPU needs none.
//
// An interface, since tests put a library of their own in its place.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/cuda/runtime.h"

namespace temper::kernels::cuda {

using NcclId = std::array<char, 128>;
using NcclGroup = void*;  // a communicator

// Of what was begun with a group.
struct NcclProgress {
  enum class State { kDone, kUnderWay, kFailed };
  State state = State::kDone;
  std::string words = {};  // why it failed
};

class NcclLibrary {
 public:
  virtual ~NcclLibrary() = default;
  virtual absl::StatusOr<NcclId> NewId() = 0;
  // Begins to join, with the current device. None of these waits: Ask() tells when it is done.
  virtual absl::StatusOr<NcclGroup> Join(const NcclId& id, int rank, int ranks) = 0;
  virtual NcclProgress Ask(NcclGroup group) = 0;
  // Begins to; what it asks of the stream is done in the stream's order.
  virtual NcclProgress Broadcast(NcclGroup group, void* data, int64_t bytes, int root,
                                 StreamHandle stream) = 0;
  // Leaves at once, with what is under way.
  virtual void Abort(NcclGroup group) = 0;
};

// The process's one. FAILED_PRECONDITION: the library is not there, or too old.
absl::StatusOr<NcclLibrary*> OpenNccl();

}  // namespace temper::kernels::cuda
