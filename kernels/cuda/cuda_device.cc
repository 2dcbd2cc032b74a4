// A GPU as a device: its stream, its memory, its ops.
#include "kernels/cuda/cuda_device.h"

#include <utility>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/ops.h"

namespace temper::kernels {

namespace {

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const cuda::DeviceTraits& traits) {
    stream_.set_multiprocessors(traits.multiprocessors);
  }
  const Ops& ops() const override { return cuda::CudaOps(); }
  Stream& stream() override { return stream_; }
  int threads() const override { return 1; }
  bool shares_host_memory() const override { return false; }
  int64_t free_bytes() const override { return cuda::FreeBytes(); }

  Memory Allocate(int64_t bytes, Place place) override {
    const int64_t wanted = bytes > 0 ? bytes : 1;
    void* const memory = place == Place::kHost ? cuda::AllocatePinned(wanted)
                                               : cuda::AllocateOnDevice(wanted);
    return Memory(memory, bytes, place, [](void* data, Place at) {
      at == Place::kHost ? cuda::FreePinned(data) : cuda::FreeOnDevice(data);
    });
  }
  void Copy(void* to, const void* from, int64_t bytes) override {
    cuda::CopyAsync(stream_.handle(), to, from, bytes);
  }
  void Zero(void* at, int64_t bytes) override { cuda::ZeroAsync(stream_.handle(), at, bytes); }
  void Finish() override { stream_.Finish(); }

 private:
  cuda::CudaStream stream_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> OpenCudaDevice(int index) {
  absl::StatusOr<cuda::DeviceTraits> traits = cuda::SelectDevice(index);
  if (!traits.ok()) return traits.status();
  return std::make_unique<CudaDevice>(*traits);
}

std::string WhyNoCudaDevice() { return cuda::WhyNoDevice(); }

}  // namespace temper::kernels
