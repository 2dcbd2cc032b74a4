// Messages on a local socket: four bytes of length, little-endian, then the bytes.
//
// The other end may be a process that hostile input has taken over: lengths are bounded, and a
// broken frame ends the connection. One thread an end.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace temper::reward {

inline constexpr size_t kFrameBytesMax = 64 << 20;

// Blocking; false when the other end is gone or the frame is too long.
bool SendFrame(int descriptor, std::string_view bytes);
// Blocking; empty at the end of the stream or for a frame that is too long.
std::optional<std::string> ReceiveFrame(int descriptor);

// The non-blocking end: bytes in pieces, frames out.
class FrameReader {
 public:
  // Reads what is there; false when the other end is gone or has sent a frame that is too long.
  bool ReadFrom(int descriptor);
  // The next whole frame; valid until the next call of either.
  std::optional<std::string_view> Next();

 private:
  std::string buffer_;
  size_t taken_ = 0;
};

class FrameWriter {
 public:
  void Add(std::string_view bytes);
  // Writes what goes; false when the other end is gone.
  bool WriteTo(int descriptor);
  bool empty() const { return sent_ == buffer_.size(); }

 private:
  std::string buffer_;
  size_t sent_ = 0;
};

}  // namespace temper::reward
