// Writes, checks, loads and prunes checkpoint folders.
#include "policy/learner/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "policy/learner/moments_file.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/folder/model_folder_writer.h"

namespace temper::learner {
namespace {

constexpr char kManifest[] = "manifest.json";
constexpr char kWeights[] = "model.safetensors";
constexpr char kMoments[] = "optimizer.safetensors";
constexpr char kBeside[] = ".writing-";

std::vector<std::string> Names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<CheckpointManifest::Tensor> DigestWeights(const model::ParameterLayout& layout,
                                                      std::span<const float> values) {
  std::vector<CheckpointManifest::Tensor> tensors;
  for (const model::ParameterSpec& spec : layout.specs()) {
    tensors.push_back(
        {.name = spec.name,
         .shape = spec.shape,
         .digest = Xxh3Digest(std::as_bytes(values.subspan(spec.offset, spec.size)))});
  }
  return tensors;
}

absl::Status CheckFile(const std::string& folder, const CheckpointManifest::File& file) {
  const std::string path = JoinPath(folder, file.name);
  TEMPER_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(path));
  if (static_cast<int64_t>(mapped.bytes().size()) != file.bytes) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", mapped.bytes().size(), " bytes, the manifest says ", file.bytes));
  }
  if (Xxh3Digest(mapped.bytes()) == file.digest) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": its digest is not the manifest's"));
}

// The model, not the disk, is another one.
absl::Status CheckModel(const std::string& path, const CheckpointManifest& manifest,
                        const model::ParameterLayout& layout) {
  const auto same = [](const CheckpointManifest::Tensor& tensor, const model::ParameterSpec& spec) {
    return tensor.name == spec.name && tensor.shape == spec.shape;
  };
  if (std::equal(manifest.tensors.begin(), manifest.tensors.end(), layout.specs().begin(),
                 layout.specs().end(), same)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      path, ": a checkpoint of another model than the run's model folder; use that model folder"));
}

// Whether the checkpoint itself is bad, rather than our access to it.
bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) || absl::IsInvalidArgument(status) ||
         absl::IsOutOfRange(status);
}

}  // namespace

CheckpointFolder::CheckpointFolder(std::string path, std::string model_dir,
                                   const model::ModelConfig& config,
                                   const model::ParameterLayout& layout)
    : path_(std::move(path)), model_dir_(std::move(model_dir)), config_(config), layout_(layout) {}

std::string CheckpointFolder::PathOf(int64_t version) const {
  return JoinPath(path_, absl::StrFormat("step-%06d", version));
}

std::vector<int64_t> CheckpointFolder::Versions() const {
  std::vector<int64_t> versions;
  for (const std::string& name : Names(path_)) {
    int64_t version = 0;
    if (absl::StartsWith(name, "step-") && absl::SimpleAtoi(name.substr(5), &version)) {
      versions.push_back(version);
    }
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

std::optional<int64_t> CheckpointFolder::NewestVersion() const {
  const std::vector<int64_t> versions = Versions();
  return versions.empty() ? std::nullopt : std::optional(versions.back());
}

absl::StatusOr<CheckpointManifest> CheckpointFolder::Check(int64_t version) const {
  const std::string place = JoinPath(PathOf(version), kManifest);
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(place));
  TEMPER_ASSIGN_OR_RETURN(CheckpointManifest manifest, DecodeManifest(text, place));
  if (manifest.record.version != version) {
    return absl::DataLossError(absl::StrCat(place, ": is of version ", manifest.record.version));
  }
  for (const CheckpointManifest::File& file : manifest.files) {
    TEMPER_RETURN_IF_ERROR(CheckFile(PathOf(version), file));
  }
  return manifest;
}

absl::StatusOr<CheckpointRecord> CheckpointFolder::Verify(int64_t version) const {
  TEMPER_ASSIGN_OR_RETURN(CheckpointManifest manifest, Check(version));
  return std::move(manifest.record);
}

absl::StatusOr<CheckpointRecord> CheckpointFolder::Load(int64_t version,
                                                        CheckpointArrays<float> arrays) const {
  const std::string folder = PathOf(version);
  TEMPER_ASSIGN_OR_RETURN(CheckpointManifest manifest, Check(version));
  TEMPER_RETURN_IF_ERROR(CheckModel(folder, manifest, layout_));
  TEMPER_RETURN_IF_ERROR(model::ReadWeights(folder, layout_, arrays.values));
  const auto tensors = DigestWeights(layout_, arrays.values);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i] == manifest.tensors[i]) continue;
    return absl::DataLossError(
        absl::StrCat(folder, ": tensor ", tensors[i].name, " has not the manifest's digest"));
  }
  if (!arrays.first_moment.empty()) {
    TEMPER_RETURN_IF_ERROR(ReadMoments(JoinPath(folder, kMoments), layout_, arrays.first_moment,
                                       arrays.second_moment));
  }
  return std::move(manifest.record);
}

