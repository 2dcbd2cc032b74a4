// CUDA's stream, with the memory that the op under way needs: scratch, and what it takes up from the
// host.
//
// What ops ask for is done at once, or, between BeginListing() and EndListing(), written down: which
// kernels with which arguments, while lists go to an area of their own where each has the place that
// it had the last time. step_graphs.h makes CUDA graphs of that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/device.h"

namespace temper::kernels::cuda {

class CudaStream final : public Stream {
 public:
  // Of device `device`, which is current on this thread.
  explicit CudaStream(int device = 0);
  ~CudaStream() override;

  StreamHandle handle() const { return handle_; }
  int multiprocessors() const { return multiprocessors_; }
  void set_multiprocessors(int count) { multiprocessors_ = count; }

  // Each op begins with it: scratch handed out before is taken back. Later kernels of the stream
  // may use the same memory, since they run in order.
  void BeginOp() {
    UseDevice(device_);
    scratch_used_ = 0;
    uploaded_by_op_ = 0;
    if (!retired_.empty()) FreeRetired();
  }
  // Device memory of unspecified contents, 256-byte aligned, of the op under way.
  template <class T>
  T* Scratch(int64_t count) {
    return static_cast<T*>(ScratchBytes(count * static_cast<int64_t>(sizeof(T))));
  }

  // A copy on the device, valid for the kernels of the op under way; the values may change at once.
  template <class T>
  const T* Upload(std::span<const T> values) {
    return static_cast<const T*>(
        UploadBytes(values.data(), static_cast<int64_t>(values.size_bytes())));
  }

  // An op that copies, zeroes or waits does it through these; not while it is listed.
  void Copy(void* to, const void* from, int64_t bytes);
  void Zero(void* at, int64_t bytes);
  void Finish();

  // ---- listing
  // Whether an op says with Note() what it is about to ask the device for, and whether it then asks.
  bool notes() const { return mode_ != Mode::kNow; }
  bool asks() const { return mode_ != Mode::kListing; }
  void Note(const void* bytes, size_t count) {
    noted_.append(static_cast<const char*>(bytes), count);
  }
  template <class T>
  void Note(const T& value) {
    Note(&value, sizeof(T));
  }

  // Waits until the lists before are on the device.
  void BeginListing();
  // All that was noted; false: the lists' area was too small, has grown, and all is to be listed
  // again.
  bool EndListing(std::string& noted);
  // Between the two, ops ask for what they note and their lists go to the same places.
  void BeginRecording();
  GraphHandle EndRecording(std::string& noted);
  // Brings the lists to the device that were listed last.
  void BringLists();

 private:
  enum class Mode { kNow, kListing, kRecording };
  struct Block {
    char* memory = nullptr;
    int64_t bytes = 0;
  };
  void* ScratchBytes(int64_t bytes);
  const void* UploadBytes(const void* values, int64_t bytes);
  const void* ListBytes(const void* values, int64_t bytes);
  void FreeRetired();

  const int device_;
  StreamHandle handle_ = nullptr;
  int multiprocessors_ = 1;

  Block scratch_;
  int64_t scratch_used_ = 0;

  // A ring of which both sides have the same places: written on the host, copied to the device.
  char* pinned_ = nullptr;
  Block ring_;
  int64_t ring_next_ = 0;
  int64_t uploaded_by_op_ = 0;

  // What was outgrown in the middle of an op, which may use it still.
  std::vector<char*> retired_, retired_pinned_;

  Mode mode_ = Mode::kNow;
  std::string noted_;
  // The lists of what is listed, from the front on; both sides have the same places.
  char* lists_pinned_ = nullptr;
  Block lists_;
  int64_t lists_used_ = 0;  // may be more than there is room for
  bool lists_under_way_ = false;
};

// The stream that OpenCudaDevice made; every op begins with it.
inline CudaStream& BeginOp(Stream& stream) {
  auto& cuda = static_cast<CudaStream&>(stream);
  cuda.BeginOp();
  return cuda;
}

}  // namespace temper::kernels::cuda
