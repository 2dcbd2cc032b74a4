// The GPU's table of verbs.
#include "kernels/ops.h"

#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

const Ops& CudaOps() {
  static const Ops kOps = [] {
    Ops ops{};
    ops.backend = "cuda";
    AddEmbeddingOps(ops);
    AddNormOps(ops);
    AddWeightOps(ops);
    AddMatmulOps(ops);
    AddBiasOps(ops);
    AddActivationOps(ops);
    AddRouterOps(ops);
    AddSlotOps(ops);
    AddExpertOps(ops);
    AddConvOps(ops);
    AddSsmOps(ops);
    AddSsmBackwardOps(ops);
    AddRopeOps(ops);
    AddAttentionOps(ops);
    AddAttentionBackwardOps(ops);
    AddLogSoftmaxOps(ops);
    AddSampleOps(ops);
    AddOptimizerOps(ops);
    return ops;
  }();
  return kOps;
}

}  // namespace temper::kernels::cuda
