// Opens the CPU as a device.
#include "kernels/device.h"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "hwy/targets.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/ops.h"

namespace temper::kernels {

int CoresAllowed() {
#if defined(__linux__)
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return CPU_COUNT(&allowed);
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::string DescribeCpu() {
  const int64_t targets = hwy::SupportedTargets();
  if ((targets & HWY_AVX3) != 0) return "cpu avx512";
  if ((targets & HWY_AVX2) != 0) return "cpu avx2";
  return "cpu scalar";
}

namespace {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(int threads) : stream_(threads) {}
  const Ops& ops() const override { return CpuOps(); }
  Stream& stream() override { return stream_; }
  int threads() const override { return threads_; }

 private:
  cpu::CpuStream stream_;
  const int threads_ = stream_.pool().size();
};

}  // namespace

std::unique_ptr<Device> OpenCpuDevice(int threads) {
  return std::make_unique<CpuDevice>(threads > 0 ? threads : CoresAllowed());
}

}  // namespace temper::kernels
