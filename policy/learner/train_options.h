// Checks TrainOptions as they came over the wire and turns them into what the arithmetic takes.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "policy/learner/batch.h"
#include "policy/learner/gradient_pass.h"
#include "policy/learner/optimizer.h"
#include "temper/v1/learner.pb.h"

namespace temper::learner {

// INVALID_ARGUMENT names the field, what was found and what was expected.
absl::StatusOr<AdamW> AdamWOptions(const temper::v1::TrainOptions& options);

// `sequences` give the counts of the normaliser. Supervised batches: token mean at temperature 1.
absl::StatusOr<PassOptions> PolicyPass(const temper::v1::TrainOptions& options,
                                       std::span<const Sequence> sequences);
absl::StatusOr<PassOptions> SupervisedPass(const temper::v1::TrainOptions& options,
                                           std::span<const Sequence> sequences);

// All that preference batches take from them.
absl::Status CheckPreferenceOptions(const temper::v1::TrainOptions& options);

}  // namespace temper::learner
