// The controller's questions about models, answered by the model's own code.
#include "orchestrator/cli/run_models.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/run_folder.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/footprint.h"
#include "policy/model/memory_plan.h"
#include "policy/model/reward_folder.h"

namespace temper::cli {
namespace {

using orchestrator::ResolvedSpec;
using orchestrator::RunPlace;

absl::StatusOr<model::ModelConfig> ConfigOf(const ResolvedSpec& resolved) {
  const v1::RunSpec& spec = resolved.spec;
  const std::string path =
      spec.model().empty() ? spec.init() : JoinPath(spec.model(), "config.json");
  TEMPER_ASSIGN_OR_RETURN(model::ModelConfig config, model::ReadModelConfig(path));
  if (resolved.makes_reward_model()) return model::WithRewardHead(config, path);
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(config, path));
  return config;
}

RunPlace PlaceOf(RunFolder folder) {
  return {std::move(folder.dir), std::move(folder.model_dir), std::move(folder.spec)};
}

}  // namespace

absl::StatusOr<RunPlace> LinkedModels::Open(const std::string& dir) {
  TEMPER_ASSIGN_OR_RETURN(RunFolder folder, OpenRunFolder(dir));
  return PlaceOf(std::move(folder));
}

absl::StatusOr<RunPlace> LinkedModels::Prepare(const ResolvedSpec& spec, const std::string& dir) {
  TEMPER_ASSIGN_OR_RETURN(RunFolder folder, MakeRunFolder(spec, dir));
  return PlaceOf(std::move(folder));
}

absl::StatusOr<std::string> LinkedModels::CheckModel(const ResolvedSpec& spec) {
  TEMPER_ASSIGN_OR_RETURN(const model::ModelConfig config, ConfigOf(spec));
  const std::string folder =
      spec.spec.model().empty() ? Dirname(spec.spec.init()) : spec.spec.model();
  if (!Exists(JoinPath(folder, "tokenizer.json"))) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": no tokenizer.json; a run needs one to turn prompts into tokens"));
  }
  return absl::StrCat(model::FootprintOf(config).total, " parameters");
}

// The learner holds float32 values, gradients and both moments beside the weights it computes with;
// a rollout worker the weights, the next version's while it takes them, and its sequences.
absl::StatusOr<orchestrator::ModelMemory> LinkedModels::Memory(const ResolvedSpec& spec) {
  TEMPER_ASSIGN_OR_RETURN(const model::ModelConfig config, ConfigOf(spec));
  const model::Footprint footprint = model::FootprintOf(config);
  const model::WeightDtype dtype =
      spec.spec.dtype() == "bfloat16" ? model::kBfloat16 : model::kFloat32;
  const int64_t packed = model::BytesOf(footprint.total, dtype);
  const int64_t values = model::BytesOf(footprint.total, model::kFloat32);
  const int64_t sequences =
      spec.spec.fleet().sequences_max() *
      model::SequenceBytes(footprint, model::kFloat32, spec.spec.max_tokens());
  return orchestrator::ModelMemory{.learner = 4 * values + packed,
                                   .rollout = 2 * packed + sequences};
}

absl::StatusOr<orchestrator::RunModels::TokenTexts> LinkedModels::Tokens(
    const std::string& model_dir) {
  {
    MutexLock lock(mutex_);
    if (tokens_of_ == model_dir) return tokens_;
  }
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<model::Tokenizer> read,
                          model::Tokenizer::Read(JoinPath(model_dir, "tokenizer.json")));
  const std::shared_ptr<const model::Tokenizer> tokenizer = std::move(read);
  const TokenTexts texts([tokenizer](const std::vector<int32_t>& tokens) {
    std::vector<std::string> bytes;
    for (const int32_t token : tokens) {
      bytes.emplace_back(tokenizer->TokenBytes(token, /*skip_special_tokens=*/false));
    }
    return bytes;
  });
  MutexLock lock(mutex_);
  tokens_of_ = model_dir;
  tokens_ = texts;
  return texts;
}

}  // namespace temper::cli
