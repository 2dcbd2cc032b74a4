// Opens and reads model folders; what is wrong with one is said in one message.
#include "policy/model/folder/model_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/folder/weight_source.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kSlabFloats = 1 << 20;

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

// Some rows of one tensor: what one thread reads at a time.
struct Slab {
  size_t tensor = 0;
  int64_t first = 0, rows = 0;
};

std::vector<Slab> CutIntoSlabs(const WeightSource& source, size_t tensors) {
  std::vector<Slab> slabs;
  for (size_t i = 0; i < tensors; ++i) {
    const int64_t step = std::max<int64_t>(1, kSlabFloats / std::max<int64_t>(1, source.cols(i)));
    for (int64_t first = 0; first < source.rows(i); first += step) {
      slabs.push_back({i, first, std::min(step, source.rows(i) - first)});
    }
  }
  return slabs;
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
  const std::span<const ParameterSpec> specs = layout.specs();
  TEMPER_ASSIGN_OR_RETURN(const WeightSource source, WeightSource::Open(path, specs));
  std::ranges::fill(values, 0.0f);  // the gaps between tensors
  const std::vector<Slab> slabs = CutIntoSlabs(source, specs.size());
  std::vector<absl::Status> statuses(slabs.size());
  const auto read = [&](int64_t k) {
    const auto& [i, first, rows] = slabs[k];
    float* to = values.data() + specs[i].offset + first * source.cols(i);
    statuses[k] = source.Read(i, first, {to, rows, source.cols(i)});
    source.Release(i, first, rows);
  };
  ForEachInParallel(static_cast<int64_t>(slabs.size()), 1 + layout.size() / kSlabFloats, read);
  for (const absl::Status& status : statuses) TEMPER_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, int64_t>> CountWeights(const std::string& path,
                                                            const ParameterLayout& layout) {
  TEMPER_ASSIGN_OR_RETURN(const WeightSource source, WeightSource::Open(path, layout.specs()));
  std::map<std::string, int64_t> counts;
  for (size_t i = 0; i < layout.specs().size(); ++i) {
    counts[source.Format(i)] += layout.specs()[i].size;
  }
  return counts;
}

}  // namespace temper::model
