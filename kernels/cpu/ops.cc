// The CPU's table of verbs.
#include "kernels/ops.h"

#include "kernels/cpu/ops_internal.h"

namespace temper::kernels {

const Ops& CpuOps() {
  static constexpr Ops kOps = {
      .backend = "cpu",
      .embed = cpu::Embed,
      .embed_backward = cpu::EmbedBackward,
      .embed_bfloat16 = cpu::EmbedBFloat16,
      .rms_norm = cpu::RmsNorm,
      .rms_norm_backward = cpu::RmsNormBackward,
      .gated_norm = cpu::GatedNorm,
      .gated_norm_backward = cpu::GatedNormBackward,
      .make_packed = cpu::MakePacked,
      .pack_rows = cpu::PackRows,
      .pack_weight = cpu::PackWeight,
      .matmul = cpu::Matmul,
      .matmul_backward_input = cpu::MatmulBackwardInput,
      .matmul_backward_weight = cpu::MatmulBackwardWeight,
      .matmul_grouped = cpu::MatmulGrouped,
      .matmul_grouped_backward_input = cpu::MatmulGroupedBackwardInput,
      .matmul_grouped_backward_weight = cpu::MatmulGroupedBackwardWeight,
      .add_bias = cpu::AddBias,
      .bias_backward = cpu::BiasBackward,
      .relu2 = cpu::Relu2,
      .relu2_backward = cpu::Relu2Backward,
      .swiglu = cpu::Swiglu,
      .swiglu_backward = cpu::SwigluBackward,
      .route = cpu::Route,
      .route_backward = cpu::RouteBackward,
      .assign_slots = cpu::AssignSlots,
      .gather_rows = cpu::GatherRows,
      .gather_slots = cpu::GatherSlots,
      .combine_rows = cpu::CombineRows,
      .combine_rows_backward = cpu::CombineRowsBackward,
      .conv_silu = cpu::ConvSilu,
      .conv_silu_backward = cpu::ConvSiluBackward,
      .ssm_scan = cpu::SsmScan,
      .ssm_state_size = cpu::SizeOfSsmState,
      .ssm_scan_backward = cpu::SsmScanBackward,
      .rope = cpu::Rope,
      .attention = cpu::Attention,
      .store_tiles = cpu::StoreTiles,
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
