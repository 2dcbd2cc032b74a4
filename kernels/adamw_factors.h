// What an AdamW step's arithmetic needs beside the elements, worked out once: both back ends take
// these, so that they have the same bits.
#pragma once

#include <cmath>

#include "kernels/shapes.h"

namespace temper::kernels {

// An AdamW step with what does not depend on the element worked out.
struct AdamWFactors {
  float gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2;
  float keep;             // 1 - learning_rate * weight_decay
  float step_size;        // learning_rate / (1 - beta1^step)
  float root_correction;  // 1 / sqrt(1 - beta2^step)
  float epsilon;

  static constexpr size_t kFieldBytes = 9 * sizeof(float);
};

inline AdamWFactors FactorsOf(const AdamWStep& step) {
  const double correction1 = 1.0 - std::pow(static_cast<double>(step.beta1), step.step);
  const double correction2 = 1.0 - std::pow(static_cast<double>(step.beta2), step.step);
  AdamWFactors f;
  f.gradient_scale = step.gradient_scale;
  f.beta1 = step.beta1;
  f.one_minus_beta1 = static_cast<float>(1.0 - static_cast<double>(step.beta1));
  f.beta2 = step.beta2;
  f.one_minus_beta2 = static_cast<float>(1.0 - static_cast<double>(step.beta2));
  f.keep = static_cast<float>(1.0 - static_cast<double>(step.learning_rate) * step.weight_decay);
  f.step_size = static_cast<float>(step.learning_rate / correction1);
  f.root_correction = static_cast<float>(1.0 / std::sqrt(correction2));
  f.epsilon = step.epsilon;
  return f;
}

}  // namespace temper::kernels
