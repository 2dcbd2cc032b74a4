// Opens what the index names and checks the index against the headers.
#include "policy/model/folder/weight_shards.h"

#include <array>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using TensorFiles = std::map<std::string, std::string>;  // tensor name -> file name

constexpr size_t kProblemsShown = 50;

// What the folder holds in place of safetensors.
absl::Status NoWeights(const std::string& folder) {
  constexpr std::array<std::string_view, 7> kForeign = {".gguf", ".bin", ".pt", ".pth",
                                                        ".ckpt", ".pkl", ".npz"};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension().string();
    for (const std::string_view foreign : kForeign) {
      if (extension != foreign) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(folder, ": found ", entry.path().filename().string(), ", expected ",
                       kWeightsFile, "; convert the weights to safetensors first"));
    }
  }
  return absl::NotFoundError(
      absl::StrCat(folder, ": found neither ", kWeightsFile, " nor ", kIndexFile));
}

// A link could name any file of the machine. The Hugging Face cache alone keeps its files in
// ../../blobs and links to them.
absl::Status CheckLink(const std::string& folder, const std::string& name) {
  const fs::path path = fs::path(folder) / name;
  std::error_code error;
  if (!fs::is_symlink(path, error)) return absl::OkStatus();
  const fs::path target = fs::weakly_canonical(path, error);
  const fs::path home = fs::weakly_canonical(fs::path(folder), error);
  const fs::path blobs = home.parent_path().parent_path() / "blobs";
  if (target.parent_path() == home || target.parent_path() == blobs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path.string(), ": found a symbolic link to ",
                                                 target.string(),
                                                 ", expected a file in this folder"));
}

void CheckIndex(const TensorFiles& listed, const TensorFiles& found,
                std::vector<std::string>& problems) {
  for (const auto& [name, file] : listed) {
    const auto at = found.find(name);
    if (at == found.end()) {
      problems.push_back(absl::StrCat(name, " is listed in ", file, ", found in no file"));
    } else if (at->second != file) {
      problems.push_back(absl::StrCat(name, " is listed in ", file, ", found in ", at->second));
    }
  }
  for (const auto& [name, file] : found) {
    if (listed.contains(name)) continue;
    problems.push_back(absl::StrCat(name, " of ", file, " is not listed"));
  }
}

}  // namespace

absl::StatusOr<TensorFiles> ParseShardIndex(std::string_view text, std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(const Json index, ParseJson(text, place));
  const Json map = index.is_object() ? index.value("weight_map", Json()) : Json();
  if (!map.is_object() || map.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(place), ": weight_map: expected tensor names with their files"));
  }
  TensorFiles files;
  for (const auto& [name, value] : map.items()) {
    const std::string file = value.is_string() ? value.get<std::string>() : "";
    const bool plain = file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos &&
                       !file.starts_with('.') && file.size() <= 255;
    if (!plain || !file.ends_with(".safetensors")) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::string(place), ": weight_map: ", Json(name).dump(), ": found ",
                       value.dump(), ", expected the name of a safetensors file in this folder"));
    }
    files.emplace(name, file);
  }
  return files;
}

absl::Status TensorProblems(std::string_view place, std::string_view words,
                            std::vector<std::string> problems) {
  const size_t count = problems.size();
  if (count > kProblemsShown) {
    problems.resize(kProblemsShown);
    problems.push_back(absl::StrCat("and ", count - kProblemsShown, " more"));
  }
  return absl::InvalidArgumentError(absl::StrCat(std::string(place), ": ", count, " tensor(s) ",
                                                 std::string(words), ": ",
                                                 absl::StrJoin(problems, "; ")));
}

absl::StatusOr<WeightShards> WeightShards::Open(const std::string& folder) {
  const std::string index_path = JoinPath(folder, kIndexFile);
  const bool indexed = !Exists(JoinPath(folder, kWeightsFile));
  if (indexed && !Exists(index_path)) return NoWeights(folder);
  WeightShards shards(folder, indexed);
  TensorFiles listed;
  std::set<std::string> names = {kWeightsFile};
  if (indexed) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(index_path));
    TEMPER_ASSIGN_OR_RETURN(listed, ParseShardIndex(text, index_path));
    names.clear();
    for (const auto& [tensor, file] : listed) names.insert(file);
  }
  TensorFiles found;
  std::vector<std::string> problems;
  for (const std::string& name : names) {
    TEMPER_RETURN_IF_ERROR(CheckLink(folder, name));
    TEMPER_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(JoinPath(folder, name)));
    for (const TensorEntry& entry : file.entries()) {
      const auto [at, fresh] = found.emplace(entry.name, name);
      if (fresh) continue;
      problems.push_back(absl::StrCat(entry.name, " is in ", at->second, " and in ", name));
    }
    shards.files_.push_back(std::move(file));
  }
  if (indexed) CheckIndex(listed, found, problems);
  if (problems.empty()) return shards;
  return TensorProblems(index_path, "are not where the index says", std::move(problems));
}

}  // namespace temper::model
