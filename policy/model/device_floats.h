// A float32 array for ops, which the host reads and fills now and then.
//
// Where the device shares the host's memory there is one array and the copies do nothing; elsewhere
// the host's side is made when it is first asked for.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "kernels/device.h"

namespace temper::model {

class DeviceFloats {
 public:
  // Zeros.
  DeviceFloats(kernels::Device& device, int64_t count)
      : DeviceFloats(device, count, device.Allocate(count * static_cast<int64_t>(sizeof(float)))) {}
  // Zeros at the start of this memory of the device.
  DeviceFloats(kernels::Device& device, int64_t count, kernels::Memory memory)
      : device_(device), count_(count), memory_(std::move(memory)) {
    Zero();
  }

  const kernels::Memory& memory() const { return memory_; }

  // For ops.
  std::span<float> device() const { return {memory_.as<float>(), static_cast<size_t>(count_)}; }
  // For the host: what was there at the last ToHost(), or what it writes before a ToDevice().
  std::span<float> host() {
    if (device_.shares_host_memory()) return device();
    host_.resize(static_cast<size_t>(count_));
    return host_;
  }
  void ToHost() {
    if (device_.shares_host_memory()) return;
    device_.Copy(host().data(), memory_.as<float>(), Bytes());
    device_.Finish();
  }
  void ToDevice() {
    if (device_.shares_host_memory()) return;
    device_.Copy(memory_.as<float>(), host().data(), Bytes());
    device_.Finish();
  }
  // What is there now, into memory of the host.
  void CopyTo(std::span<float> floats) {
    device_.Copy(floats.data(), memory_.as<float>(), Bytes());
    device_.Finish();
  }
  void Zero() { device_.Zero(memory_.as<float>(), Bytes()); }

 private:
  int64_t Bytes() const { return count_ * static_cast<int64_t>(sizeof(float)); }

  kernels::Device& device_;
  int64_t count_;
  kernels::Memory memory_;
  std::vector<float> host_;
};

}  // namespace temper::model
