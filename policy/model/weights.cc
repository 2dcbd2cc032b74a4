// Packs every matrix of a version once; vectors are read where they stand.
#include "policy/model/weights.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::model {

namespace {

kernels::PackOptions OptionsOf(const ParameterSpec& spec, const WeightOptions& options) {
  const bool router = spec.training == Training::kRouter;
  return {.backward = options.backward, .dtype = router ? kernels::Dtype::kFloat32 : options.dtype};
}

}  // namespace

absl::StatusOr<kernels::Dtype> ParseDtype(std::string_view name) {
  if (name == "float32") return kernels::Dtype::kFloat32;
  if (name == "bfloat16") return kernels::Dtype::kBFloat16;
  return absl::InvalidArgumentError(absl::StrCat("dtype: found \"", std::string(name),
                                                 "\", expected \"float32\" or \"bfloat16\""));
}

Weights::Weights(const ParameterLayout& layout, kernels::Device& device,
                 std::span<const float> values, const WeightOptions& options)
    : layout_(layout), device_(device) {
  for (const ParameterSpec& spec : layout.specs()) {
    if (!spec.packed) continue;
    packed_[spec.offset] = device.ops().make_packed(device.stream(), spec.shape[0], spec.shape[1],
                                                    OptionsOf(spec, options));
  }
  Repack(values);
}

void Weights::Repack(std::span<const float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout_.size());
  values_ = values;
  for (const ParameterSpec& spec : layout_.specs()) {
    if (!spec.packed) continue;
    device_.ops().pack_rows(
        device_.stream(), 0,
        kernels::View<const float>(at(spec.offset), spec.shape[0], spec.shape[1]),
        *packed_.at(spec.offset));
  }
}

}  // namespace temper::model
