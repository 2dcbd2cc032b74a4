// Working memory of one thread inside one op: grows to the largest size asked for and is then
// reused.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "kernels/check.h"

namespace temper::kernels::cpu {

// Use as `static thread_local Scratch scratch;`, one a purpose.
class Scratch {
 public:
  // `floats` floats, 64-byte aligned, contents undefined; valid until the next call.
  float* Take(int64_t floats) {
    if (floats > size_) {
      memory_.reset();
      size_ = (floats + 15) / 16 * 16;
      memory_.reset(
          static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(size_) * sizeof(float))));
      TEMPER_KERNEL_CHECK(memory_ != nullptr);
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  std::unique_ptr<float, Free> memory_;
  int64_t size_ = 0;
};

inline int64_t RoundUpTo16(int64_t count) { return (count + 15) / 16 * 16; }

}  // namespace temper::kernels::cpu
