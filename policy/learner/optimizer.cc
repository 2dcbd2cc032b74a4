// Walks the tensors in layout order, so that decay follows each tensor's mask.
#include "policy/learner/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/ops.h"

namespace temper::learner {

namespace {

bool Learns(const AdamW& adamw, const model::ParameterSpec& spec) {
  return spec.training == model::Training::kGradient ||
         (spec.training == model::Training::kRouter && adamw.train_router);
}

}  // namespace

Optimizer::Optimizer(const model::ParameterLayout& layout, kernels::Device& device)
    : layout_(layout), device_(device), m_(device, layout.size()), v_(device, layout.size()) {}

void Optimizer::Mask(const AdamW& adamw, std::span<float> gradients) const {
  for (const model::ParameterSpec& spec : layout_.specs()) {
    if (Learns(adamw, spec)) continue;
    device_.Zero(gradients.data() + spec.offset, spec.size * static_cast<int64_t>(sizeof(float)));
  }
}

double Optimizer::GradientNorm(std::span<const float> gradients) const {
  return std::sqrt(device_.ops().sum_squares(device_.stream(), gradients));
}

bool Optimizer::Safe(const AdamW& adamw, double norm) {
  constexpr double kNormMax = 1e18;  // its square is a float
  return std::isfinite(norm) && (norm < kNormMax || adamw.clip_norm > 0);
}

void Optimizer::Update(const AdamW& adamw, double norm, std::span<const float> gradients,
                       std::span<float> values) {
  ++updates_;
  kernels::AdamWStep step;
  step.learning_rate = static_cast<float>(adamw.learning_rate);
  step.beta1 = static_cast<float>(adamw.beta1);
  step.beta2 = static_cast<float>(adamw.beta2);
  step.epsilon = static_cast<float>(adamw.epsilon);
  const bool clipped = adamw.clip_norm > 0 && norm > adamw.clip_norm;
  step.gradient_scale = clipped ? static_cast<float>(adamw.clip_norm / norm) : 1.0f;
  step.step = updates_;
  for (const model::ParameterSpec& spec : layout_.specs()) {
    if (!Learns(adamw, spec)) continue;
    step.weight_decay = spec.decayed ? static_cast<float>(adamw.weight_decay) : 0.0f;
    device_.ops().adamw(device_.stream(), step, gradients.subspan(spec.offset, spec.size),
                        values.subspan(spec.offset, spec.size),
                        m_.device().subspan(spec.offset, spec.size),
                        v_.device().subspan(spec.offset, spec.size));
  }
}

}  // namespace temper::learner
