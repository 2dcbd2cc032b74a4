// Loading, defaults and resuming of specs; spec_check.cc has the rules, explain.cc the words.
#include "orchestrator/spec.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "orchestrator/objective_preset.h"
#include "orchestrator/spec_check.h"

namespace temper::orchestrator {
namespace {

void Default(std::string* field, std::string_view value) {
  if (field->empty()) *field = value;
}

// The one list of defaults; the comments of run_spec.proto repeat it for readers.
#define TEMPER_DEFAULT(message, field, value) \
  if (!(message).has_##field()) (message).set_##field(value)

void FillObjective(v1::RunSpec& spec) {
  Default(spec.mutable_algorithm(), "grpo");
  const ObjectivePreset* preset = FindPreset(spec.algorithm());
  // An unknown algorithm is reported by the check; its knobs take grpo's values meanwhile.
  if (preset == nullptr) preset = FindPreset("grpo");
  Default(spec.mutable_advantage(), preset->advantage);
  Default(spec.mutable_aggregation(), preset->aggregation);
  TEMPER_DEFAULT(spec, clip_low, preset->clip_low);
  TEMPER_DEFAULT(spec, clip_high, preset->clip_high);
  TEMPER_DEFAULT(spec, prompts_per_step, 8);
  TEMPER_DEFAULT(spec, group_size, 8);
  TEMPER_DEFAULT(spec, max_tokens, 256);
  TEMPER_DEFAULT(spec, temperature, 1.0);
  TEMPER_DEFAULT(spec, learning_rate, 1e-6);
  TEMPER_DEFAULT(spec, kl, 0.0);
  TEMPER_DEFAULT(spec, tokens_per_micro_batch, 4096);
  Default(spec.mutable_on_logprob_mismatch(), "stop");
}

void FillOptimizer(v1::Optimizer& optimizer) {
  TEMPER_DEFAULT(optimizer, beta1, 0.9);
  TEMPER_DEFAULT(optimizer, beta2, 0.95);
  TEMPER_DEFAULT(optimizer, epsilon, 1e-8);
  TEMPER_DEFAULT(optimizer, weight_decay, 0.0);
  TEMPER_DEFAULT(optimizer, clip_norm, 1.0);
  TEMPER_DEFAULT(optimizer, warmup_steps, 0);
  Default(optimizer.mutable_decay(), "constant");
}

void FillWarmStart(v1::WarmStart& stage) {
  TEMPER_DEFAULT(stage, steps, 100);
  TEMPER_DEFAULT(stage, batch_size, 32);
  TEMPER_DEFAULT(stage, learning_rate, 1e-3);
  TEMPER_DEFAULT(stage, warmup_steps, 0);
  Default(stage.mutable_decay(), "constant");
  Default(stage.mutable_dataset()->mutable_template_(), "{prompt}");
  Default(stage.mutable_objective(), "sft");
  if (stage.objective() == "reward_model") {
    Default(stage.mutable_preference_loss(), "bradley_terry");
  }
  if (stage.has_held_out()) {
    TEMPER_DEFAULT(*stage.mutable_held_out(), every, 10);
    Default(stage.mutable_held_out()->mutable_template_(), "{prompt}");
  }
}

void FillFleet(v1::RunSpec& spec) {
  v1::Fleet& fleet = *spec.mutable_fleet();
  TEMPER_DEFAULT(fleet, rollout_workers, 1);
  TEMPER_DEFAULT(fleet, rollout_threads, 0);
  TEMPER_DEFAULT(fleet, learner_threads, 0);
  TEMPER_DEFAULT(fleet, sequences_max, 64);
  TEMPER_DEFAULT(fleet, prefill_chunk, 512);
  v1::CheckpointPolicy& checkpoint = *spec.mutable_checkpoint();
  TEMPER_DEFAULT(checkpoint, every, 10);
  TEMPER_DEFAULT(checkpoint, keep, 2);
}

void FillDefaults(v1::RunSpec& spec) {
  Default(spec.mutable_dtype(), "float32");
  Default(spec.mutable_device(), "auto");
  FillObjective(spec);
  FillOptimizer(*spec.mutable_optimizer());
  TEMPER_DEFAULT(*spec.mutable_experts(), balance_rate, 1e-3);
  FillFleet(spec);
  if (spec.has_dataset()) Default(spec.mutable_dataset()->mutable_template_(), "{prompt}");
  if (spec.has_warm_start()) FillWarmStart(*spec.mutable_warm_start());
  if (spec.has_evaluate()) {
    TEMPER_DEFAULT(*spec.mutable_evaluate(), every, 10);
    Default(spec.mutable_evaluate()->mutable_template_(), "{prompt}");
  }
  for (v1::RubricPart& part : *spec.mutable_rubric()->mutable_parts()) {
    TEMPER_DEFAULT(part, weight, 1.0);
    if (part.verifier() == "answer") Default(part.mutable_extract(), "auto");
  }
}

#undef TEMPER_DEFAULT

void ResolvePath(std::string* path, const std::string& folder) {
  if (path->empty()) return;
  std::error_code ignored;  // without a working folder the name stays as it is
  const std::string joined = JoinPath(folder, *path);
  const std::filesystem::path absolute = std::filesystem::absolute(joined, ignored);
  *path = ignored ? joined : absolute.lexically_normal().string();
}

void ResolvePaths(v1::RunSpec& spec, const std::string& folder) {
  ResolvePath(spec.mutable_model(), folder);
  ResolvePath(spec.mutable_init(), folder);
  if (spec.has_dataset()) ResolvePath(spec.mutable_dataset()->mutable_path(), folder);
  if (spec.has_warm_start()) {
    v1::WarmStart& stage = *spec.mutable_warm_start();
    ResolvePath(stage.mutable_dataset()->mutable_path(), folder);
    if (stage.has_held_out()) ResolvePath(stage.mutable_held_out()->mutable_path(), folder);
  }
  if (spec.has_environment()) ResolvePath(spec.mutable_environment()->mutable_graph(), folder);
  if (spec.has_evaluate()) ResolvePath(spec.mutable_evaluate()->mutable_path(), folder);
}

absl::Status Refusal(const std::vector<SpecProblem>& problems) {
  bool only_files = true;
  std::vector<std::string> lines;
  for (const SpecProblem& problem : problems) {
    only_files = only_files && problem.file_missing;
    lines.push_back(problem.text);
  }
  return absl::Status(only_files ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
                      absl::StrJoin(lines, "\n"));
}

}  // namespace

absl::StatusOr<ResolvedSpec> ResolveSpec(v1::RunSpec given, const std::string& folder) {
  ResolvedSpec resolved{.spec = given, .given = std::move(given)};
  const bool has_rubric = resolved.spec.has_rubric();
  FillDefaults(resolved.spec);
  if (!has_rubric) resolved.spec.clear_rubric();
  ResolvePaths(resolved.spec, folder);
  const std::vector<SpecProblem> problems = FindSpecProblems(resolved.spec);
  if (!problems.empty()) return Refusal(problems);
  return resolved;
}

absl::StatusOr<ResolvedSpec> LoadSpec(const std::string& path,
                                      const std::vector<std::string>& settings) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  v1::RunSpec given;
  TEMPER_RETURN_IF_ERROR(ParseJsonConfig(text, path, given));
  for (const std::string& setting : settings) {
    TEMPER_RETURN_IF_ERROR(ApplySetting(setting, given));
  }
  absl::StatusOr<ResolvedSpec> resolved = ResolveSpec(std::move(given), Dirname(path));
  if (resolved.ok()) return resolved;
  std::string message = absl::StrCat(path, ": ", std::string(resolved.status().message()));
  for (size_t at = 0; (at = message.find('\n', at)) != std::string::npos; ++at) {
    message.replace(at, 1, absl::StrCat("\n", path, ": "));
  }
  return absl::Status(resolved.status().code(), message);
}

absl::Status CheckResumable(const v1::RunSpec& before, const v1::RunSpec& now) {
  v1::RunSpec left = before, right = now;
  for (v1::RunSpec* spec : {&left, &right}) {
    spec->clear_fleet();
    spec->clear_checkpoint();
    // The ledger compares the files themselves, by digest.
    if (spec->has_dataset()) spec->mutable_dataset()->clear_path();
    if (spec->has_evaluate()) spec->mutable_evaluate()->clear_path();
    if (spec->has_environment()) spec->mutable_environment()->clear_graph();
    if (!spec->has_warm_start()) continue;
    v1::WarmStart& stage = *spec->mutable_warm_start();
    stage.mutable_dataset()->clear_path();
    if (stage.has_held_out()) stage.mutable_held_out()->clear_path();
    Default(stage.mutable_objective(), "sft");  // runs from before there was another
  }
  google::protobuf::util::MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  if (differencer.Compare(left, right)) return absl::OkStatus();
  while (!difference.empty() && difference.back() == '\n') difference.pop_back();
  return absl::FailedPreconditionError(
      absl::StrCat("the run was started with another spec: ", difference,
                   "; restore it, or start a new run in another --dir"));
}

}  // namespace temper::orchestrator
