// Packs every matrix of a version once; vectors are read where they stand.
#include "policy/model/weights.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::model {

using kernels::Dtype;
using kernels::View;

namespace {

constexpr int64_t kSlabFloats = int64_t{4} << 20;

kernels::PackOptions OptionsOf(const ParameterSpec& spec, bool backward, Dtype dtype) {
  const bool router = spec.training == Training::kRouter;
  return {.backward = backward, .dtype = router ? Dtype::kFloat32 : dtype};
}

}  // namespace

absl::StatusOr<Dtype> ParseDtype(std::string_view name) {
  if (name == "float32") return Dtype::kFloat32;
  if (name == "bfloat16") return Dtype::kBFloat16;
  return absl::InvalidArgumentError(absl::StrCat("dtype: found \"", std::string(name),
                                                 "\", expected \"float32\" or \"bfloat16\""));
}

Weights::Weights(const ParameterLayout& layout, kernels::Device& device,
                 std::span<const float> values, const WeightOptions& options)
    : Weights(layout, device) {
  for (const ParameterSpec& spec : layout.specs()) {
    if (!spec.packed) continue;
    packed_[spec.offset] =
        device.ops().make_packed(device.stream(), spec.shape[0], spec.shape[1],
                                 OptionsOf(spec, options.backward, options.dtype));
  }
  Repack(values);
}

void Weights::Repack(std::span<const float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout_.size());
  values_ = values;
  for (const ParameterSpec& spec : layout_.specs()) {
    if (!spec.packed) continue;
    device_.ops().pack_rows(device_.stream(), 0,
                            View<const float>(at(spec.offset), spec.shape[0], spec.shape[1]),
                            *packed_.at(spec.offset));
  }
}

absl::StatusOr<std::unique_ptr<Weights>> Weights::Load(const std::string& folder,
                                                       const ParameterLayout& layout,
                                                       kernels::Device& device,
                                                       std::optional<Dtype> dtype) {
  std::unique_ptr<Weights> weights(new Weights(layout, device));
  TEMPER_ASSIGN_OR_RETURN(weights->source_, WeightSource::Open(folder, layout.specs()));
  std::vector<float> slab;
  for (size_t i = 0; i < layout.specs().size(); ++i) {
    TEMPER_RETURN_IF_ERROR(weights->LoadTensor(i, dtype, slab));
  }
  return weights;
}

absl::Status Weights::LoadTensor(size_t i, std::optional<Dtype> dtype, std::vector<float>& slab) {
  const ParameterSpec& spec = layout_.specs()[i];
  const bool half = source_->HasBfloat16(i);
  const bool table = spec.offset == layout_.embeddings();
  if (spec.packed) {
    const Dtype stored = half ? Dtype::kBFloat16 : Dtype::kFloat32;
    TEMPER_RETURN_IF_ERROR(LoadMatrix(i, dtype.value_or(stored), slab));
    if (!table) return absl::OkStatus();
  }
  if (table && half) {  // a few rows at a time are looked up: they can stay in the file
    TEMPER_ASSIGN_OR_RETURN(embeddings_, source_->Bfloat16(i, 0, source_->rows(i)));
    return absl::OkStatus();
  }
  std::vector<float>& values = loaded_[spec.offset];
  values.resize(spec.size);
  TEMPER_RETURN_IF_ERROR(
      source_->Read(i, 0, View<float>(values.data(), source_->rows(i), source_->cols(i))));
  source_->Release(i, 0, source_->rows(i));
  return absl::OkStatus();
}

absl::Status Weights::LoadMatrix(size_t i, Dtype dtype, std::vector<float>& slab) {
  const ParameterSpec& spec = layout_.specs()[i];
  const int64_t rows = spec.shape[0], cols = spec.shape[1];
  auto packed = device_.ops().make_packed(device_.stream(), rows, cols,
                                          OptionsOf(spec, /*backward=*/false, dtype));
  const int64_t step = std::max<int64_t>(
      kernels::kPackRows, kSlabFloats / cols / kernels::kPackRows * kernels::kPackRows);
  slab.resize(std::max<size_t>(slab.size(), std::min(step, rows) * cols));
  for (int64_t first = 0; first < rows; first += step) {
    const View<float> part(slab.data(), std::min(step, rows - first), cols);
    TEMPER_RETURN_IF_ERROR(source_->Read(i, first, part));
    device_.ops().pack_rows(device_.stream(), first, part, *packed);
    source_->Release(i, first, part.rows);
  }
  packed_[spec.offset] = std::move(packed);
  return absl::OkStatus();
}

void Weights::Embed(std::span<const int32_t> tokens, View<float> y) const {
  if (embeddings_.data != nullptr) {
    device_.ops().embed_bfloat16(device_.stream(), tokens, embeddings_, y);
    return;
  }
  const int64_t vocab = layout_.specs().front().shape[0];
  device_.ops().embed(device_.stream(), tokens,
                      View<const float>(at(layout_.embeddings()), vocab, y.cols), y);
}

}  // namespace temper::model