void CheckpointFolder::SetAside(int64_t version, const absl::Status& reason) const {
  const std::string folder = PathOf(version);
  const std::string aside = absl::StrCat(folder, ".corrupt");
  log::Error("checkpoint is corrupt; the one before it is taken",
             {{"path", folder}, {"reason", std::string(reason.message())}, {"kept_as", aside}});
  const absl::Status removed = RemoveAll(aside);
  std::error_code error;
  std::filesystem::rename(folder, aside, error);
  if (removed.ok() && !error) return;
  log::Warning("corrupt checkpoint could not be renamed", {{"path", folder}});
}

absl::StatusOr<std::optional<CheckpointRecord>> CheckpointFolder::LoadNewest(
    CheckpointArrays<float> arrays) {
  for (const std::string& name : Names(path_)) {  // writing was cut short by a crash
    if (!absl::StartsWith(name, kBeside)) continue;
    TEMPER_RETURN_IF_ERROR(RemoveAll(JoinPath(path_, name)));
  }
  std::vector<int64_t> versions = Versions();
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    absl::StatusOr<CheckpointRecord> record = Load(*version, arrays);
    if (record.ok()) return std::optional(*std::move(record));
    if (!IsDamage(record.status())) return record.status();
    SetAside(*version, record.status());
  }
  return std::optional<CheckpointRecord>();
}

absl::Status CheckpointFolder::Fill(const std::string& aside, CheckpointManifest& manifest,
                                    CheckpointArrays<const float> arrays) const {
  TEMPER_RETURN_IF_ERROR(
      model::WriteModelFolder(aside, model_dir_, config_, layout_, arrays.values));
  if (!arrays.first_moment.empty()) {
    TEMPER_RETURN_IF_ERROR(WriteMoments(JoinPath(aside, kMoments), layout_, arrays.first_moment,
                                        arrays.second_moment));
  }
  TEMPER_ASSIGN_OR_RETURN(manifest.record.sha256, Sha256HexOfFile(JoinPath(aside, kWeights)));
  for (const std::string& name : Names(aside)) {
    const std::string path = JoinPath(aside, name);
    TEMPER_RETURN_IF_ERROR(SyncFile(path));
    TEMPER_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
    manifest.files.push_back({.name = name,
                              .bytes = static_cast<int64_t>(file.bytes().size()),
                              .digest = Xxh3Digest(file.bytes())});
  }
  return WriteFileAtomically(JoinPath(aside, kManifest), EncodeManifest(manifest));
}

absl::StatusOr<CheckpointRecord> CheckpointFolder::Write(
    CheckpointManifest manifest, CheckpointArrays<const float> arrays) const {
  const std::string folder = PathOf(manifest.record.version);
  const std::string aside =
      JoinPath(path_, absl::StrFormat("%sstep-%06d", kBeside, manifest.record.version));
  TEMPER_RETURN_IF_ERROR(MakeDirectories(path_));
  TEMPER_RETURN_IF_ERROR(RemoveAll(aside));
  auto remove_aside = absl::MakeCleanup([&aside] { (void)RemoveAll(aside); });
  TEMPER_RETURN_IF_ERROR(Fill(aside, manifest, arrays));
  TEMPER_RETURN_IF_ERROR(SyncDirectory(aside));
  TEMPER_RETURN_IF_ERROR(RemoveAll(folder));  // damaged, or of an abandoned history
  std::error_code error;
  std::filesystem::rename(aside, folder, error);
  if (error) {
    return absl::InternalError(absl::StrCat(folder, ": cannot rename to: ", error.message()));
  }
  std::move(remove_aside).Cancel();
  TEMPER_RETURN_IF_ERROR(SyncDirectory(path_));
  return std::move(manifest.record);
}

absl::StatusOr<CheckpointRecord> CheckpointFolder::Save(CheckpointRecord record,
                                                        CheckpointArrays<const float> arrays,
                                                        const Keeping& keeping) {
  CheckpointManifest manifest;
  manifest.record = std::move(record);
  manifest.tensors = DigestWeights(layout_, arrays.values);
  const int64_t version = manifest.record.version;
  absl::StatusOr<CheckpointManifest> present = Check(version);
  absl::StatusOr<CheckpointRecord> saved;
  if (present.ok() && present->tensors == manifest.tensors &&
      present->record.updates == manifest.record.updates &&
      present->record.request_digest == manifest.record.request_digest) {
    saved = std::move(present->record);
  } else {
    saved = Write(std::move(manifest), arrays);
  }
  TEMPER_RETURN_IF_ERROR(saved.status());
  Prune(version, keeping);
  return saved;
}

void CheckpointFolder::Prune(int64_t newest, const Keeping& keeping) const {
  if (keeping.keep <= 0) return;
  std::vector<int64_t> versions = Versions();
  std::erase_if(versions, [newest](int64_t version) { return version > newest; });
  versions.resize(versions.size() - std::min<size_t>(versions.size(), keeping.keep));
  for (const int64_t version : versions) {
    if (keeping.pinned.contains(version)) continue;
    const absl::Status removed = RemoveAll(PathOf(version));
    if (!removed.ok()) {  // costs room, not safety
      log::Warning("old checkpoint could not be removed",
                   {{"reason", std::string(removed.message())}});
    }
  }
}

}  // namespace temper::learner
