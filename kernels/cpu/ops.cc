// The CPU's table of verbs.
#include "kernels/ops.h"

#include "kernels/cpu/ops_internal.h"

namespace temper::kernels {

const Ops& CpuOps() {
  static constexpr Ops kOps = {
      .backend = "cpu",
  };
  return kOps;
}

}  // namespace temper::kernels
