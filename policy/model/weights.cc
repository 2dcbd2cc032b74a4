// Packs every matrix of a version once; vectors are read where they stand.
#include "policy/model/weights.h"

#include <algorithm>
#include <cstring>

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

// Rows to be written, for the next Send() or NearRows().
View<float> Rows(HostStream& stream, int64_t rows, int64_t cols) {
  return View<float>(static_cast<float*>(stream.Fill(rows * cols * kFloat)), rows, cols);
}

// What was written last, where ops can read it.
View<const float> NearRows(HostStream& stream, int64_t rows, int64_t cols) {
  return View<const float>(static_cast<const float*>(stream.Near()), rows, cols);
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
  if (options.own || !InReach(options.values)) {
    for (const ParameterSpec& spec : layout.specs()) {
      if (Plain(spec)) resident_[spec.offset] = device.Allocate(spec.size * kFloat);
    }
  }
  Repack(values, options.values);
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

void Weights::Repack(std::span<const float> values, Place place) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout_.size());
  TEMPER_CHECK(InReach(place) || !resident_.empty());
  if (resident_.empty()) values_ = values;
  HostStream stream(device_);
  for (const ParameterSpec& spec : layout_.specs()) {
    const float* const tensor = values.data() + spec.offset;
    if (const auto copy = resident_.find(spec.offset); copy != resident_.end()) {
      float* const to = copy->second.as<float>();
      if (InReach(place)) {
        device_.Copy(to, tensor, spec.size * kFloat);
      } else {
        stream.Copy(to, tensor, spec.size * kFloat);
      }
    }
    if (spec.packed) RepackMatrix(spec, tensor, place, stream);
  }
  device_.Finish();  // the values may go where resident_ holds what is read
}

void Weights::RepackMatrix(const ParameterSpec& spec, const float* tensor, Place place,
                           HostStream& stream) {
  const int64_t rows = spec.shape[0], cols = spec.shape[1];
  kernels::PackedWeight& packed = *packed_.at(spec.offset);
  if (InReach(place)) {
    device_.ops().pack_rows(device_.stream(), 0, View<const float>(tensor, rows, cols), packed);
    return;
  }
  const int64_t step = SlabRows(cols);
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    const int64_t bytes = count * cols * kFloat;
    std::memcpy(stream.Fill(bytes), tensor + first * cols, static_cast<size_t>(bytes));
    device_.ops().pack_rows(device_.stream(), first, NearRows(stream, count, cols), packed);
  }
}

absl::StatusOr<std::unique_ptr<Weights>> Weights::Load(const std::string& folder,
                                                       const ParameterLayout& layout,
                                                       kernels::Device& device,
                                                       std::optional<Dtype> dtype) {
  std::unique_ptr<Weights> weights(new Weights(layout, device));
  TEMPER_ASSIGN_OR_RETURN(weights->source_, WeightSource::Open(folder, layout.specs()));
  HostStream stream(device);
  for (size_t i = 0; i < layout.specs().size(); ++i) {
    TEMPER_RETURN_IF_ERROR(weights->LoadTensor(i, dtype, stream));
  }
  weights->ListExperts();
  return weights;
}

absl::Status Weights::LoadTensor(size_t i, std::optional<Dtype> dtype, HostStream& stream) {
  const ParameterSpec& spec = layout_.specs()[i];
  const bool half = source_->HasBfloat16(i);
  const bool table = spec.offset == layout_.embeddings();
  if (spec.packed) {
    const Dtype stored = half ? Dtype::kBFloat16 : Dtype::kFloat32;
    TEMPER_RETURN_IF_ERROR(LoadMatrix(i, dtype.value_or(stored), stream));
    if (!table) return absl::OkStatus();
  }
  if (table && half) {
    TEMPER_ASSIGN_OR_RETURN(embeddings_, source_->Bfloat16(i, 0, source_->rows(i)));
    // A few rows at a time are looked up: they can stay in the file.
    if (device_.shares_host_memory()) return absl::OkStatus();
    const int64_t bytes =
        embeddings_.rows * embeddings_.cols * static_cast<int64_t>(sizeof(uint16_t));
    embeddings_copy_ = device_.Allocate(bytes);
    stream.Copy(embeddings_copy_.as<uint16_t>(), embeddings_.data, bytes);
    embeddings_ =
        View<const uint16_t>(embeddings_copy_.as<uint16_t>(), embeddings_.rows, embeddings_.cols);
    return absl::OkStatus();
  }
  kernels::Memory& values = resident_[spec.offset];
  values = device_.Allocate(spec.size * kFloat);
  return LoadPlain(i, values.as<float>(), stream);
}

