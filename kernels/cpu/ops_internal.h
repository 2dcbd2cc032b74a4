// Declares the CPU's version of every verb in kernels/ops.h, where shapes and meaning are given.
#pragma once

#include "kernels/ops.h"

namespace temper::kernels::cpu {

// ---- embedding.cc
void Embed(Stream& stream, std::span<const int32_t> tokens, View<const float> table, View<float> y);
void EmbedBackward(Stream& stream, std::span<const int32_t> tokens, View<const float> dy,
                   View<float> table_gradient);
void EmbedBFloat16(Stream& stream, std::span<const int32_t> tokens, View<const uint16_t> table,
                   View<float> y);

// ---- norm.cc
void RmsNorm(Stream& stream, View<const float> x, const float* gain, float epsilon, View<float> y,
             float* rstd);
void RmsNormBackward(Stream& stream, View<const float> x, const float* gain, const float* rstd,
                     View<const float> dy, View<float> dx, float* gain_gradient);
void GatedNorm(Stream& stream, View<const float> y, View<const float> z, const float* gain,
               int64_t groups, float epsilon, View<float> out, float* rstd);
void GatedNormBackward(Stream& stream, View<const float> y, View<const float> z, const float* gain,
                       int64_t groups, const float* rstd, View<const float> dout, View<float> dy_in,
                       View<float> dz, float* gain_gradient);

// ---- panels.cc
std::unique_ptr<PackedWeight> MakePacked(Stream& stream, int64_t out, int64_t in,
                                         PackOptions options);
void PackRows(Stream& stream, int64_t first_row, View<const float> rows, PackedWeight& packed);
std::unique_ptr<PackedWeight> PackWeight(Stream& stream, View<const float> weight,
                                         PackOptions options);
// ---- gemm.cc
void Matmul(Stream& stream, View<const float> x, const PackedWeight& weight, View<float> y,
            Write write);
void MatmulBackwardInput(Stream& stream, View<const float> dy, const PackedWeight& weight,
                         View<float> dx, Write write);
void MatmulGrouped(Stream& stream, View<const float> x,
                   std::span<const PackedWeight* const> weights, const int32_t* first,
                   View<float> y);
void MatmulGroupedBackwardInput(Stream& stream, View<const float> dy,
                                std::span<const PackedWeight* const> weights, const int32_t* first,
                                View<float> dx);
// ---- gemm_backward_weight.cc
void MatmulBackwardWeight(Stream& stream, View<const float> x, View<const float> dy, Dtype dtype,
                          View<float> weight_gradient);
void MatmulGroupedBackwardWeight(Stream& stream, View<const float> x, View<const float> dy,
                                 const int32_t* first, Dtype dtype,
                                 std::span<float* const> gradients);

// ---- bias.cc
void AddBias(Stream& stream, const float* bias, View<float> y);
void BiasBackward(Stream& stream, View<const float> dy, float* bias_gradient);

// ---- activation.cc
void Relu2(Stream& stream, View<const float> x, View<float> y);
void Relu2Backward(Stream& stream, View<const float> x, View<const float> dy, View<float> dx);
void Swiglu(Stream& stream, View<const float> gate, View<const float> up, View<float> y);
void SwigluBackward(Stream& stream, View<const float> gate, View<const float> up,
                    View<const float> dy, View<float> d_gate, View<float> d_up);

// ---- router.cc
void Route(Stream& stream, const RouterShape& shape, View<const float> logits,
           const float* correction, View<float> score, int32_t* chosen, View<float> weight);
void RouteBackward(Stream& stream, const RouterShape& shape, View<const float> score,
                   const int32_t* chosen, View<const float> d_weight, View<float> d_logits);

// ---- slots.cc
void AssignSlots(Stream& stream, const RouterShape& shape, int64_t tokens, const int32_t* chosen,
                 const SlotLists& lists);

// ---- experts.cc
void GatherRows(Stream& stream, View<const float> x, std::span<const int32_t> rows, View<float> y);
void GatherSlots(Stream& stream, View<const float> x, const int32_t* rows, View<float> y);
void CombineRows(Stream& stream, View<const float> x, const int32_t* slots, int64_t chosen,
                 const float* weight, View<float> y, Write write);
void CombineRowsBackward(Stream& stream, View<const float> x, const int32_t* slots, int64_t chosen,
                         const float* weight, View<const float> dy, View<float> dx,
                         float* d_weight);

// ---- conv.cc
void ConvSilu(Stream& stream, std::span<const Segment> segments, View<const float> x,
              View<const float> weight, const float* bias, std::span<float* const> states,
              View<float> y);
void ConvSiluBackward(Stream& stream, std::span<const Segment> segments, View<const float> x,
                      View<const float> weight, const float* bias, View<const float> dy,
                      View<float> dx, View<float> weight_gradient, float* bias_gradient);

// ---- ssm_scan.cc, ssm_scan_backward.cc
void SsmScan(Stream& stream, const SsmShape& shape, std::span<const Segment> segments,
             const SsmInputs& inputs, const SsmParameters& parameters,
             std::span<const SsmState> states, View<float> y);
SsmStateSize SizeOfSsmState(const SsmShape& shape);
void SsmScanBackward(Stream& stream, const SsmShape& shape, std::span<const Segment> segments,
                     const SsmInputs& inputs, const SsmParameters& parameters, View<const float> dy,
                     const SsmInputGradients& input_gradients,
                     const SsmParameterGradients& parameter_gradients);

// ---- rope.cc
void Rope(Stream& stream, std::span<const Segment> segments, int64_t heads,
          std::span<const float> inverse_frequency, Turn turn, View<float> x);

// ---- attention.cc, attention_backward.cc
void Attention(Stream& stream, const AttentionShape& shape, std::span<const Segment> segments,
               View<const float> q, std::span<const KeyValueTiles> tiles, View<float> y,
               float* lse);
void StoreTiles(Stream& stream, std::span<const Segment> segments, View<const float> x,
                std::span<float* const* const> tiles);
void AttentionBackward(Stream& stream, const AttentionShape& shape,
                       std::span<const Segment> segments, View<const float> q, View<const float> k,
                       View<const float> v, View<const float> y, const float* lse,
                       View<const float> dy, View<float> dq, View<float> dk, View<float> dv);

// ---- log_softmax.cc
void LogSoftmax(Stream& stream, View<float> logits, float temperature, float* entropy);
void TargetLogProb(Stream& stream, View<const float> logits, std::span<const int32_t> targets,
                   float temperature, float* logprob, float* entropy, float* lse);
void TargetLogProbBackward(Stream& stream, View<float> logits, std::span<const int32_t> targets,
                           float temperature, const float* lse, const float* entropy,
                           const float* dlogprob, const float* dentropy);

// ---- optimizer.cc
double SumSquares(Stream& stream, std::span<const float> values);
void AdamW(Stream& stream, const AdamWStep& step, std::span<const float> gradient,
           std::span<float> parameter, std::span<float> m, std::span<float> v);

}  // namespace temper::kernels::cpu
