// Built where NCCL's header is not.
#include "kernels/cuda/nccl_library.h"

namespace temper::kernels::cuda {

absl::StatusOr<NcclLibrary*> OpenNccl() {
  return absl::FailedPreconditionError(
      "this program was built without NCCL: configure where nccl.h is beside CUDA's headers");
}

}  // namespace temper::kernels::cuda
