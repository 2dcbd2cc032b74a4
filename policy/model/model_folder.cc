// Opens, reads and writes model folders; what is wrong with one is said in one message.
#include "policy/model/model_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/safetensors.h"
#include "policy/model/safetensors_writer.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kWeights[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr size_t kProblemsShown = 50;

// Carried along unchanged when a model is saved.
constexpr std::array<const char*, 5> kCarried = {"tokenizer.json", "tokenizer_config.json",
                                                 "special_tokens_map.json",
                                                 "generation_config.json", "chat_template.jinja"};

// eos ids of generation_config.json join those of config.json.
absl::Status MergeGenerationConfig(const std::string& path, ModelConfig& config) {
  if (!Exists(path)) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  TEMPER_ASSIGN_OR_RETURN(const Json object, ParseJson(text, path));
  if (!object.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected an object {...}"));
  }
  const Json eos = object.value("eos_token_id", Json());
  const Json list = eos.is_array() ? eos : eos.is_null() ? Json::array() : Json::array({eos});
  for (const Json& value : list) {
    const bool good = value.is_number_unsigned() &&
                      value.get<uint64_t>() < static_cast<uint64_t>(config.vocab_size);
    if (!good) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": eos_token_id: found ", value.dump(),
                                                     ", expected a token id below ",
                                                     config.vocab_size));
    }
    const int32_t id = value.get<int32_t>();
    if (std::ranges::find(config.eos_token_ids, id) == config.eos_token_ids.end()) {
      config.eos_token_ids.push_back(id);
    }
  }
  return absl::OkStatus();
}

// The name as ParameterLayout spells it.
std::string CanonicalName(std::string name) {
  constexpr std::string_view kOther = "model.", kOurs = "backbone.";
  if (name.starts_with(kOther)) name = absl::StrCat(kOurs.data(), name.substr(kOther.size()));
  if (name == "backbone.embedding.weight" || name == "backbone.embed_tokens.weight") {
    return "backbone.embeddings.weight";
  }
  return name;
}

// What the folder holds in place of safetensors.
absl::Status NoWeights(const std::string& path) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".gguf" || extension == ".bin" || extension == ".pt" || extension == ".pth") {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": found ", entry.path().filename().string(), ", expected ", kWeights,
                       "; convert the weights to safetensors first"));
    }
  }
  return absl::NotFoundError(absl::StrCat(path, ": found neither ", kWeights, " nor ", kIndex));
}

// Names of the shards that the index lists, each once.
absl::StatusOr<std::set<std::string>> ShardsOf(const std::string& index_path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(index_path));
  TEMPER_ASSIGN_OR_RETURN(const Json index, ParseJson(text, index_path));
  const Json map = index.is_object() ? index.value("weight_map", Json()) : Json();
  if (!map.is_object() || map.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(index_path, ": weight_map: expected tensor names with their files"));
  }
  std::set<std::string> shards;
  for (const auto& [name, file] : map.items()) {
    const std::string shard = file.is_string() ? file.get<std::string>() : "";
    if (shard.empty() || shard.find('/') != std::string::npos || shard.starts_with('.')) {
      return absl::InvalidArgumentError(absl::StrCat(index_path, ": weight_map: ", name, ": found ",
                                                     file.dump(),
                                                     ", expected a file in this folder"));
    }
    shards.insert(shard);
  }
  return shards;
}

absl::StatusOr<std::vector<SafetensorsFile>> OpenShards(const std::string& path) {
  std::set<std::string> names;
  if (Exists(JoinPath(path, kWeights))) {
    names.insert(kWeights);
  } else if (Exists(JoinPath(path, kIndex))) {
    TEMPER_ASSIGN_OR_RETURN(names, ShardsOf(JoinPath(path, kIndex)));
  } else {
    return NoWeights(path);
  }
  std::vector<SafetensorsFile> shards;
  for (const std::string& name : names) {
    TEMPER_ASSIGN_OR_RETURN(SafetensorsFile shard, SafetensorsFile::Open(JoinPath(path, name)));
    shards.push_back(std::move(shard));
  }
  return shards;
}

struct Place {
  const SafetensorsFile* file = nullptr;
  const TensorEntry* entry = nullptr;
};

// Finds every tensor of the layout; what does not fit is listed in `problems`.
std::vector<Place> Match(const std::vector<SafetensorsFile>& shards, const ParameterLayout& layout,
                         std::vector<std::string>& problems) {
  const bool hybrid = layout.specs().front().name.starts_with("backbone.");
  std::map<std::string, Place> found;
  for (const SafetensorsFile& file : shards) {
    for (const TensorEntry& entry : file.entries()) {
      const std::string name = hybrid ? CanonicalName(entry.name) : entry.name;
      if (!found.emplace(name, Place{&file, &entry}).second) {
        problems.push_back(absl::StrCat(entry.name, " stands there twice"));
      }
    }
  }
  std::vector<Place> places;
  for (const ParameterSpec& spec : layout.specs()) {
    const auto at = found.find(spec.name);
    if (at == found.end()) {
      problems.push_back(
          absl::StrCat(spec.name, " is missing, expected shape ", ShapeText(spec.shape)));
      continue;
    }
    places.push_back(at->second);
    if (at->second.entry->shape != spec.shape) {
      problems.push_back(absl::StrCat(spec.name, " has shape ", ShapeText(at->second.entry->shape),
                                      ", expected ", ShapeText(spec.shape)));
    }
    found.erase(at);
  }
  for (const auto& [name, place] : found) {
    problems.push_back(absl::StrCat(place.entry->name, " is not expected by config.json"));
  }
  return places;
}

