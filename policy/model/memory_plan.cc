#include "policy/model/memory_plan.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace temper::model {

namespace {

double Available(const Accelerators& accelerators) {
  return kPlannedPart * 0x1p30 * accelerators.gib_each * static_cast<double>(accelerators.count);
}

}  // namespace

absl::StatusOr<Accelerators> ParseAccelerators(const std::string& text) {
  constexpr int64_t kCountMax = 1'000'000;
  constexpr double kGibMax = 1e6;
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('x', 1));
  Accelerators result;
  if (!absl::SimpleAtoi(parts.first, &result.count) || result.count < 1 ||
      result.count > kCountMax || !absl::SimpleAtod(parts.second, &result.gib_each) ||
      !(result.gib_each > 0) || result.gib_each > kGibMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("found \"", text, "\", expected accelerators and GiB of each, as in 8x80"));
  }
  return result;
}

int64_t SequenceBytes(const Footprint& footprint, const WeightDtype& kv, int64_t tokens) {
  return BytesOf(footprint.ssm_state, kFloat32) + BytesOf(footprint.conv_state, kv) +
         tokens * BytesOf(footprint.kv_per_token, kv);
}

ServingPlan PlanServing(const Footprint& footprint, const Accelerators& accelerators,
                        const WeightDtype& dtype, int64_t tokens) {
  ServingPlan plan;
  plan.available = Available(accelerators);
  plan.weights = BytesOf(footprint.total, dtype);
  plan.sequence = std::max<int64_t>(SequenceBytes(footprint, dtype, tokens), 1);
  const double left = plan.available - static_cast<double>(plan.weights);
  plan.sequences = left > 0 ? static_cast<int64_t>(left / static_cast<double>(plan.sequence)) : 0;
  plan.fits = plan.sequences > 0;
  return plan;
}

TrainingPlan PlanTraining(const Footprint& footprint, const Accelerators& accelerators,
                          const WeightDtype& dtype) {
  TrainingPlan plan;
  plan.available = Available(accelerators);
  plan.weights = BytesOf(footprint.total, dtype);
  plan.gradients = BytesOf(footprint.total, kFloat32);
  plan.master = dtype.bits < kFloat32.bits ? plan.gradients : 0;
  plan.moments = 2 * plan.gradients;
  const auto total = static_cast<double>(plan.total());
  plan.fits = total <= plan.available;
  plan.accelerators_needed =
      static_cast<int64_t>(std::ceil(total / Available({1, accelerators.gib_each})));
  return plan;
}

}  // namespace temper::model
