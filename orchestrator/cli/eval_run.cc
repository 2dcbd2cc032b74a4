// One loop over events: responses that were drawn, results that came back.
#include "orchestrator/cli/eval_run.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "base/thread.h"
#include "nlohmann/json.hpp"
#include "reward/request_check.h"

namespace temper::cli {
namespace {

// {"answer": ...}: verifiers that read a final answer may say which.
std::optional<std::string> AnswerInDetails(const std::string& details) {
  if (details.empty()) return std::nullopt;
  const absl::StatusOr<nlohmann::json> value = ParseJson(details, "details");
  if (!value.ok() || !value->is_object() || !value->contains("answer")) return std::nullopt;
  const nlohmann::json& answer = (*value)["answer"];
  return answer.is_string() ? std::make_optional(answer.get<std::string>()) : std::nullopt;
}

}  // namespace

EvalRun::EvalRun(const Parts& parts) : parts_(parts) {}

temper::v1::ScoreItem EvalRun::ItemFor(const eval::Task& task, const eval::Sample& sample) const {
  temper::v1::ScoreItem item;
  item.set_prompt(task.prompt);
  item.set_response(sample.response);
  item.set_answer(task.gold);
  item.set_metadata_json(task.metadata_json);
  item.set_task(task.task);
  item.set_tokens(static_cast<int32_t>(sample.tokens));
  if (sample.tokens > 0) item.set_tokens_max(static_cast<int32_t>(parts_.drawing.max_tokens));
  item.set_finish_reason(sample.finish_reason == "length" ? temper::v1::FINISH_REASON_LENGTH
                                                          : temper::v1::FINISH_REASON_STOP);
  return item;
}

absl::Status EvalRun::CheckTasks() const {
  TEMPER_ASSIGN_OR_RETURN(const reward::Rubric rubric, reward::Rubric::Create(parts_.rubric));
  for (const eval::Task& task : parts_.tasks) {
    const absl::Status checked = reward::CheckItem(ItemFor(task, {}), 0, rubric);
    if (checked.ok()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(task.place, ": ", std::string(checked.message())));
  }
  return absl::OkStatus();
}

// What the store has is taken as it is; responses without a score are scored again, and what has
// neither is drawn again.
void EvalRun::TakeOver() {
  absl::flat_hash_map<std::pair<std::string, int>, eval::Sample> found;
  if (parts_.store != nullptr) {
    for (eval::Sample& sample : parts_.store->TakeFound()) {
      std::pair<std::string, int> key(sample.task, sample.index);
      found.emplace(std::move(key), std::move(sample));
    }
  }
  for (size_t task = 0; task < parts_.tasks.size(); ++task) {
    SampleJob job{.id = parts_.tasks[task].id};
    for (int index = 0; index < parts_.samples; ++index) {
      const auto kept = found.find({job.id, index});
      if (kept == found.end() || (!kept->second.done() && !kept->second.responded())) {
        job.samples.push_back(index);
      } else {
        Reuse(task, std::move(kept->second));
      }
    }
    if (job.samples.empty()) continue;
    job.question = eval::Ask(parts_.tasks[task], parts_.asking);
    jobs_.push_back(std::move(job));
    job_tasks_.push_back(task);
  }
}

void EvalRun::Reuse(size_t task, eval::Sample sample) {
  samples_.push_back(std::move(sample));
  slot_tasks_.push_back(task);
  const size_t slot = samples_.size() - 1;
  if (samples_[slot].done()) {
    Count(slot);
  } else {
    samples_[slot].internal_error.clear();
    waiting_.push_back(slot);
  }
}

// A report needs no texts, and there may be a million of them.
void EvalRun::Count(size_t slot) {
  eval::Sample& sample = samples_[slot];
  ++done_;
  right_ += sample.right() ? 1 : 0;
  errors_ += sample.internal_error.empty() ? 0 : 1;
  std::string().swap(sample.response);
  std::string().swap(sample.reasoning);
}

absl::Status EvalRun::Run(const Watch& watch) {
  TakeOver();
  const int64_t all = static_cast<int64_t>(parts_.tasks.size()) * parts_.samples;
  // Room for everything that can ever be said, so that nobody has to wait.
  events_ = std::make_shared<BoundedQueue<Event>>(static_cast<size_t>(2 * all + 1));
  TEMPER_RETURN_IF_ERROR(ScoreWaiting());
  watch(done_, right_, errors_, all);
  absl::Status drawn;
  Thread drawing("sampler", [this, &drawn] {
    const auto deliver = [events = events_](Drawn one) {
      Event event;
      event.drawn = std::move(one);
      TEMPER_CHECK(events->TryPush(std::move(event)));
    };
    if (!jobs_.empty()) {
      drawn = parts_.source.Draw(jobs_, parts_.drawing, deliver, parts_.stop);
    }
    Event end;
    end.source_ended = true;
    TEMPER_CHECK(events_->TryPush(std::move(end)));
  });
  absl::Status status;
  for (bool ended = false; !ended || (status.ok() && (inside_ > 0 || !waiting_.empty()));) {
    std::optional<Event> event =
        events_->Pop(Wait::OrRetry("a sample or a score", absl::Minutes(10)));
    if (!event.has_value()) continue;
    ended = ended || event->source_ended;
    if (status.ok() && !event->source_ended) status = Handle(*std::move(event));
    watch(done_, right_, errors_, all);
  }
  drawing.Join(absl::Minutes(10), WaitPolicy::kRetry);
  if (parts_.store != nullptr && status.ok()) status = parts_.store->Sync();
  return status.ok() ? drawn : status;
}

absl::Status EvalRun::Handle(Event event) {
  if (!event.drawn.has_value()) {
    --inside_;
    Fill(event.result, samples_[event.slot]);
    TEMPER_RETURN_IF_ERROR(Finish(event.slot));
    return ScoreWaiting();
  }
  Take(*std::move(event.drawn));
  const size_t slot = samples_.size() - 1;
  if (!samples_[slot].internal_error.empty()) return Finish(slot);
  waiting_.push_back(slot);
  return ScoreWaiting();
}

void EvalRun::Take(Drawn drawn) {
  const size_t task = job_tasks_[drawn.job];
  samples_.push_back({.task = parts_.tasks[task].id,
                      .index = drawn.sample,
                      .response = std::move(drawn.response),
                      .reasoning = std::move(drawn.reasoning),
                      .finish_reason = std::move(drawn.finish_reason),
                      .tokens = drawn.tokens,
                      .internal_error = std::move(drawn.error)});
  slot_tasks_.push_back(task);
}

absl::Status EvalRun::ScoreWaiting() {
  while (!waiting_.empty()) {
    const absl::Status taken = Score(waiting_.back());
    if (absl::IsResourceExhausted(taken)) return absl::OkStatus();  // there is more room later
    TEMPER_RETURN_IF_ERROR(taken);
    waiting_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status EvalRun::Score(size_t slot) {
  auto request = std::make_shared<temper::v1::ScoreRequest>();
  *request->mutable_rubric() = parts_.rubric;
  *request->add_items() = ItemFor(parts_.tasks[slot_tasks_[slot]], samples_[slot]);
  const absl::Status taken =
      parts_.scorer.Submit(request, [events = events_, slot](int, temper::v1::ScoreResult result) {
        Event event;
        event.slot = slot;
        event.result = std::move(result);
        TEMPER_CHECK(events->TryPush(std::move(event)));
      });
  if (taken.ok()) ++inside_;
  if (!absl::IsInvalidArgument(taken)) return taken;
  // The tasks were checked: it is the response that is too large to be judged.
  temper::v1::ScoreResult refused;
  refused.set_invalid(std::string(taken.message()));
  Event event;
  event.slot = slot;
  event.result = std::move(refused);
  ++inside_;
  TEMPER_CHECK(events_->TryPush(std::move(event)));
  return absl::OkStatus();
}

void EvalRun::Fill(const temper::v1::ScoreResult& result, eval::Sample& sample) const {
  sample.internal_error = result.internal_error();
  sample.invalid = result.invalid();
  if (!result.has_score()) return;
  sample.score = result.score().value();
  for (const temper::v1::ScorePart& part : result.score().parts()) {
    if (part.verifier() == "loose") {
      sample.loose_json = part.details_json();
      continue;
    }
    sample.verdict = part.verdict();
    sample.reason = part.reason();
    sample.details_json = part.details_json();
  }
  if (parts_.final_answer == nullptr) return;
  sample.answer = AnswerInDetails(sample.details_json);
  if (!sample.answer.has_value()) sample.answer = parts_.final_answer(sample.response);
}

absl::Status EvalRun::Finish(size_t slot) {
  if (parts_.store != nullptr) {
    TEMPER_RETURN_IF_ERROR(parts_.store->Append(samples_[slot]));
  }
  Count(slot);
  return absl::OkStatus();
}

}  // namespace temper::cli