absl::Status Problems(const std::string& path, std::vector<std::string> problems) {
  const size_t count = problems.size();
  if (count > kProblemsShown) {
    problems.resize(kProblemsShown);
    problems.push_back(absl::StrCat("and ", count - kProblemsShown, " more"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", count, " tensor(s) do not fit: ", absl::StrJoin(problems, "; ")));
}

absl::Status Fill(const std::string& folder, const std::string& source, const ModelConfig& config,
                  const ParameterLayout& layout, std::span<const float> values) {
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "config.json"), config.json));
  for (const char* name : kCarried) {
    if (source.empty() || !Exists(JoinPath(source, name))) continue;
    TEMPER_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(JoinPath(source, name)));
    TEMPER_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, name), bytes));
  }
  std::vector<TensorToWrite> tensors;
  for (const ParameterSpec& spec : layout.specs()) {
    tensors.push_back({spec.name, spec.shape, values.subspan(spec.offset, spec.size)});
  }
  TEMPER_RETURN_IF_ERROR(WriteSafetensors(JoinPath(folder, kWeights), {{"format", "pt"}}, tensors));
  return SyncDirectory(folder);
}

}  // namespace

absl::StatusOr<ModelFolder> OpenModelFolder(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": no such folder; expected a model folder"));
  }
  ModelFolder folder;
  folder.path = path;
  TEMPER_ASSIGN_OR_RETURN(folder.config, ReadModelConfig(JoinPath(path, "config.json")));
  TEMPER_RETURN_IF_ERROR(
      MergeGenerationConfig(JoinPath(path, "generation_config.json"), folder.config));
  const std::string tokenizer_path = JoinPath(path, "tokenizer.json");
  if (!Exists(tokenizer_path)) return folder;
  TEMPER_ASSIGN_OR_RETURN(folder.tokenizer, Tokenizer::Read(tokenizer_path));
  if (folder.tokenizer->vocab_size() > folder.config.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        tokenizer_path, ": found token ids up to ", folder.tokenizer->vocab_size() - 1,
        ", expected ids below vocab_size = ", folder.config.vocab_size, " of config.json"));
  }
  return folder;
}

absl::Status ReadWeights(const std::string& path, const ParameterLayout& layout,
                         std::span<float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout.size());
  TEMPER_ASSIGN_OR_RETURN(const std::vector<SafetensorsFile> shards, OpenShards(path));
  std::vector<std::string> problems;
  const std::vector<Place> places = Match(shards, layout, problems);
  if (!problems.empty()) return Problems(path, std::move(problems));
  std::ranges::fill(values, 0.0f);  // the gaps between tensors
  for (size_t i = 0; i < places.size(); ++i) {
    const ParameterSpec& spec = layout.specs()[i];
    TEMPER_RETURN_IF_ERROR(
        places[i].file->ReadFloats(*places[i].entry, values.subspan(spec.offset, spec.size)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, int64_t>> CountWeights(const std::string& path,
                                                            const ParameterLayout& layout) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<SafetensorsFile> shards, OpenShards(path));
  std::vector<std::string> problems;
  const std::vector<Place> places = Match(shards, layout, problems);
  if (!problems.empty()) return Problems(path, std::move(problems));
  std::map<std::string, int64_t> counts;
  for (const Place& place : places) counts[place.entry->dtype] += place.entry->elements;
  return counts;
}

absl::Status WriteModelFolder(const std::string& path, const std::string& source,
                              const ModelConfig& config, const ParameterLayout& layout,
                              std::span<const float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout.size());
  std::error_code error;
  std::string target = fs::absolute(path, error).lexically_normal().string();
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  if (Exists(target) && !(fs::is_directory(target, error) && fs::is_empty(target, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": stands there already; expected a new or an empty folder"));
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(Dirname(target)));
  const std::string aside = absl::StrCat(target, ".tmp-", getpid());
  TEMPER_RETURN_IF_ERROR(RemoveAll(aside));
  auto remove_aside = absl::MakeCleanup([&aside] { RemoveAll(aside).IgnoreError(); });
  TEMPER_RETURN_IF_ERROR(MakeDirectories(aside));
  TEMPER_RETURN_IF_ERROR(Fill(aside, source, config, layout, values));
  if (std::rename(aside.c_str(), target.c_str()) != 0) {
    return ErrnoStatus(path, "cannot rename to");
  }
  std::move(remove_aside).Cancel();
  return SyncDirectory(Dirname(target));
}

}  // namespace temper::model
