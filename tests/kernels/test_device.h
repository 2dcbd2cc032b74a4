// The device of tests that say nothing about devices: the CPU, or, where they are built once more for
// the emulated CUDA back end (tests/kernels/cuda), that. Its memory is the host's either way.
#pragma once

#include <cstdlib>
#include <memory>

#include "gtest/gtest.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device.h"

namespace temper::kernels {

inline std::unique_ptr<Device> OpenTestDevice(int threads) {
#ifdef TEMPER_TEST_ON_CUDA
  setenv("TEMPER_CUDA_ALGORITHMS", "", 1);  // no table of this machine
  absl::StatusOr<std::unique_ptr<Device>> device = OpenCudaDevice(0);
  EXPECT_TRUE(device.ok()) << device.status();
  return *std::move(device);
#else
  return OpenCpuDevice(threads);
#endif
}

// Its name, for what opens its device itself.
inline const char* TestDeviceName() {
#ifdef TEMPER_TEST_ON_CUDA
  setenv("TEMPER_CUDA_ALGORITHMS", "", 1);
  return "cuda:0";
#else
  return "cpu";
#endif
}

// How often a random test goes round: an emulated GPU takes seconds for what a CPU does at once.
constexpr int Rounds(int usual, int on_emulated_gpu) {
#ifdef TEMPER_TEST_ON_CUDA
  return on_emulated_gpu;
#else
  return usual;
#endif
}

}  // namespace temper::kernels
