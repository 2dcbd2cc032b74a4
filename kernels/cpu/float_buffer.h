// Owns a block of floats, aligned for vectors and, when large, on 2 MB pages.
#pragma once

#include <cstdint>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "kernels/check.h"

namespace temper::kernels::cpu {

class FloatBuffer {
 public:
  FloatBuffer() = default;
  // `size` floats of unspecified value.
  explicit FloatBuffer(int64_t size) : size_(size) {
    if (size == 0) return;
    const size_t bytes = static_cast<size_t>(size) * sizeof(float);
    const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    data_ = static_cast<float*>(std::aligned_alloc(alignment, rounded));
    TEMPER_KERNEL_CHECK(data_ != nullptr);
#if defined(__linux__)
    // Advice only: without huge pages the walk over a large weight misses the TLB at every page.
    if (alignment == kHugePage) (void)madvise(data_, rounded, MADV_HUGEPAGE);
#endif
  }
  ~FloatBuffer() { std::free(data_); }
  FloatBuffer(FloatBuffer&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  FloatBuffer& operator=(FloatBuffer&& other) noexcept {
    if (this != &other) {
      std::free(data_);
      data_ = other.data_;
      size_ = other.size_;
      other.data_ = nullptr;
      other.size_ = 0;
    }
    return *this;
  }

  float* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;
  float* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace temper::kernels::cpu
