// Two ways to lay out the files: the layout's, and the source's.
#include "policy/model/folder/save_plan.h"

#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "policy/model/folder/number_formats.h"
#include "policy/model/folder/tensor_names.h"

namespace temper::model {
namespace {

// Published bfloat16 models keep the router's correction in float32: it decides between experts
// whose scores are close.
bool StaysFloat32(std::string_view name) { return name.ends_with(".e_score_correction_bias"); }

std::string Narrowest(std::string_view name) { return StaysFloat32(name) ? "F32" : "BF16"; }

bool IsQuantised(const StoredTensor& tensor) {
  return tensor.encoding != StoredTensor::Encoding::kPlain || tensor.entry->dtype == "F8_E4M3" ||
         tensor.entry->dtype == "F8_E5M2";
}

std::string DtypeOf(const StoredTensor& tensor, SaveDtype dtype) {
  const std::string& name = tensor.entry->name;
  if (dtype == SaveDtype::kFloat32) return "F32";
  if (dtype == SaveDtype::kBfloat16 || IsQuantised(tensor)) return Narrowest(name);
  return tensor.entry->dtype;
}

SavedTensor AgainOf(const WeightSource::Member& member, std::span<const ParameterSpec> specs,
                    SaveDtype dtype) {
  const StoredTensor& stored = member.tensor;
  SavedTensor saved{.name = stored.entry->name, .shape = stored.shape, .specs = member.specs};
  saved.dtype = DtypeOf(stored, dtype);
  if (member.role == WeightSource::Role::kTiedHead) {
    const std::string embeddings = TensorNames(specs).Embeddings();
    for (size_t i = 0; i < specs.size(); ++i) {
      if (specs[i].name == embeddings) saved.specs = {i};
    }
    TEMPER_CHECK(saved.specs.size() == 1);
  }
  if (member.role == WeightSource::Role::kKept) {
    saved.dtype = IsQuantised(stored) ? Narrowest(saved.name) : stored.entry->dtype;
    saved.copied = &stored;
  }
  return saved;
}

}  // namespace

SavePlan PlanOfLayout(std::span<const ParameterSpec> specs, SaveDtype dtype,
                      int64_t file_bytes_max) {
  SavePlan plan;
  int64_t bytes = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    SavedTensor tensor{.name = specs[i].name, .shape = specs[i].shape, .specs = {i}};
    tensor.dtype = dtype == SaveDtype::kBfloat16 ? Narrowest(tensor.name) : "F32";
    const int64_t size = specs[i].size * *BytesOfDtype(tensor.dtype);
    if (plan.files.empty() || bytes > file_bytes_max - size) {
      plan.files.push_back({.metadata = {{"format", "pt"}}});
      bytes = 0;
    }
    bytes += size;
    plan.files.back().tensors.push_back(std::move(tensor));
  }
  plan.indexed = plan.files.size() > 1;
  for (size_t i = 0; i < plan.files.size(); ++i) {
    plan.files[i].name =
        plan.indexed ? absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, plan.files.size())
                     : kWeightsFile;
  }
  return plan;
}

SavePlan PlanLikeSource(const WeightSource& source, std::span<const ParameterSpec> specs,
                        SaveDtype dtype) {
  SavePlan plan{.indexed = source.shards().indexed()};
  std::map<const SafetensorsFile*, size_t> places;
  for (const SafetensorsFile& file : source.shards().files()) {
    places[&file] = plan.files.size();
    plan.files.push_back({.name = std::filesystem::path(file.path()).filename().string(),
                          .metadata = file.metadata()});
  }
  for (const WeightSource::Member& member : source.members()) {
    if (member.role == WeightSource::Role::kDropped) continue;
    if (IsQuantised(member.tensor)) ++plan.dequantised;
    plan.files[places[member.tensor.file]].tensors.push_back(AgainOf(member, specs, dtype));
  }
  return plan;
}

}  // namespace temper::model
