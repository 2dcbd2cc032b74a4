// Scratch and uploads: memory that is taken once and used again by every op.
#include "kernels/cuda/cuda_stream.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/check.h"

namespace temper::kernels::cuda {

namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kScratchMin = int64_t{1} << 20;
constexpr int64_t kRingMin = int64_t{1} << 20;
constexpr int64_t kRingMax = int64_t{64} << 20;  // it grows beyond for a list that needs it
constexpr int64_t kListsMin = int64_t{1} << 20;

int64_t Aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Of a list in the area of listed ones: a power of two, so that lists that grow a little keep their
// own place and those of the lists after them.
int64_t ListRoom(int64_t bytes) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(bytes, kAlignment))));
}

}  // namespace

CudaStream::CudaStream(int device) : device_(device), handle_(CreateStream()) {}

CudaStream::~CudaStream() {
  FreeRetired();
  if (scratch_.memory != nullptr) FreeOnDevice(scratch_.memory);
  if (ring_.memory != nullptr) FreeOnDevice(ring_.memory);
  if (pinned_ != nullptr) FreePinned(pinned_);
  if (lists_.memory != nullptr) FreeOnDevice(lists_.memory);
  if (lists_pinned_ != nullptr) FreePinned(lists_pinned_);
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

void CudaStream::Copy(void* to, const void* from, int64_t bytes) {
  TEMPER_KERNEL_CHECK(!notes());
  UseDevice(device_);
  CopyAsync(handle_, to, from, bytes);
}

void CudaStream::Zero(void* at, int64_t bytes) {
  TEMPER_KERNEL_CHECK(!notes());
  UseDevice(device_);
  ZeroAsync(handle_, at, bytes);
}

void CudaStream::Finish() {
  TEMPER_KERNEL_CHECK(!notes());
  Synchronize(handle_);
  lists_under_way_ = false;
}

const void* CudaStream::UploadBytes(const void* values, int64_t bytes) {
  if (notes()) return ListBytes(values, bytes);
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

const void* CudaStream::ListBytes(const void* values, int64_t bytes) {
  const int64_t at = lists_used_;
  lists_used_ += ListRoom(bytes);
  if (lists_used_ > lists_.bytes) return nullptr;  // EndListing() sees to it
  if (bytes > 0) std::memcpy(lists_pinned_ + at, values, static_cast<size_t>(bytes));
  return lists_.memory + at;
}

void CudaStream::BeginListing() {
  TEMPER_KERNEL_CHECK(mode_ == Mode::kNow);
  if (lists_under_way_) Finish();
  noted_.clear();
  lists_used_ = 0;
  mode_ = Mode::kListing;
}

bool CudaStream::EndListing(std::string& noted) {
  TEMPER_KERNEL_CHECK(mode_ == Mode::kListing);
  mode_ = Mode::kNow;
  if (lists_used_ > lists_.bytes) {
    Finish();
    if (lists_.memory != nullptr) {
      FreeOnDevice(lists_.memory);
      FreePinned(lists_pinned_);
    }
    lists_.bytes = std::max(kListsMin, 2 * lists_used_);
    lists_.memory = static_cast<char*>(AllocateOnDevice(lists_.bytes));
    lists_pinned_ = static_cast<char*>(AllocatePinned(lists_.bytes));
    return false;
  }
  noted.swap(noted_);
  return true;
}

void CudaStream::BeginRecording() {
  TEMPER_KERNEL_CHECK(mode_ == Mode::kNow);
  if (!retired_.empty()) FreeRetired();  // which cannot be done in the midst of it
  noted_.clear();
  lists_used_ = 0;
  mode_ = Mode::kRecording;
  BeginCapture(handle_);
}

GraphHandle CudaStream::EndRecording(std::string& noted) {
  TEMPER_KERNEL_CHECK(mode_ == Mode::kRecording && lists_used_ <= lists_.bytes);
  mode_ = Mode::kNow;
  noted.swap(noted_);
  return EndCapture(handle_);
}

void CudaStream::BringLists() {
  CopyAsync(handle_, lists_.memory, lists_pinned_, lists_used_);
  lists_under_way_ = true;
}

}  // namespace temper::kernels::cuda