absl::Status Weights::LoadPlain(size_t i, float* values, HostStream& stream) {
  const int64_t rows = source_->rows(i), cols = source_->cols(i);
  if (device_.shares_host_memory()) {
    TEMPER_RETURN_IF_ERROR(source_->Read(i, 0, View<float>(values, rows, cols)));
    source_->Release(i, 0, rows);
    return absl::OkStatus();
  }
  const int64_t step = SlabRows(cols);
  for (int64_t first = 0; first < rows; first += step) {
    const View<float> part = Rows(stream, std::min(step, rows - first), cols);
    TEMPER_RETURN_IF_ERROR(source_->Read(i, first, part));
    stream.Send(values + first * cols);
    source_->Release(i, first, part.rows);
  }
  return absl::OkStatus();
}

absl::Status Weights::LoadMatrix(size_t i, Dtype dtype, HostStream& stream) {
  const ParameterSpec& spec = layout_.specs()[i];
  const int64_t rows = spec.shape[0], cols = spec.shape[1];
  auto packed = device_.ops().make_packed(device_.stream(), rows, cols,
                                          OptionsOf(spec, /*backward=*/false, dtype));
  const int64_t step = SlabRows(cols);
  for (int64_t first = 0; first < rows; first += step) {
    const View<float> part = Rows(stream, std::min(step, rows - first), cols);
    TEMPER_RETURN_IF_ERROR(source_->Read(i, first, part));
    device_.ops().pack_rows(device_.stream(), first, NearRows(stream, part.rows, cols), *packed);
    source_->Release(i, first, part.rows);
  }
  packed_[spec.offset] = std::move(packed);
  return absl::OkStatus();
}

std::unique_ptr<Weights> Weights::Generate(const ParameterLayout& layout, kernels::Device& device,
                                           const WeightOptions& options, FillTensor fill) {
  std::unique_ptr<Weights> weights(new Weights(layout, device));
  HostStream stream(device);
  for (const ParameterSpec& spec : layout.specs()) {
    if (spec.packed) weights->GenerateMatrix(spec, options, fill, stream);
    if (weights->Plain(spec)) weights->GeneratePlain(spec, options.dtype, fill, stream);
  }
  weights->ListExperts();
  return weights;
}

void Weights::GenerateMatrix(const ParameterSpec& spec, const WeightOptions& options,
                             FillTensor fill, HostStream& stream) {
  const int64_t rows = spec.shape[0], cols = spec.shape[1], step = SlabRows(cols);
  auto packed = device_.ops().make_packed(device_.stream(), rows, cols,
                                          OptionsOf(spec, options.backward, options.dtype));
  for (int64_t first = 0; first < rows; first += step) {
    const View<float> part = Rows(stream, std::min(step, rows - first), cols);
    fill(spec, first * cols, std::span(part.data, static_cast<size_t>(part.rows * cols)));
    device_.ops().pack_rows(device_.stream(), first, NearRows(stream, part.rows, cols), *packed);
  }
  packed_[spec.offset] = std::move(packed);
}

void Weights::GeneratePlain(const ParameterSpec& spec, Dtype dtype, FillTensor fill,
                            HostStream& stream) {
  const bool half = spec.offset == layout_.embeddings() && dtype == Dtype::kBFloat16;
  const int64_t size = half ? sizeof(uint16_t) : sizeof(float);
  kernels::Memory memory = device_.Allocate(spec.size * size);
  const int64_t cols = spec.shape.size() > 1 ? spec.size / spec.shape[0] : 1;
  const int64_t step = SlabRows(cols) * cols;
  std::vector<float> wide;
  for (int64_t first = 0; first < spec.size; first += step) {
    const int64_t count = std::min(step, spec.size - first);
    void* const chunk = stream.Fill(count * size);
    if (half) {
      wide.resize(static_cast<size_t>(count));
      fill(spec, first, wide);
      std::ranges::transform(wide, static_cast<uint16_t*>(chunk), ToBf16);
    } else {
      fill(spec, first, std::span(static_cast<float*>(chunk), static_cast<size_t>(count)));
    }
    stream.Send(memory.as<char>() + first * size);
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
