// Two chunks in turn.
#include "policy/model/host_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace temper::model {

using kernels::Memory;
using kernels::Place;

void* HostStream::Fill(int64_t bytes) {
  TEMPER_CHECK(bytes > 0);
  Memory& chunk = chunks_[next_];
  if (chunk.bytes() < bytes) {
    chunk = Memory();
    chunk = device_.Allocate(std::max(bytes, kChunkBytes), Place::kHost);
  }
  filled_ = bytes;
  return chunk.as<void>();
}

void HostStream::Send(void* to) {
  TEMPER_CHECK(filled_ > 0);
  device_.Finish();  // the other chunk has arrived: it is free to be filled
  device_.Copy(to, chunks_[next_].as<void>(), std::exchange(filled_, 0));
  next_ = 1 - next_;
}

const void* HostStream::Near() {
  if (device_.shares_host_memory()) return chunks_[next_].as<void>();
  if (near_.bytes() < filled_) {
    device_.Finish();  // ops may still read there
    near_ = Memory();
    near_ = device_.Allocate(std::max(filled_, kChunkBytes));
  }
  Send(near_.as<void>());
  return near_.as<void>();
}

void HostStream::Copy(void* to, const void* from, int64_t bytes) {
  for (int64_t first = 0; first < bytes; first += kChunkBytes) {
    const int64_t part = std::min(kChunkBytes, bytes - first);
    std::memcpy(Fill(part), static_cast<const char*>(from) + first, static_cast<size_t>(part));
    Send(static_cast<char*>(to) + first);
  }
}

}  // namespace temper::model
