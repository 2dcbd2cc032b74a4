// A language model's folder but for three members of config.json and one tensor.
#include "policy/model/reward_folder.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "policy/model/folder/config_text.h"
#include "policy/model/folder/model_folder_writer.h"
#include "policy/model/folder/weight_source.h"
#include "policy/model/parameters.h"

namespace temper::model {
namespace {

// What transformers calls the family's classes.
const char* ClassPrefix(Family family) {
  switch (family) {
    case Family::kNemotronH:
      return "NemotronH";
    case Family::kQwen2:
      return "Qwen2";
    case Family::kQwen3:
      return "Qwen3";
    case Family::kLlama:
      return "Llama";
    case Family::kNemotronNas:
      return "DeciLM";
  }
  TEMPER_CHECK(false);
}

}  // namespace

absl::StatusOr<ModelConfig> WithRewardHead(const ModelConfig& config, const std::string& place) {
  if (config.reward_head) return config;
  std::string json = WithoutMember(config.json, "num_labels");
  json = WithMember(json, "label2id", R"({"LABEL_0": 0})");
  json = WithMember(json, "id2label", R"({"0": "LABEL_0"})");
  json =
      WithMember(json, "architectures",
                 absl::StrCat("[\"", ClassPrefix(config.family), "ForSequenceClassification\"]"));
  return ParseModelConfig(json, place);
}

absl::Status InitializeRewardFolder(const std::string& config_path, uint64_t seed,
                                    const std::string& target) {
  TEMPER_ASSIGN_OR_RETURN(const ModelConfig given, ReadModelConfig(config_path));
  TEMPER_ASSIGN_OR_RETURN(const ModelConfig config, WithRewardHead(given, config_path));
  const ParameterLayout layout(config);
  std::vector<float> values(layout.size());
  Initialize(config, layout, seed, values);
  return WriteModelFolder(target, Dirname(config_path), config, layout, values);
}

absl::Status MakeRewardFolder(const std::string& source, uint64_t seed, const std::string& target) {
  const std::string place = JoinPath(source, "config.json");
  TEMPER_ASSIGN_OR_RETURN(const ModelConfig language, ReadModelConfig(place));
  TEMPER_RETURN_IF_ERROR(CheckLanguageModel(language, source));
  TEMPER_ASSIGN_OR_RETURN(const ModelConfig config, WithRewardHead(language, place));
  const ParameterLayout from(language), to(config);
  TEMPER_ASSIGN_OR_RETURN(const WeightSource weights, WeightSource::Open(source, from.specs()));
  // The head is the last tensor of both, if the language model has one of its own.
  const size_t head = to.specs().size() - 1;
  TEMPER_CHECK(from.specs().size() >= head && to.specs()[head].offset == to.head());
  const auto read = [&](size_t i, int64_t first, kernels::View<float> rows) {
    if (i == head) {
      InitializePart(config, to.specs()[i], seed, first * rows.cols,
                     {rows.data, static_cast<size_t>(rows.rows * rows.cols)});
      return absl::OkStatus();
    }
    TEMPER_CHECK(from.specs()[i].name == to.specs()[i].name);
    absl::Status status = weights.Read(i, first, rows);
    weights.Release(i, first, rows.rows);
    return status;
  };
  return WriteModelFolder(target, {.source = source}, config.json, to.specs(), read);
}

}  // namespace temper::model
