// Packs every matrix of a version once; vectors are read where they stand.
#include "policy/model/weights.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "policy/model/folder/number_formats.h"

namespace temper::model {

using kernels::Dtype;
using kernels::Place;
using kernels::View;

namespace {

constexpr int64_t kSlabFloats = int64_t{4} << 20;
constexpr int64_t kFloat = sizeof(float);

// Rows that are packed at once.
int64_t SlabRows(int64_t cols) {
  return std::max<int64_t>(kernels::kPackRows,
                           kSlabFloats / cols / kernels::kPackRows * kernels::kPackRows);
}

kernels::PackOptions OptionsOf(const ParameterSpec& spec, bool backward, Dtype dtype) {
  const bool router = spec.training == Training::kRouter;
  return {.backward = backward, .grouped = spec.expert, .dtype = router ? Dtype::kFloat32 : dtype};
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
  ListExperts();
  values_place_ = options.values;
  if (!InReach(values_place_)) {
    for (const ParameterSpec& spec : layout.specs()) {
      if (Plain(spec)) resident_[spec.offset] = device.Allocate(spec.size * kFloat);
    }
  }
  Repack(values);
}

void Weights::ListExperts() {
  for (const LayerOffsets& layer : layout_.layers()) {
    std::vector<const kernels::PackedWeight*> up, down;
    for (const ExpertOffsets& expert : layer.experts) {
      up.push_back(&matrix(expert.up_proj));
      down.push_back(&matrix(expert.down_proj));
    }
    if (layer.experts.empty()) continue;
    experts_[layer.experts.front().up_proj] = std::move(up);
    experts_[layer.experts.front().down_proj] = std::move(down);
  }
}

View<const float> Weights::Near(View<const float> rows, Place place) {
  if (InReach(place)) return rows;
  const int64_t bytes = rows.rows * rows.cols * kFloat;
  if (slab_.bytes() < bytes) {
    slab_ = kernels::Memory();
    slab_ = device_.Allocate(bytes);
  }
  device_.Copy(slab_.as<float>(), rows.data, bytes);
  return View<const float>(slab_.as<float>(), rows.rows, rows.cols);
}

void Weights::Repack(std::span<const float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout_.size());
  values_ = values;
  for (const ParameterSpec& spec : layout_.specs()) {
    const float* const tensor = values.data() + spec.offset;
    if (const auto copy = resident_.find(spec.offset); copy != resident_.end()) {
      device_.Copy(copy->second.as<float>(), tensor, spec.size * kFloat);
    }
    if (!spec.packed) continue;
    const int64_t rows = spec.shape[0], cols = spec.shape[1];
    const int64_t step = InReach(values_place_) ? rows : SlabRows(cols);
    for (int64_t first = 0; first < rows; first += step) {
      const View<const float> part(tensor + first * cols, std::min(step, rows - first), cols);
      device_.ops().pack_rows(device_.stream(), first, Near(part, values_place_),
                              *packed_.at(spec.offset));
    }
  }
  slab_ = kernels::Memory();
  device_.Finish();  // the values may go where resident_ holds what is read
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
  weights->ListExperts();
  weights->slab_ = kernels::Memory();
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
  if (table && half) {
    TEMPER_ASSIGN_OR_RETURN(embeddings_, source_->Bfloat16(i, 0, source_->rows(i)));
    // A few rows at a time are looked up: they can stay in the file.
    if (!device_.shares_host_memory()) CopyEmbeddings();
    return absl::OkStatus();
  }
  kernels::Memory& values = resident_[spec.offset];
  values = device_.Allocate(spec.size * kFloat);
  if (device_.shares_host_memory()) {
    TEMPER_RETURN_IF_ERROR(
        source_->Read(i, 0, View<float>(values.as<float>(), source_->rows(i), source_->cols(i))));
  } else {
    slab.resize(std::max<size_t>(slab.size(), spec.size));
    TEMPER_RETURN_IF_ERROR(
        source_->Read(i, 0, View<float>(slab.data(), source_->rows(i), source_->cols(i))));
    device_.Copy(values.as<float>(), slab.data(), spec.size * kFloat);
    device_.Finish();
  }
  source_->Release(i, 0, source_->rows(i));
  return absl::OkStatus();
}

void Weights::CopyEmbeddings() {
  const int64_t bytes =
      embeddings_.rows * embeddings_.cols * static_cast<int64_t>(sizeof(uint16_t));
  embeddings_copy_ = device_.Allocate(bytes);
  device_.Copy(embeddings_copy_.as<uint16_t>(), embeddings_.data, bytes);
  device_.Finish();
  embeddings_ =
      View<const uint16_t>(embeddings_copy_.as<uint16_t>(), embeddings_.rows, embeddings_.cols);
}

absl::Status Weights::LoadMatrix(size_t i, Dtype dtype, std::vector<float>& slab) {
  const ParameterSpec& spec = layout_.specs()[i];
  const int64_t rows = spec.shape[0], cols = spec.shape[1];
  auto packed = device_.ops().make_packed(device_.stream(), rows, cols,
                                          OptionsOf(spec, /*backward=*/false, dtype));
  const int64_t step = SlabRows(cols);
  slab.resize(std::max<size_t>(slab.size(), std::min(step, rows) * cols));
  for (int64_t first = 0; first < rows; first += step) {
    const View<float> part(slab.data(), std::min(step, rows - first), cols);
    TEMPER_RETURN_IF_ERROR(source_->Read(i, first, part));
    device_.ops().pack_rows(device_.stream(), first, Near(part, Place::kHost), *packed);
    device_.Finish();  // the slab is filled again
    source_->Release(i, first, part.rows);
  }
  packed_[spec.offset] = std::move(packed);
  return absl::OkStatus();
}

std::unique_ptr<Weights> Weights::Generate(const ParameterLayout& layout, kernels::Device& device,
                                           const WeightOptions& options, FillTensor fill) {
  std::unique_ptr<Weights> weights(new Weights(layout, device));
  std::vector<float> slab;
  for (const ParameterSpec& spec : layout.specs()) {
    if (spec.packed) weights->GenerateMatrix(spec, options, fill, slab);
    if (weights->Plain(spec)) weights->GeneratePlain(spec, options.dtype, fill, slab);
  }
  weights->ListExperts();
  weights->slab_ = kernels::Memory();
  return weights;
}

void Weights::GenerateMatrix(const ParameterSpec& spec, const WeightOptions& options,
                             FillTensor fill, std::vector<float>& slab) {
  const int64_t rows = spec.shape[0], cols = spec.shape[1], step = SlabRows(cols);
  auto packed = device_.ops().make_packed(device_.stream(), rows, cols,
                                          OptionsOf(spec, options.backward, options.dtype));
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    slab.resize(count * cols);
    fill(spec, first * cols, slab);
    device_.ops().pack_rows(device_.stream(), first,
                            Near(View<const float>(slab.data(), count, cols), Place::kHost),
                            *packed);
    device_.Finish();  // the slab is filled again
  }
  packed_[spec.offset] = std::move(packed);
}

