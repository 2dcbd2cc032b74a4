// One epoch of each dataset. The order of the stages is the paper's (arXiv 2503.04378); it does not
// give sizes and rates, so these are ours to begin with.
#include "orchestrator/recipe/helpsteer3_specs.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace temper::recipe {
namespace {

// Steps that see every line once.
int32_t Epoch(int64_t lines, int64_t batch) {
  return static_cast<int32_t>(std::max<int64_t>(1, (lines + batch - 1) / batch));
}

v1::RunSpec Begun(const JobChoice& choice, const std::string& name) {
  v1::RunSpec spec;
  spec.set_name(absl::StrCat("helpsteer3-", name));
  spec.set_seed(choice.seed);
  spec.set_model(choice.model);
  spec.set_tokens_per_micro_batch(8192);
  return spec;
}

v1::WarmStart& Stage(v1::RunSpec& spec, const char* lines, int64_t count, int batch) {
  v1::WarmStart& stage = *spec.mutable_warm_start();
  stage.mutable_dataset()->set_path(lines);
  stage.set_batch_size(batch);
  stage.set_steps(Epoch(count, batch));
  stage.set_learning_rate(2e-6);
  stage.set_warmup_steps(std::min(10, stage.steps() / 10));
  stage.set_decay("cosine");
  return stage;
}

v1::RunSpec RewardModel(const JobChoice& choice) {
  v1::RunSpec spec = Begun(choice, "edit-reward-model");
  v1::WarmStart& stage = Stage(spec, kEditPairs, choice.pairs, choice.batch);
  stage.set_objective("reward_model");
  if (choice.held_out > 0) stage.mutable_held_out()->set_path(kHeldOutPairs);
  return spec;
}

v1::RunSpec Rloo(const JobChoice& choice, const std::string& edit_model) {
  v1::RunSpec spec = Begun(choice, "edit-rloo");
  spec.set_model(edit_model);
  spec.set_algorithm("rloo");
  spec.mutable_dataset()->set_path(kEditPrompts);
  v1::RubricPart& part = *spec.mutable_rubric()->add_parts();
  part.set_verifier("reward_model");
  part.mutable_reward_model()->set_rollout(choice.reward_model);
  spec.set_prompts_per_step(choice.batch);
  spec.set_group_size(4);
  spec.set_max_tokens(2048);
  spec.set_steps(Epoch(choice.prompts, choice.batch));
  spec.set_learning_rate(5e-7);
  spec.set_kl(0.01);
  return spec;
}

}  // namespace

std::string ModelOf(const v1::RunSpec& spec) {
  const int64_t version = spec.warm_start().steps() + spec.steps();
  return absl::StrFormat("runs/%s/checkpoints/step-%06d", spec.name(), version);
}

std::vector<Job> Helpsteer3Jobs(const JobChoice& choice) {
  v1::RunSpec feedback = Begun(choice, "feedback-sft");
  Stage(feedback, kFeedbackLines, choice.feedback, choice.batch);
  v1::RunSpec edit = Begun(choice, "edit-sft");
  Stage(edit, kEditLines, choice.edits, choice.batch);
  return {{"1-feedback-sft.json", feedback},
          {"2-edit-sft.json", edit},
          {"3-edit-reward-model.json", RewardModel(choice)},
          {"4-edit-rloo.json", Rloo(choice, ModelOf(edit))}};
}

}  // namespace temper::recipe
