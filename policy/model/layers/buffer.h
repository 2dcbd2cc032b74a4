// Float memory of a device that grows to the largest size asked for and is kept for the next call.
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
  float* Floats(int64_t count) {
    if (count * kFloat > memory_.bytes()) {
      memory_ = kernels::Memory();  // first: the old and the new need not fit together
      memory_ = device_->Allocate(count * kFloat, place_);
    }
    return memory_.as<float>();
  }
  int64_t bytes() const { return memory_.bytes(); }

 private:
  static constexpr int64_t kFloat = sizeof(float);
  kernels::Device* device_;
  kernels::Place place_;
  kernels::Memory memory_;
};

}  // namespace temper::model