void Weights::GeneratePlain(const ParameterSpec& spec, Dtype dtype, FillTensor fill,
                            std::vector<float>& slab) {
  const bool half = spec.offset == layout_.embeddings() && dtype == Dtype::kBFloat16;
  const int64_t size = half ? sizeof(uint16_t) : sizeof(float);
  kernels::Memory memory = device_.Allocate(spec.size * size);
  const int64_t cols = spec.shape.size() > 1 ? spec.size / spec.shape[0] : 1;
  const int64_t step = SlabRows(cols) * cols;
  std::vector<uint16_t> narrow;
  for (int64_t first = 0; first < spec.size; first += step) {
    slab.resize(std::min(step, spec.size - first));
    fill(spec, first, slab);
    const void* values = slab.data();
    if (half) {
      narrow.resize(slab.size());
      std::ranges::transform(slab, narrow.begin(), ToBf16);
      values = narrow.data();
    }
    device_.Copy(memory.as<char>() + first * size, values,
                 static_cast<int64_t>(slab.size()) * size);
    device_.Finish();
  }
  if (half) {
    embeddings_ = View<const uint16_t>(memory.as<uint16_t>(), spec.shape[0], cols);
    embeddings_copy_ = std::move(memory);
  } else {
    resident_[spec.offset] = std::move(memory);
  }
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
