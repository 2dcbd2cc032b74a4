// Folders "step-000012" and what their manifests vouch for.
#include "orchestrator/kept_checkpoints.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "policy/learner/checkpoint_manifest.h"

namespace temper::orchestrator {
namespace {

constexpr char kFolder[] = "checkpoints";
constexpr char kPrefix[] = "step-";

absl::Status CheckFile(const std::string& folder, const learner::CheckpointManifest::File& file) {
  const std::string path = JoinPath(folder, file.name);
  TEMPER_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(path));
  const auto bytes = static_cast<int64_t>(mapped.bytes().size());
  if (bytes != file.bytes) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", bytes, " bytes, the manifest says ", file.bytes));
  }
  TEMPER_RETURN_IF_ERROR(mapped.Load(0, bytes));
  if (Xxh3Digest(mapped.bytes()) == file.digest) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": its digest is not the manifest's"));
}

}  // namespace

std::vector<int64_t> KeptCheckpoints(const std::string& dir) {
  std::vector<int64_t> versions;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(JoinPath(dir, kFolder), none)) {
    const std::string name = entry.path().filename().string();
    int64_t version = 0;
    if (absl::StartsWith(name, kPrefix) &&
        absl::SimpleAtoi(name.substr(sizeof(kPrefix) - 1), &version)) {
      versions.push_back(version);
    }
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

std::string CheckpointPath(const std::string& dir, int64_t version) {
  return JoinPath(JoinPath(dir, kFolder), absl::StrFormat("%s%06d", kPrefix, version));
}

absl::StatusOr<WholeCheckpoint> CheckCheckpoint(const std::string& dir, int64_t version) {
  WholeCheckpoint whole{.path = CheckpointPath(dir, version)};
  const std::string place = JoinPath(whole.path, "manifest.json");
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(place));
  TEMPER_ASSIGN_OR_RETURN(const learner::CheckpointManifest manifest,
                          learner::DecodeManifest(text, place));
  if (manifest.record.version != version) {
    return absl::DataLossError(absl::StrCat(place, ": is of version ", manifest.record.version));
  }
  for (const learner::CheckpointManifest::File& file : manifest.files) {
    const absl::Status checked = CheckFile(whole.path, file);
    // A checkpoint without one of its files is damaged, not absent.
    if (absl::IsNotFound(checked)) return absl::DataLossError(checked.message());
    TEMPER_RETURN_IF_ERROR(checked);
  }
  std::string digests;
  for (const learner::CheckpointManifest::Tensor& tensor : manifest.tensors) {
    digests += tensor.digest;
  }
  whole.sha256 = manifest.record.sha256;
  whole.weights_digest = Xxh3Digest(digests);
  whole.published = manifest.record.published;
  return whole;
}

}  // namespace temper::orchestrator
