// The CPU's table of verbs.
#include "kernels/ops.h"

#include "kernels/cpu/ops_internal.h"

namespace temper::kernels {

const Ops& CpuOps() {
  static constexpr Ops kOps = {
      .backend = "cpu",
      .embed = cpu::Embed,
      .embed_backward = cpu::EmbedBackward,
      .rms_norm = cpu::RmsNorm,
      .rms_norm_backward = cpu::RmsNormBackward,
      .gated_norm = cpu::GatedNorm,
      .gated_norm_backward = cpu::GatedNormBackward,
      .pack_weight = cpu::PackWeight,
      .repack_weight = cpu::RepackWeight,
      .matmul = cpu::Matmul,
      .matmul_backward_input = cpu::MatmulBackwardInput,
      .matmul_backward_weight = cpu::MatmulBackwardWeight,
      .relu2 = cpu::Relu2,
      .relu2_backward = cpu::Relu2Backward,
      .conv_silu = cpu::ConvSilu,
      .conv_silu_backward = cpu::ConvSiluBackward,
      .ssm_scan = cpu::SsmScan,
      .ssm_scan_backward = cpu::SsmScanBackward,
      .attention = cpu::Attention,
      .attention_backward = cpu::AttentionBackward,
      .log_softmax = cpu::LogSoftmax,
      .target_log_prob = cpu::TargetLogProb,
      .target_log_prob_backward = cpu::TargetLogProbBackward,
      .sum_squares = cpu::SumSquares,
      .adamw = cpu::AdamW,
  };
  return kOps;
}

}  // namespace temper::kernels
