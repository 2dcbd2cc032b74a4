// A GPU as a device: its stream, its memory, its ops.
#include "kernels/cuda/cuda_device.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "kernels/cuda/algorithms_pinned.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/digest.h"
#include "kernels/cuda/memory_pool.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/shared_memory.h"
#include "kernels/cuda/step_graphs.h"
#include "kernels/ops.h"

namespace temper::kernels {

namespace {

// TEMPER_CUDA_GRAPHS=off: every kernel is launched by itself, which tools that look at kernels like
// better. The bits are the same.
bool GraphsAllowed() {
  const char* const wish = std::getenv("TEMPER_CUDA_GRAPHS");
  return wish == nullptr || std::string_view(wish) != "off";
}

class CudaDevice final : public Device {
 public:
  CudaDevice(int index, const cuda::DeviceTraits& traits) : index_(index), stream_(index) {
    stream_.set_multiprocessors(traits.multiprocessors);
  }
  const Ops& ops() const override { return cuda::CudaOps(); }
  Stream& stream() override { return stream_; }
  int threads() const override { return 1; }
  bool shares_host_memory() const override { return false; }
  int64_t free_bytes() const override {
    cuda::UseDevice(index_);
    return cuda::FreeBytes() + pool_.idle_bytes();
  }

  Memory Allocate(int64_t bytes, Place place) override {
    cuda::UseDevice(index_);
    const int64_t wanted = bytes > 0 ? bytes : 1;
    if (place == Place::kHost) {
      return Memory(cuda::AllocatePinned(wanted), bytes, place,
                    [](void*, void* data, int64_t, Place) { cuda::FreePinned(data); });
    }
    return Memory(
        pool_.Take(wanted), bytes, place,
        [](void* pool, void* data, int64_t given, Place) {
          static_cast<cuda::MemoryPool*>(pool)->Give(data, given > 0 ? given : 1);
        },
        &pool_);
  }
  void Copy(void* to, const void* from, int64_t bytes) override { stream_.Copy(to, from, bytes); }
  void Zero(void* at, int64_t bytes) override { stream_.Zero(at, bytes); }
  void Finish() override { stream_.Finish(); }
  bool repeats() const override { return graphs_allowed_; }
  void Repeat(absl::FunctionRef<void()> work) override {
    if (!graphs_allowed_) return work();
    cuda::UseDevice(index_);
    graphs_.Run(work);
  }
  RepeatCounts repeat_counts() const override { return graphs_.counts(); }

  void Digest(std::span<const DigestPiece> pieces, uint64_t* digests) override {
    cuda::Digest(stream_, pieces, digests);
  }
  Memory AllocateShared(int64_t bytes) override { return cuda::AllocateShared(index_, bytes); }
  absl::StatusOr<std::string> Share(const Memory& shared) const override {
    return cuda::Share(shared);
  }
  absl::StatusOr<Memory> OpenShared(std::string_view handle, int64_t bytes) override {
    return cuda::OpenShared(index_, handle, bytes);
  }

 private:
  const int index_;
  cuda::MemoryPool pool_;
  cuda::CudaStream stream_;  // ends before the memory does
  const bool graphs_allowed_ = GraphsAllowed();
  cuda::StepGraphs graphs_{stream_};
};

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> OpenCudaDevice(int index) {
  absl::StatusOr<cuda::DeviceTraits> traits = cuda::SelectDevice(index);
  if (!traits.ok()) return traits.status();
  if (absl::Status pinned = cuda::PinTunedAlgorithms(*traits); !pinned.ok()) return pinned;
  return std::make_unique<CudaDevice>(index, *traits);
}

std::string WhyNoCudaDevice() { return cuda::WhyNoDevice(); }

}  // namespace temper::kernels
