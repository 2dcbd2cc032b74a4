// What tests of the CUDA back end share. The same tests are linked twice: with the emulator, where
// they run everywhere, and with CUDA, where they run on a GPU and are skipped without one.
//
// Most compare with the CPU's ops, which have their own tests against float64.
#pragma once

#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/cuda/cuda_device.h"
#include "tests/kernels/oracle.h"

namespace temper::kernels {

// In the emulator: threads of a block take their turns from the last to the first. On a GPU: nothing.
void TakeTurnsBackwards(bool backwards);

class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TEMPER_CUDA_ALGORITHMS", "", 1);  // no table of this machine
    absl::StatusOr<std::unique_ptr<Device>> opened = OpenCudaDevice(0);
    if (!opened.ok()) GTEST_SKIP() << "skipped: no GPU: " << opened.status().message();
    device_ = *std::move(opened);
  }
  void TearDown() override { TakeTurnsBackwards(false); }

  const Ops& cpu() { return cpu_->ops(); }
  Stream& cpu_stream() { return cpu_->stream(); }
  const Ops& cuda() { return device_->ops(); }
  Stream& cuda_stream() { return device_->stream(); }
  Device& device() { return *device_; }

  // Memory that the device's ops take, with these contents; it lives as long as the test.
  View<float> Put(const oracle::Matrix& matrix) {
    const int64_t floats = static_cast<int64_t>(matrix.values.size());
    return View<float>(Put(matrix.values.data(), floats), matrix.rows, matrix.cols, matrix.stride);
  }
  float* Put(const std::vector<float>& values) {
    return Put(values.data(), static_cast<int64_t>(values.size()));
  }
  template <class T>
  T* Put(const T* values, int64_t count) {
    Memory& memory = memory_.emplace_back(
        device_->Allocate(count * static_cast<int64_t>(sizeof(T)), Place::kHost));
    std::copy_n(values, count, memory.as<T>());
    return memory.as<T>();
  }
  // A packed matrix, and floats, of NaN: what an op has not written shows.
  View<float> Empty(int64_t rows, int64_t cols) {
    return View<float>(Empty(rows * cols), rows, cols);
  }
  float* Empty(int64_t count) { return Put(std::vector<float>(count, NAN)); }

  // What the device has made of it.
  oracle::Matrix Get(View<const float> view) {
    device_->Finish();
    oracle::Matrix got(view.rows, view.cols);
    for (int64_t i = 0; i < view.rows; ++i) std::copy_n(view.row(i), view.cols, got.row(i));
    return got;
  }
  template <class T>
  std::vector<T> Get(const T* values, int64_t count) {
    device_->Finish();
    return std::vector<T>(values, values + count);
  }

  // Runs `work` twice, with turns in either order; it returns all that it computed, which must have
  // the same bits.
  std::vector<oracle::Matrix> TwiceTheSame(
      const std::function<std::vector<oracle::Matrix>()>& work) {
    TakeTurnsBackwards(false);
    std::vector<oracle::Matrix> first = work();
    TakeTurnsBackwards(true);
    const std::vector<oracle::Matrix> second = work();
    TakeTurnsBackwards(false);
    EXPECT_EQ(first.size(), second.size());
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_TRUE(oracle::SameBits(first[i], second[i])) << "result " << i;
    }
    return first;
  }

 private:
  std::unique_ptr<Device> device_;
  std::unique_ptr<Device> cpu_ = OpenCpuDevice(2);
  std::deque<Memory> memory_;
};

// max |got - want| / (|want| + the largest |want|); infinity where `got` is not finite.
inline double Difference(const oracle::Matrix& got, const oracle::Matrix& want) {
  std::vector<double> exact;
  for (int64_t i = 0; i < want.rows; ++i) {
    exact.insert(exact.end(), want.row(i), want.row(i) + want.cols);
  }
  return oracle::RelativeError(got, exact);
}

}  // namespace temper::kernels
