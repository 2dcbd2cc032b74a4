// Declares the CPU's version of every verb in kernels/ops.h, where shapes and meaning are given.
#pragma once

#include "kernels/ops.h"

namespace temper::kernels::cpu {

// ---- embedding.cc
void Embed(Stream& stream, std::span<const int32_t> tokens, View<const float> table, View<float> y);
void EmbedBackward(Stream& stream, std::span<const int32_t> tokens, View<const float> dy,
                   View<float> table_gradient);

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

// ---- gemm.cc
std::unique_ptr<PackedWeight> PackWeight(Stream& stream, View<const float> weight, bool backward);
void RepackWeight(Stream& stream, View<const float> weight, PackedWeight& packed);
void Matmul(Stream& stream, View<const float> x, const PackedWeight& weight, View<float> y,
            Write write);
void MatmulBackwardInput(Stream& stream, View<const float> dy, const PackedWeight& weight,
                         View<float> dx, Write write);
// ---- gemm_backward_weight.cc
void MatmulBackwardWeight(Stream& stream, View<const float> x, View<const float> dy,
                          View<float> weight_gradient);

// ---- activation.cc
void Relu2(Stream& stream, View<const float> x, View<float> y);
void Relu2Backward(Stream& stream, View<const float> x, View<const float> dy, View<float> dx);

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
             std::span<float* const> states, View<float> y);
void SsmScanBackward(Stream& stream, const SsmShape& shape, std::span<const Segment> segments,
                     const SsmInputs& inputs, const SsmParameters& parameters, View<const float> dy,
                     const SsmInputGradients& input_gradients,
                     const SsmParameterGradients& parameter_gradients);

// ---- attention.cc, attention_backward.cc
void Attention(Stream& stream, const AttentionShape& shape, std::span<const Segment> segments,
               View<const float> q, std::span<const KeyValueTiles> tiles, View<float> y,
               float* lse);
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
