// What a model can do on given accelerators: serve, with how many sequences, and train.
//
// An estimate that assumes even sharding of everything over all of them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "policy/model/footprint.h"

namespace temper::model {

struct Accelerators {
  int64_t count = 0;
  double gib_each = 0;
};

// "8x80": eight of 80 GiB each.
absl::StatusOr<Accelerators> ParseAccelerators(const std::string& text);

// The part of the memory that is planned with; activations, workspaces and the runtime have the
// rest.
inline constexpr double kPlannedPart = 0.9;

// Bytes over all accelerators together.
struct ServingPlan {
  double available = 0;
  int64_t weights = 0;
  // One sequence of the given length: keys and values, convolution window (in `kv` dtype), SSM
  // state (float32).
  int64_t sequence = 0;
  bool fits = false;      // the weights and at least one sequence
  int64_t sequences = 0;  // that fit at once beside the weights
};
ServingPlan PlanServing(const Footprint& footprint, const Accelerators& accelerators,
                        const WeightDtype& dtype, int64_t tokens);

// Training with AdamW: weights in `dtype`, gradients and both moments in float32, and a float32
// master copy unless the weights are that already. Activations come on top (kPlannedPart).
struct TrainingPlan {
  double available = 0;
  int64_t weights = 0, gradients = 0, master = 0, moments = 0;
  bool fits = false;
  int64_t accelerators_needed = 0;  // of the same size

  int64_t total() const { return weights + gradients + master + moments; }
};
TrainingPlan PlanTraining(const Footprint& footprint, const Accelerators& accelerators,
                          const WeightDtype& dtype);

// Bytes of one sequence's state of `tokens` tokens; see ServingPlan.
int64_t SequenceBytes(const Footprint& footprint, const WeightDtype& kv, int64_t tokens);

}  // namespace temper::model
