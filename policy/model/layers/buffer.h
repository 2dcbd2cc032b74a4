// Memory of a device that grows to the largest size asked for and is kept for the next call.
#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "kernels/view.h"

namespace temper::model {

class Buffer {
 public:
  explicit Buffer(kernels::Device& device, kernels::Place place = kernels::Place::kDevice)
      : device_(&device), place_(place) {}

  // [rows, cols], 64-byte aligned, contents undefined; valid until a larger size is asked for.
  kernels::View<float> Matrix(int64_t rows, int64_t cols) {
    return kernels::View<float>(Floats(rows * cols), rows, cols);
  }
  float* Floats(int64_t count) { return Values<float>(count); }
  int32_t* Integers(int64_t count) { return Values<int32_t>(count); }
  int64_t bytes() const { return memory_.bytes(); }

 private:
  template <class T>
  T* Values(int64_t count) {
    const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
    if (bytes > memory_.bytes()) {
      memory_ = kernels::Memory();  // first: the old and the new need not fit together
      memory_ = device_->Allocate(bytes, place_);
    }
    return memory_.as<T>();
  }

  kernels::Device* device_;
  kernels::Place place_;
  kernels::Memory memory_;
};

}  // namespace temper::model
