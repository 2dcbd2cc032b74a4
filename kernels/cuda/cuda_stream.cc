// Scratch and uploads: memory that is taken once and used again by every op.
#include "kernels/cuda/cuda_stream.h"

#include <algorithm>
#include <cstring>

namespace temper::kernels::cuda {

namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kScratchMin = int64_t{1} << 20;
constexpr int64_t kRingMin = int64_t{1} << 20;
constexpr int64_t kRingMax = int64_t{64} << 20;  // it grows beyond for a list that needs it

int64_t Aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

CudaStream::CudaStream(int device) : device_(device), handle_(CreateStream()) {}

CudaStream::~CudaStream() {
  FreeRetired();
  if (scratch_.memory != nullptr) FreeOnDevice(scratch_.memory);
  if (ring_.memory != nullptr) FreeOnDevice(ring_.memory);
  if (pinned_ != nullptr) FreePinned(pinned_);
  DestroyStream(handle_);
}

void CudaStream::FreeRetired() {
  Synchronize(handle_);
  for (char* memory : retired_) FreeOnDevice(memory);
  for (char* memory : retired_pinned_) FreePinned(memory);
  retired_.clear();
  retired_pinned_.clear();
}

void* CudaStream::ScratchBytes(int64_t bytes) {
  bytes = Aligned(std::max<int64_t>(bytes, 1));
  if (scratch_used_ + bytes > scratch_.bytes) {
    if (scratch_.memory != nullptr) retired_.push_back(scratch_.memory);
    scratch_.bytes = std::max({kScratchMin, 2 * scratch_.bytes, bytes});
    scratch_.memory = static_cast<char*>(AllocateOnDevice(scratch_.bytes));
    scratch_used_ = 0;
  }
  char* const memory = scratch_.memory + scratch_used_;
  scratch_used_ += bytes;
  return memory;
}

const void* CudaStream::UploadBytes(const void* values, int64_t bytes) {
  const int64_t room = Aligned(std::max<int64_t>(bytes, 1));
  const bool wraps = ring_next_ + room > ring_.bytes;
  const bool first = uploaded_by_op_ == 0;
  uploaded_by_op_ += room;
  // At the front may lie what this op has brought before: then a larger ring, the old one retired.
  if (room > ring_.bytes || (wraps && !first)) {
    if (ring_.memory != nullptr) {
      retired_.push_back(ring_.memory);
      retired_pinned_.push_back(pinned_);
    }
    ring_.bytes = std::max({kRingMin, 4 * uploaded_by_op_, std::min(2 * ring_.bytes, kRingMax)});
    pinned_ = static_cast<char*>(AllocatePinned(ring_.bytes));
    ring_.memory = static_cast<char*>(AllocateOnDevice(ring_.bytes));
    ring_next_ = 0;
  }
  if (wraps && first) {
    Synchronize(handle_);  // what lies at the front has been read; once in a ring of lists
    ring_next_ = 0;
  }
  if (bytes > 0) {
    std::memcpy(pinned_ + ring_next_, values, static_cast<size_t>(bytes));
    CopyAsync(handle_, ring_.memory + ring_next_, pinned_ + ring_next_, bytes);
  }
  const void* const place = ring_.memory + ring_next_;
  ring_next_ += room;
  return place;
}

}  // namespace temper::kernels::cuda
