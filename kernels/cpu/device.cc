// Opens the CPU as a device.
#include "kernels/device.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "hwy/targets.h"
#include "kernels/check.h"
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

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

void* AllocateAligned(int64_t bytes) {
  const size_t wanted = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  const size_t unit = wanted >= 2 * kHugePage ? kHugePage : kLine;
  const size_t rounded = (wanted + unit - 1) / unit * unit;
  void* const memory = std::aligned_alloc(unit, rounded);
  TEMPER_KERNEL_CHECK(memory != nullptr);
#if defined(__linux__)
  // A hint only: fewer page faults and TLB misses where the kernel grants it.
  if (unit == kHugePage) (void)madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  return memory;
}

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(int threads) : stream_(threads) {}
  const Ops& ops() const override { return CpuOps(); }
  Stream& stream() override { return stream_; }
  int threads() const override { return threads_; }
  bool shares_host_memory() const override { return true; }
  int64_t free_bytes() const override { return std::numeric_limits<int64_t>::max(); }
  Memory Allocate(int64_t bytes, Place place) override {
    return Memory(AllocateAligned(bytes), bytes, place,
                  [](void*, void* data, int64_t, Place) { std::free(data); });
  }
  void Copy(void* to, const void* from, int64_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
  }
  void Zero(void* at, int64_t bytes) override {
    if (bytes > 0) std::memset(at, 0, static_cast<size_t>(bytes));
  }
  void Finish() override {}
  void Digest(std::span<const DigestPiece> pieces, uint64_t* digests) override {
    stream_.pool().ParallelFor(static_cast<int64_t>(pieces.size()), [&](int64_t i) {
      digests[i] = DigestOfHostBytes(pieces[i].data, pieces[i].bytes);
    });
  }

 private:
  cpu::CpuStream stream_;
  const int threads_ = stream_.pool().size();
};

}  // namespace

std::unique_ptr<Device> OpenCpuDevice(int threads) {
  return std::make_unique<CpuDevice>(threads > 0 ? threads : CoresAllowed());
}

}  // namespace temper::kernels
