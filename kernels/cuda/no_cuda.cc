// Stands in for the CUDA back end where it is not compiled in.
#include "kernels/collective.h"
#include "kernels/cuda/algorithms.h"
#include "kernels/cuda/cuda_device.h"

namespace temper::kernels {

absl::StatusOr<std::unique_ptr<Device>> OpenCudaDevice(int) {
  return absl::FailedPreconditionError(WhyNoCudaDevice());
}

absl::Status TuneProducts(int, std::span<const WeightSides>, const std::string&,
                          const std::function<void(const TunedProduct&)>&) {
  return absl::FailedPreconditionError(WhyNoCudaDevice());
}

absl::StatusOr<std::string> NewCollectiveId() {
  return absl::FailedPreconditionError(WhyNoCudaDevice());
}

absl::StatusOr<std::unique_ptr<Collective>> JoinCollective(Device&, std::string_view, int, int,
                                                           absl::Duration) {
  return absl::FailedPreconditionError(WhyNoCudaDevice());
}

std::string WhyNoCudaDevice() {
  return "this program was built without CUDA: configure with -DTEMPER_CUDA=ON where nvcc is (or "
         "preset cuda), or choose the device \"cpu\"";
}

}  // namespace temper::kernels
