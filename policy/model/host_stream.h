// Brings bytes of the host to a device through two pinned chunks: one travels while the next is
// filled, and no copy of the whole is made on the host.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/device.h"

namespace temper::model {

class HostStream {
 public:
  // A chunk; more where a caller asks for more at once.
  static constexpr int64_t kChunkBytes = int64_t{16} << 20;

  explicit HostStream(kernels::Device& device) : device_(device) {}
  // Waits for what travels.
  ~HostStream() { device_.Finish(); }
  HostStream(const HostStream&) = delete;
  HostStream& operator=(const HostStream&) = delete;

  // Where the next `bytes` are to be written, until the next Send(), Near() or Copy().
  void* Fill(int64_t bytes);
  // The bytes of the last Fill(), on their way to `to` on the device.
  void Send(void* to);
  // The bytes of the last Fill() where ops can read them, until the next call.
  const void* Near();
  // Any number of bytes.
  void Copy(void* to, const void* from, int64_t bytes);

 private:
  kernels::Device& device_;
  std::array<kernels::Memory, 2> chunks_;  // pinned
  int next_ = 0;                           // that is filled, or free; the other may travel
  int64_t filled_ = 0;
  kernels::Memory near_;
};

}  // namespace temper::model
