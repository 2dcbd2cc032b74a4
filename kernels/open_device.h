// Opens a device by the name that specs and verbs give it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace temper::kernels {

struct DeviceChoice {
  // "cpu"; "cuda" or "cuda:0", "cuda:1", ...: that GPU; "auto": the CPU, until the CUDA back end has
  // been measured and checked on a GPU (docs/cuda.md).
  std::string name = "auto";
  int threads = 0;  // of a CPU; 0: one per core this process may use
};

// INVALID_ARGUMENT, with the names there are.
absl::Status CheckDeviceName(std::string_view name);

// The number of a GPU's name. INVALID_ARGUMENT: it is none's.
absl::StatusOr<int> GpuNumber(std::string_view name);

// Whether this process could open it; the device is not touched. FAILED_PRECONDITION: why not.
absl::Status CheckDeviceHere(std::string_view name);

// Errors as CheckDeviceName's and OpenCudaDevice's.
absl::StatusOr<std::unique_ptr<Device>> OpenDevice(const DeviceChoice& choice);

}  // namespace temper::kernels
