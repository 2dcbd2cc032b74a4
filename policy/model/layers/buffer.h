// Float memory that grows to the largest size asked for and is kept for the next call.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "kernels/view.h"

namespace temper::model {

class Buffer {
 public:
  // [rows, cols], 64-byte aligned, contents undefined; valid until a larger size is asked for.
  kernels::View<float> Matrix(int64_t rows, int64_t cols) {
    return kernels::View<float>(Floats(rows * cols), rows, cols);
  }
  float* Floats(int64_t count) {
    if (count > capacity_) Grow(count);
    return floats_.get();
  }
  // The first `count` floats of what was written last.
  const float* floats() const { return floats_.get(); }
  int64_t bytes() const { return capacity_ * static_cast<int64_t>(sizeof(float)); }

 private:
  struct Free {
    void operator()(float* floats) const { std::free(floats); }
  };
  void Grow(int64_t count);

  std::unique_ptr<float, Free> floats_;
  int64_t capacity_ = 0;
};

}  // namespace temper::model
