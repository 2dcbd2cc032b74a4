// Curves first, then events, samples and spans.
#include "tests/fakes/made_run.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::fakes {
namespace {

constexpr int kGroups = 4;
constexpr int kGroupSize = 4;
constexpr int kEvaluateEvery = 10;
constexpr int kEvaluated = 6;

uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

MadeRun::MadeRun(const std::string& name, int64_t steps_total, int64_t created_ms,
                 int64_t steps_before)
    : step_(steps_before) {
  view_.set_name(name);
  view_.set_dir("runs/" + name);
  view_.set_step(steps_before);
  view_.set_steps(steps_total);
  view_.set_created_ms(created_ms);
  v1::RunSpec& spec = *view_.mutable_spec();
  spec.set_name(name);
  spec.set_seed(7);
  spec.set_init("config.json");
  spec.set_algorithm("grpo");
  spec.set_steps(static_cast<int32_t>(steps_total));
  spec.set_prompts_per_step(kGroups);
  spec.set_group_size(kGroupSize);
  spec.set_max_tokens(48);
  spec.set_temperature(1);
  spec.set_learning_rate(2e-4);
  spec.set_kl(0.01);
  spec.set_clip_low(0.2);
  spec.set_clip_high(0.2);
  spec.mutable_evaluate()->set_every(kEvaluateEvery);
  spec.mutable_evaluate()->set_path("held_out.jsonl");
  SetState(v1::RUN_STATE_SUBMITTED, "", "admin");
  AddEvent("").set_note("worker rollout-0 joined");
  AddEvent("").set_note("worker learner joined");
  SetState(v1::RUN_STATE_RUNNING, "", "");
}

double MadeRun::Chance(int64_t a, int64_t b, int64_t c) const {
  uint64_t x = Mix(static_cast<uint64_t>(a) * 1000003u + static_cast<uint64_t>(b) * 101u +
                   static_cast<uint64_t>(c));
  for (const char letter : view_.name()) x = Mix(x ^ static_cast<unsigned char>(letter));
  return static_cast<double>(x >> 11) * 0x1p-53;
}

bool MadeRun::live() const {
  return view_.state() != v1::RUN_STATE_STOPPED && view_.state() != v1::RUN_STATE_FAILED &&
         view_.state() != v1::RUN_STATE_DONE;
}

v1::RunEvent& MadeRun::AddEvent(const std::string& who) {
  v1::RunEvent& event = events_.emplace_back();
  event.set_sequence(static_cast<int64_t>(events_.size()));
  event.set_time_ms(now_ms() + static_cast<int64_t>(events_.size()) % 7);
  event.set_who(who);
  view_.set_sequence(event.sequence());
  return event;
}

void MadeRun::SetState(v1::RunState state, const std::string& reason, const std::string& who) {
  v1::StateChange& change = *AddEvent(who).mutable_state_change();
  change.set_before(view_.state());
  change.set_after(state);
  change.set_reason(reason);
  view_.set_state(state);
  view_.set_reason(reason);
  if (live()) return;
  v1::RunEnded& ended = *AddEvent(who).mutable_ended();
  ended.set_state(state);
  ended.set_reason(reason);
}

v1::CheckpointKept MadeRun::KeepCheckpoint(const std::string& who) {
  v1::CheckpointKept kept;
  kept.set_version(step_);
  kept.set_step(step_);
  kept.set_path(absl::StrCat(view_.dir(), "/checkpoints/step-", step_));
  kept.set_sha256(absl::StrCat(absl::Hex(Mix(static_cast<uint64_t>(step_)), absl::kZeroPad16)));
  *AddEvent(who).mutable_checkpoint() = kept;
  *view_.add_checkpoints() = kept;
  return kept;
}

v1::StepMetrics MadeRun::Metrics(int64_t step) const {
  const double x = std::min(1.0, static_cast<double>(step) / 120);
  const auto wobble = [&](int64_t which) { return Chance(step, which) - 0.5; };
  v1::StepMetrics metrics;
  metrics.set_step(step);
  metrics.set_version(step);
  const double reward = 0.12 + 0.8 / (1 + std::exp(-9 * (x - 0.4 - 0.1 * Chance(0))));
  metrics.set_reward_mean(std::clamp(reward + 0.09 * wobble(1), 0.0, 1.0));
  metrics.set_reward_std(0.12 + 0.3 * reward * (1 - reward) + 0.02 * wobble(2));
  metrics.set_length_mean(21 + 9 * x + 4 * wobble(3));
  metrics.set_entropy(1.5 * std::exp(-2.2 * x) + 0.08 * wobble(4));
  metrics.set_kl(0.04 * x + 0.004 * std::abs(wobble(5)));
  metrics.set_clip_fraction(0.02 * std::abs(wobble(6)));
  metrics.set_grad_norm(0.4 + 0.5 * std::exp(-3 * x) + 0.3 * std::abs(wobble(7)));
  metrics.set_tokens(1000 + static_cast<int64_t>(200 * wobble(8)));
  metrics.set_tokens_per_second(5200 + 700 * wobble(9));
  metrics.set_learning_rate(view_.spec().learning_rate() *
                            std::min(1.0, static_cast<double>(step) / 10));
  metrics.set_loss(0.02 * wobble(10));
  metrics.set_groups_without_signal(static_cast<int64_t>(3 * x));
  metrics.set_stage("policy");
  v1::StepSeconds& seconds = *metrics.mutable_seconds();
  seconds.set_rollout(0.9 + 0.2 * wobble(11));
  seconds.set_reward(0.12);
  seconds.set_train(0.6 + 0.1 * wobble(12));
  seconds.set_sync(0.06);
  seconds.set_total(1.7 + 0.3 * wobble(11));
  if (step % kEvaluateEvery == 0) metrics.set_eval_accuracy(std::min(1.0, reward * 0.95 + 0.02));
  return metrics;
}

void MadeRun::Advance() {
  if (view_.state() != v1::RUN_STATE_RUNNING || step_ >= view_.steps()) return;
  ++step_;
  view_.set_step(step_);
  *view_.mutable_last() = Metrics(step_);
  *AddEvent("").mutable_step() = view_.last();
  if (step_ % kEvaluateEvery == 0) {
    v1::EvaluationResult& evaluation = *AddEvent("").mutable_evaluation();
    evaluation.set_version(step_);
    evaluation.set_step(step_);
    evaluation.set_problems(kEvaluated);
    evaluation.set_accuracy(view_.last().eval_accuracy());
    evaluation.set_length_mean(view_.last().length_mean());
  }
  if (step_ % 20 == 0) KeepCheckpoint("");
  if (step_ == 17) {
    v1::Wait& stall = *AddEvent("").mutable_stall();
    stall.set_name("step 17 waits for group 66 on rollout-1");
    stall.set_age_seconds(31.5);
    stall.set_deadline_seconds(60);
    stall.set_owner("run " + view_.name());
    stall.set_policy(v1::WAIT_POLICY_RETRY);
    stall.set_run(view_.name());
  }
  if (step_ == view_.steps()) SetState(v1::RUN_STATE_DONE, "", "");
}

v1::Sample MadeRun::SampleOf(int64_t step, int64_t group, int number, bool evaluation) const {
  const int64_t id = (step * kGroups + group) * 2 + evaluation;
  const int a = 10 + static_cast<int>(80 * Chance(id, 1)),
            b = 2 + static_cast<int>(7 * Chance(id, 2));
  const double reward = Metrics(std::max<int64_t>(step, 1)).reward_mean();
  const bool right = Chance(id, 3, number) < reward;
  const int sum = right ? a + b : a + b + 1 + number;
  v1::Sample sample;
  sample.set_group_id(id);
  sample.set_number(number);
  sample.set_step(step);
  sample.set_evaluation(evaluation);
  sample.set_state("trained");
  sample.set_prompt_id(absl::StrCat(evaluation ? "held-" : "row-", a, "-", b));
  sample.set_prompt(
      absl::StrCat("What is ", a, " + ", b, "? Think first, then answer after ####."));
  sample.set_answer(absl::StrCat(a + b));
  std::vector<std::string> pieces = {
      "<think>", "I",     " add ", absl::StrCat(a), " and ", absl::StrCat(b), ":",  " the",
      " tens",   " stay", ",",     " na",           "\xc3",  "\xaf",          "ve", "ly"};
  if (number == 1) pieces.insert(pieces.end(), {"\n", "<img", " src=x", " onerror=", "alert(1)>"});
  pieces.insert(pieces.end(), {"</think>", "\n", "####", " ", absl::StrCat(sum)});
  for (size_t i = 0; i < pieces.size(); ++i) {
    v1::SampleToken& token = *sample.add_tokens();
    token.set_id(100 + static_cast<int32_t>(900 * Chance(i, pieces[i].size())));
    token.set_text(pieces[i]);
    const double u = Chance(id, 100 + static_cast<int64_t>(i), number);
    token.set_logprob(static_cast<float>(u < 0.6 ? -0.02 * u : -6 * (u - 0.6) / 0.4));
    token.set_forced(pieces[i] == "</think>" && number == 2);
    absl::StrAppend(sample.mutable_response(), pieces[i]);
  }
  sample.set_token_count(sample.tokens_size());
  sample.set_finish_reason(number == 3 ? v1::FINISH_REASON_LENGTH : v1::FINISH_REASON_STOP);
  v1::Score& score = *sample.mutable_score();
  score.set_value(right ? 1 : 0.1);
  score.set_reason(right ? "" : "the answer differs");
  v1::ScorePart& math = *score.add_parts();
  math.set_verifier("math");
  math.set_value(right ? 1 : 0);
  math.set_verdict(right ? "equal" : "not_equal");
  math.set_reason(absl::StrCat("found ", sum, ", expected ", a + b));
  v1::ScorePart& thinking = *score.add_parts();
  thinking.set_verifier("thinking");
  thinking.set_value(1);
  thinking.set_verdict("pass");
  sample.add_versions(step - 1);
  sample.set_worker(absl::StrCat("rollout-", (group + number) % 2));
  if (!evaluation) sample.set_advantage(right ? 0.87 : -1.13);
  return sample;
}

std::vector<v1::Sample> MadeRun::Samples(const v1::GetSamplesRequest& request) const {
  std::vector<v1::Sample> found;
  for (int64_t step = step_; step >= (request.evaluation() ? 0 : 1); --step) {
    if (request.has_step() && request.step() != step) continue;
    if (request.evaluation() && step % kEvaluateEvery != 0) continue;
    const int groups = request.evaluation() ? kEvaluated : kGroups;
    const int size = request.evaluation() ? 1 : kGroupSize;
    for (int i = 0; i < groups * size; ++i) {
      v1::Sample sample = SampleOf(step, i / size, i % size, request.evaluation());
      if (!request.prompt_id().empty() && sample.prompt_id() != request.prompt_id()) continue;
      if (request.has_score_min() && sample.score().value() < request.score_min()) continue;
      if (request.has_score_max() && sample.score().value() > request.score_max()) continue;
      if (!request.with_tokens()) sample.clear_tokens();
      found.push_back(std::move(sample));
    }
  }
  return found;
}

v1::GetTimelineResponse MadeRun::Timeline(int64_t step) const {
  v1::GetTimelineResponse timeline;
  timeline.set_step(step);
  const int64_t begin = (view_.created_ms() + 2000 * (1 + step)) * 1000;
  const auto add = [&](const std::string& worker, const char* kind, const std::string& name,
                       double from, double to) {
    v1::Span& span = *timeline.add_spans();
    span.set_worker(worker);
    span.set_kind(kind);
    span.set_name(name);
    span.set_from_us(begin + static_cast<int64_t>(from * 1e6));
    span.set_to_us(begin + static_cast<int64_t>(to * 1e6));
  };
  add("rollout-0", "weights", absl::StrCat("version ", step - 1), 0, 0.05);
  add("rollout-1", "weights", absl::StrCat("version ", step - 1), 0, 0.07);
  for (int group = 0; group < kGroups; ++group) {
    const double from = 0.08 + 0.42 * (group / 2), long_by = 0.3 + 0.12 * Chance(step, group);
    const std::string name = absl::StrCat("group ", step * kGroups + group, ", samples 0-3");
    add(absl::StrCat("rollout-", group % 2), "generate", name, from, from + long_by);
    add("reward-0", "score", name, from + long_by, from + long_by + 0.04);
  }
  add("controller", "wait", absl::StrCat("step ", step, " waits for its samples"), 0.05, 0.97);
  add("learner", "train", absl::StrCat("step ", step), 1.0, 1.55);
  if (step % 20 == 0) add("learner", "checkpoint", absl::StrCat("step-", step), 1.56, 1.68);
  if (step % 5 == 0) timeline.mutable_spans(2)->set_error("lease given back: rollout-0 was slow");
  std::stable_sort(timeline.mutable_spans()->begin(), timeline.mutable_spans()->end(),
                   [](const v1::Span& x, const v1::Span& y) { return x.from_us() < y.from_us(); });
  return timeline;
}

std::vector<v1::Worker> MadeWorkers() {
  std::vector<v1::Worker> workers;
  const auto add = [&](v1::Role role, const std::string& name, int64_t progress) {
    v1::Worker& worker = workers.emplace_back();
    worker.set_role(role);
    worker.set_name(name);
    worker.set_address(absl::StrCat("127.0.0.1:", 40000 + workers.size()));
    worker.set_pid(4000 + static_cast<int32_t>(workers.size()));
    worker.set_connected(true);
    worker.set_progress(progress);
    worker.set_silent_seconds(0.4);
    worker.mutable_capabilities()->set_device("cpu avx512");
    worker.mutable_capabilities()->set_threads(2);
    worker.mutable_capabilities()->set_memory_bytes(int64_t{4} << 30);
  };
  add(v1::ROLE_ROLLOUT, "rollout-0", 182340);
  add(v1::ROLE_ROLLOUT, "rollout-1", 171022);
  add(v1::ROLE_REWARD, "reward-0", 6400);
  add(v1::ROLE_LEARNER, "learner", 812);
  workers[1].set_restarts(1);
  return workers;
}

}  // namespace temper::fakes
