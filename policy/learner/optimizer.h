// AdamW on the flat layout: one pass over the tensors, one global norm.
//
// Owns the moments. Used on the learner's loop thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/device.h"
#include "policy/model/device_floats.h"
#include "policy/model/parameters.h"

namespace temper::learner {

struct AdamW {
  double learning_rate = 0;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0;  // of ParameterSpec.decayed tensors only
  double clip_norm = 0;     // global; 0: no clipping
  bool train_router = false;
};

class Optimizer {
 public:
  Optimizer(const model::ParameterLayout& layout, kernels::Device& device);

  // Gradients, values and moments are the device's.
  // Zeroes the gradients of tensors that an update leaves alone, so that they count in no norm.
  void Mask(const AdamW& adamw, std::span<float> gradients) const;
  // Before clipping; not finite when any gradient is not.
  double GradientNorm(std::span<const float> gradients) const;
  // Whether an update with this norm keeps weights and moments finite: also the squares must be.
  static bool Safe(const AdamW& adamw, double norm);
  // One update of `values` with gradients whose norm is `norm` (safe).
  void Update(const AdamW& adamw, double norm, std::span<const float> gradients,
              std::span<float> values);

  // Updates made; what bias correction counts.
  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }
  model::DeviceFloats& first_moment() { return m_; }   // layout.size() floats
  model::DeviceFloats& second_moment() { return v_; }  // layout.size() floats

 private:
  const model::ParameterLayout& layout_;
  kernels::Device& device_;
  int64_t updates_ = 0;
  model::DeviceFloats m_, v_;
};

}  // namespace temper::learner
