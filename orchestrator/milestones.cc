// What is recorded when a batch, an evaluation, a step or the run is complete.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/advantage.h"
#include "orchestrator/graph_step.h"
#include "orchestrator/run_state.h"
#include "orchestrator/train_options.h"

namespace temper::orchestrator {
namespace {

constexpr int kSkippedMax = 3;

struct Moments {
  double mean = 0;
  double deviation = 0;  // of the population
};

Moments MomentsOf(const std::vector<double>& values) {
  Moments moments;
  if (values.empty()) return moments;
  const double count = static_cast<double>(values.size());
  for (const double value : values) moments.mean += value / count;
  double squares = 0;
  for (const double value : values) squares += (value - moments.mean) * (value - moments.mean);
  moments.deviation = std::sqrt(squares / count);
  return moments;
}

std::vector<double> ScoresOf(const GatheredGroup& group) {
  std::vector<double> scores;
  for (const GatheredSample& sample : group.samples) scores.push_back(sample.score);
  return scores;
}

// Greedy: one sample of each problem.
v1::EvaluationResult MeasureEvaluation(const std::deque<GatheredGroup>& groups) {
  v1::EvaluationResult result;
  double score = 0;
  int64_t tokens = 0;
  for (const GatheredGroup& group : groups) {
    if (group.dropped) continue;  // our failure is nobody's wrong answer
    result.set_problems(result.problems() + 1);
    score += group.samples.front().score;
    tokens += group.samples.front().tokens;
  }
  if (result.problems() == 0) return result;
  const double problems = static_cast<double>(result.problems());
  result.set_accuracy(score / problems);
  result.set_length_mean(static_cast<double>(tokens) / problems);
  return result;
}

}  // namespace

// Sample order, never arrival order: groups as they were opened, samples by number.
void RunCore::State::FixBatchOfStep() {
  if (gathering_.environment() != nullptr) return FixGraphBatch();
  FixBatch batch{.step = board_.version, .options = TrainOptionsAt(board_.spec, board_.version)};
  for (const GatheredGroup& group : gathering_.groups()) {
    if (group.dropped) continue;
    const std::vector<double> advantages =
        Advantages(board_.spec.spec.advantage(), ScoresOf(group));
    for (size_t k = 0; k < advantages.size(); ++k) {
      batch.entries.push_back({group.group.id(), static_cast<int>(k), advantages[k]});
    }
  }
  if (batch.entries.empty()) {
    board_.Fail(
        absl::StrCat(board_.StepName(), ": every group was dropped; the notes of the run say why"));
    return;
  }
  MeasureStep();
  batch_fixed_ = true;
  board_.Record(std::move(batch));
}

void RunCore::State::MeasureStep() {
  std::vector<double> rewards;
  int64_t tokens = 0, without_signal = 0;
  for (const GatheredGroup& group : gathering_.groups()) {
    if (group.dropped) continue;
    const std::vector<double> scores = ScoresOf(group);
    if (WithoutSignal(scores)) ++without_signal;
    rewards.insert(rewards.end(), scores.begin(), scores.end());
    for (const GatheredSample& sample : group.samples) tokens += sample.tokens;
  }
  const Moments moments = MomentsOf(rewards);
  step_.Clear();
  step_.set_groups_without_signal(without_signal);
  step_.set_reward_mean(moments.mean);
  step_.set_reward_std(moments.deviation);
  step_.set_length_mean(static_cast<double>(tokens) / static_cast<double>(rewards.size()));
  MeasureTimes();
}

void RunCore::State::MeasureTimes() {
  v1::StepSeconds& seconds = *step_.mutable_seconds();
  seconds.set_sync(absl::ToDoubleSeconds(gathering_.leased_at() - gathering_.opened_at()));
  seconds.set_rollout(absl::ToDoubleSeconds(gathering_.generated_at() - gathering_.leased_at()));
  seconds.set_reward(absl::ToDoubleSeconds(board_.now - gathering_.generated_at()));
  step_from_ = gathering_.opened_at();
  scored_at_ = board_.now;
}

void RunCore::State::FinishEvaluation() {
  v1::EvaluationResult result =
      gathering_.environment() != nullptr
          ? ConcludeEvaluation(*gathering_.environment(), gathering_.groups())
          : MeasureEvaluation(gathering_.groups());
  if (result.problems() == 0) {
    board_.Fail("every problem of the evaluation was dropped; the notes of the run say why");
    return;
  }
  result.set_version(board_.version);
  result.set_step(board_.policy_step());
  evaluated_.insert(board_.version);
  if (last_.version() == board_.version) last_.set_eval_accuracy(result.accuracy());
  board_.Record(RecordEvaluation{result});
  v1::RunEvent event;
  *event.mutable_evaluation() = std::move(result);
  board_.Publish(std::move(event));
  step_from_ = scored_at_ = board_.now;
}

void RunCore::State::RecordTrained(const v1::TrainResponse& response) {
  const v1::TrainMetrics& metrics = response.metrics();
  const bool warm_start = board_.InWarmStart();
  step_.set_stage(warm_start ? "warm_start" : "policy");
  step_.set_step(warm_start ? board_.version + 1 : board_.policy_step() + 1);
  step_.set_version(board_.version + 1);
  step_.set_loss(metrics.loss());
  step_.set_entropy(metrics.entropy());
  step_.set_kl(metrics.kl());
  step_.set_clip_fraction(metrics.clip_fraction());
  step_.set_grad_norm(metrics.grad_norm());
  step_.set_logprob_mismatch(metrics.logprob_mismatch());
  step_.set_learning_rate(metrics.learning_rate());
  step_.set_tokens(metrics.tokens());
  step_.set_expert_load_max(metrics.expert_load_max());
  step_.set_experts_idle(metrics.experts_idle());
  step_.set_pair_accuracy(metrics.pair_accuracy());
  step_.set_pair_margin(metrics.pair_margin());
  if (metrics.has_held_out_accuracy()) {
    step_.set_held_out_accuracy(metrics.held_out_accuracy());
  }
  v1::StepSeconds& seconds = *step_.mutable_seconds();
  seconds.set_train(absl::ToDoubleSeconds(board_.now - scored_at_));
  seconds.set_total(absl::ToDoubleSeconds(board_.now - step_from_));
  if (seconds.total() > 0) {
    step_.set_tokens_per_second(static_cast<double>(step_.tokens()) / seconds.total());
  }
  const std::string digest = ManifestDigest(response.manifest());
  board_.Record(RecordStep{board_.version, step_, digest, metrics.skipped()});
  learner_.Remember(board_.version + 1, digest);
  v1::RunEvent event;
  *event.mutable_step() = step_;
  board_.Publish(std::move(event));
  last_ = std::exchange(step_, v1::StepMetrics());
  skipped_in_a_row_ = metrics.skipped() ? skipped_in_a_row_ + 1 : 0;
  if (skipped_in_a_row_ >= kSkippedMax) {
    board_.Fail(absl::StrCat(board_.StepName(), ": the update was skipped ", kSkippedMax,
                             " times in a row because the loss or a gradient was not finite"));
  }
  ++board_.version;
  board_.ApplyAlterations();
  batch_fixed_ = false;
  step_from_ = scored_at_ = board_.now;
}

void RunCore::State::FinishRun() {
  if (!board_.failure.empty() || !board_.LastVersion()) return;
  if (EvaluationDue() || learner_.CheckpointDue()) return;
  const RecoveredCheckpoint& last = learner_.checkpoints().at(board_.version);
  End(v1::RUN_STATE_DONE, absl::StrCat("model.safetensors has SHA-256 ", last.sha256), last.path);
}

void RunCore::State::End(v1::RunState state, const std::string& reason,
                         const std::string& model_dir, const std::string& who) {
  gathering_.CancelAll();
  ended_ = true;
  v1::RunEvent change;
  change.set_who(who);
  change.mutable_state_change()->set_before(run_state_);
  change.mutable_state_change()->set_after(state);
  change.mutable_state_change()->set_reason(reason);
  board_.Publish(std::move(change));
  run_state_ = state;
  reason_ = reason;
  board_.Record(RecordState{state, reason, model_dir});
  v1::RunEnded ended;
  ended.set_state(state);
  ended.set_reason(reason);
  ended.set_model_dir(model_dir);
  v1::RunEvent event;
  *event.mutable_ended() = ended;
  event.set_who(who);
  board_.Publish(std::move(event));
  board_.Do(EndRun{std::move(ended)});
}

}  // namespace temper::orchestrator
