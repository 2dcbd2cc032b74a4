// Which file of the CUDA back end fills which verbs of kernels/ops.h, where shapes and meaning stand.
#pragma once

#include "kernels/ops.h"

namespace temper::kernels::cuda {

const Ops& CudaOps();

void AddEmbeddingOps(Ops& ops);    // embed, embed_backward, embed_bfloat16
void AddNormOps(Ops& ops);         // rms_norm, gated_norm and their backward
void AddWeightOps(Ops& ops);       // make_packed, pack_rows, pack_weight
void AddMatmulOps(Ops& ops);       // matmul, matmul_grouped and their backward
void AddBiasOps(Ops& ops);         // add_bias, bias_backward
void AddActivationOps(Ops& ops);   // relu2, swiglu and their backward
void AddRouterOps(Ops& ops);       // route, route_backward
void AddSlotOps(Ops& ops);         // assign_slots
void AddExpertOps(Ops& ops);       // gather_rows, gather_slots, combine_rows and its backward
void AddConvOps(Ops& ops);         // conv_silu, conv_silu_backward
void AddSsmOps(Ops& ops);          // ssm_scan, ssm_state_floats
void AddSsmBackwardOps(Ops& ops);  // ssm_scan_backward
void AddRopeOps(Ops& ops);         // rope
void AddAttentionOps(Ops& ops);    // attention, store_tiles
void AddAttentionBackwardOps(Ops& ops);
void AddLogSoftmaxOps(Ops& ops);  // log_softmax, target_log_prob and its backward
void AddSampleOps(Ops& ops);      // sample
void AddOptimizerOps(Ops& ops);   // sum_squares, adamw

}  // namespace temper::kernels::cuda
