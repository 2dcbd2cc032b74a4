// The engine's step: free places, fork, compute a batch, draw, deliver what ended.
#include "rollout/engine/engine.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/philox.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace temper::rollout {
namespace {

constexpr double kTemperatureMin = 1e-3;  // below, scaled logits leave float32; 0 is greedy
constexpr double kTemperatureMax = 1e3;
constexpr size_t kSamplesMax = 4096;
constexpr int64_t kFloat = sizeof(float);
constexpr size_t kContinuationsMax = 4096;

absl::Status CheckSampling(const Sampling& sampling, bool has_tokenizer) {
  const double t = sampling.temperature;
  if (t != 0.0 && !(t >= kTemperatureMin && t <= kTemperatureMax)) {
    return absl::InvalidArgumentError(absl::StrCat("temperature ", t, ": expected 0 (greedy) or ",
                                                   kTemperatureMin, " to ", kTemperatureMax));
  }
  if (!(sampling.top_p >= 0.0 && sampling.top_p <= 1.0)) {
    return absl::InvalidArgumentError(absl::StrCat("top_p ", sampling.top_p, ": expected 0 to 1"));
  }
  if (sampling.max_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens ", sampling.max_tokens, ": expected at least 1"));
  }
  for (const std::string& stop : sampling.stop) {
    if (stop.empty()) return absl::InvalidArgumentError("stop: a stop string is empty");
  }
  if (!sampling.stop.empty() && !has_tokenizer) {
    return absl::InvalidArgumentError(
        "stop: the model folder has no tokenizer, so responses have no text to search");
  }
  return absl::OkStatus();
}

absl::Status CheckThinking(const std::optional<ThinkingBudget>& thinking, bool has_tokenizer) {
  if (!thinking.has_value()) return absl::OkStatus();
  if (thinking->tokens < 1 || thinking->grace < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("thinking budget ", thinking->tokens, ": expected at least 1 token"));
  }
  if (has_tokenizer) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "thinking budget: the model folder has no tokenizer to write the closing tag with");
}

absl::Status CheckSamples(const std::vector<int32_t>& samples) {
  if (samples.empty() || samples.size() > kSamplesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("samples: ", samples.size(), " sample numbers, expected 1 to ", kSamplesMax));
  }
  std::set<int32_t> seen;
  for (const int32_t sample : samples) {
    if (sample < 0 || !seen.insert(sample).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("samples: ", sample, sample < 0 ? " is negative" : " is there twice"));
    }
  }
  return absl::OkStatus();
}

// Whether `text` contains a stop string that ends in its last `added` bytes.
bool ContainsStop(std::string_view text, size_t added, const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    const size_t tail = std::min(text.size(), added + stop.size() - 1);
    if (text.substr(text.size() - tail).find(stop) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

Engine::Engine(const Parts& parts, const Options& options)
    : config_(parts.config),
      layout_(parts.layout),
      tokenizer_(parts.tokenizer),
      encoder_(parts.tokenizer, parts.chat, parts.added_tokens),
      content_as_text_(options.content_as_text),
      device_(parts.device),
      dtype_(options.dtype),
      model_(parts.config, parts.layout, parts.device),
      accounts_(SizesOf(parts.config, parts.device),
                {.sequences_max = options.sequences_max, .bytes_max = options.state_bytes_max}),
      scheduler_({.prefill_chunk = options.prefill_chunk, .waiting_max = options.waiting_max},
                 accounts_),
      measurer_(parts.config, parts.device, model_, accounts_,
                {.piece_tokens = options.prefill_chunk, .waiting_max = options.waiting_max}),
      logit_rows_(model::StepRows(options.sequences_max)),
      logits_(parts.device.Allocate(logit_rows_ * parts.config.output_rows() * kFloat)),
      entropies_(parts.device.Allocate(options.sequences_max * kFloat, kernels::Place::kHost)),
      greedy_(options.sequences_max),
      drawn_tokens_(parts.device.Allocate(
          options.sequences_max * static_cast<int64_t>(sizeof(int32_t)), kernels::Place::kHost)),
      drawn_logprobs_(
          parts.device.Allocate(options.sequences_max * kFloat, kernels::Place::kHost)) {
  TEMPER_CHECK(options.sequences_max > 0 && options.prefill_chunk > 0 && options.waiting_max > 0);
}

void Engine::Pack(std::span<const float> values, kernels::Place place) {
  TEMPER_CHECK(idle());
  version_ = -1;
  if (repackable_) {
    weights_->Repack(values, place);
    return;
  }
  weights_ = std::make_unique<model::Weights>(
      layout_, device_, values,
      model::WeightOptions{.dtype = dtype_, .values = place, .own = !device_.shares_host_memory()});
  repackable_ = true;
}

void Engine::SetWeights(int64_t version, std::shared_ptr<const WeightValues> values) {
  Pack(values->floats(), kernels::Place::kHost);
  values->ReleasePacked(layout_);
  values_ = device_.shares_host_memory() ? std::move(values) : nullptr;
  version_ = version;
}

void Engine::PackWeights(std::span<const float> on_device) {
  Pack(on_device, kernels::Place::kDevice);
  values_.reset();
}

void Engine::SetWeights(int64_t version, std::unique_ptr<model::Weights> weights) {
  TEMPER_CHECK(idle());
  weights_ = std::move(weights);
  repackable_ = false;
  values_.reset();
  version_ = version;
}

absl::Status Engine::CheckVersion(std::optional<int64_t> wanted) const {
  if (version_ >= 0 && wanted.value_or(version_) == version_) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      wanted.has_value() ? absl::StrCat("version ", *wanted) : "any version", " is wanted, ",
      version_ < 0 ? "no weights are here" : absl::StrCat("version ", version_, " is current")));
}

absl::Status Engine::CheckTokens(std::span<const int32_t> prompt) const {
  for (const int32_t token : prompt) {
    if (token >= 0 && token < config_.vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("prompt: token ", token, ", expected 0 to ", config_.vocab_size - 1));
  }
  return absl::OkStatus();
}

absl::Status Engine::Complete(GroupRequest& request) const {
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(config_, "this worker's model"));
  if (request.prompt_tokens.empty()) {
    TEMPER_ASSIGN_OR_RETURN(
        model::EncodedPrompt encoded,
        encoder_.ForResponse({request.prompt_id, request.prompt_text, request.chat_json},
                             content_as_text_));
    request.prompt_tokens = std::move(encoded.tokens);
    if (encoded.thinking_budget.has_value()) {
      request.thinking = {.tokens = *encoded.thinking_budget, .open = encoded.in_thought};
    }
  }
  TEMPER_RETURN_IF_ERROR(CheckSampling(request.sampling, tokenizer_ != nullptr));
  TEMPER_RETURN_IF_ERROR(CheckThinking(request.thinking, tokenizer_ != nullptr));
  TEMPER_RETURN_IF_ERROR(CheckSamples(request.samples));
  return CheckTokens(request.prompt_tokens);
}

absl::StatusOr<Measurement> Engine::Complete(const MeasureRequest& request) const {
  const size_t count = request.continuations.size();
  if (config_.reward_head ? count > 0 : count == 0 || count > kContinuationsMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "continuations: found ", count, ", expected ",
        config_.reward_head ? "none: this worker's model has a reward head, which values the prompt"
                            : absl::StrCat("1 to ", kContinuationsMax)));
  }
  Measurement measurement{.version = version_, .prompt_tokens = request.prompt_tokens};
  if (measurement.prompt_tokens.empty()) {
    TEMPER_ASSIGN_OR_RETURN(
        model::EncodedPrompt encoded,
        encoder_.ForMeasure({request.prompt_id, request.prompt_text, request.chat_json}));
    measurement.prompt_tokens = std::move(encoded.tokens);
  }
  TEMPER_RETURN_IF_ERROR(CheckTokens(measurement.prompt_tokens));
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<std::vector<int32_t>> tokens = encoder_.Continuation(request.continuations[i]);
    if (!tokens.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("continuations[", i, "]: ", std::string(tokens.status().message())));
    }
    measurement.continuations.push_back({.tokens = *std::move(tokens)});
  }
  return measurement;
}

absl::Status Engine::Submit(GroupRequest request) {
  TEMPER_CHECK(request.sink != nullptr);
  TEMPER_RETURN_IF_ERROR(CheckVersion(request.version));
  TEMPER_RETURN_IF_ERROR(Complete(request));
  auto group = std::make_unique<Group>(std::move(request));
  group->prompt_hash = HashName(group->request.prompt_id);
  if (group->request.thinking.has_value()) group->tags.emplace(*tokenizer_);
  return scheduler_.Admit(group);
}

absl::Status Engine::Submit(MeasureRequest request) {
  TEMPER_CHECK(request.sink != nullptr);
  TEMPER_RETURN_IF_ERROR(CheckVersion(request.version));
  TEMPER_ASSIGN_OR_RETURN(Measurement measurement, Complete(request));
  return measurer_.Admit(std::move(measurement), std::move(request.sink));
}

void Engine::End(Group& group, const absl::Status& status) {
  const std::unique_ptr<Group> ended = scheduler_.Remove(group);
  ended->request.sink->Done(status);
}

void Engine::DropCancelled() {
  std::vector<Group*> cancelled;
  for (const std::unique_ptr<Group>& group : scheduler_.groups()) {
    if (group->request.sink->cancelled()) cancelled.push_back(group.get());
  }
  for (Group* group : cancelled) End(*group, absl::CancelledError("the caller went away"));
}

void Engine::Abandon(const absl::Status& status) {
  while (!scheduler_.empty()) End(*scheduler_.groups().front(), status);
  measurer_.Abandon(status);
}

bool Engine::Step() {
  DropCancelled();
  StepSamples();
  if (!measurer_.empty()) tokens_ += measurer_.Step(*weights_);
  return !idle();
}

void Engine::StepSamples() {
  scheduler_.HoldNewGroups(measurer_.waits_for_memory());
  StartSamples();
  const StepPlan plan = scheduler_.NextStep();
  if (plan.empty()) return;
  const kernels::View<float> there = Compute(plan);
  const auto decoding = static_cast<int64_t>(plan.decode.size());
  const bool drawn_there = DrawsOnDevice(plan);
  if (drawn_there) DrawOnDevice(plan, there.Rows(0, decoding));
  const int64_t first = drawn_there ? decoding : 0;  // of the rows that are needed here
  const kernels::View<float> rows = OnHost(there.Rows(first, there.rows - first));
  for (size_t i = 0; i < plan.prefill.size(); ++i) {
    Group& group = *plan.prefill[i].group;
    group.prompt_done += plan.prefill[i].tokens;
    const int64_t row = decoding + static_cast<int64_t>(i);
    if (group.prefilled()) KeepFirstRow(group, rows.row(row - first), row);
  }
  std::vector<std::pair<Group*, absl::Status>> broken;
  for (int64_t i = 0; i < decoding; ++i) {
    Sequence& sequence = *plan.decode[i];
    Drawn drawn;
    if (drawn_there) {
      const int32_t token = drawn_tokens_.as<int32_t>()[i];
      if (token >= 0) drawn.token = token;
      drawn.logprob = drawn_logprobs_.as<float>()[i];
    } else {
      drawn = Draw(sequence, std::span<const float>(rows.row(i), rows.cols), greedy_[i]);
    }
    absl::Status appended = Append(sequence, drawn, entropies_.as<float>()[i]);
    if (!appended.ok()) {
      broken.emplace_back(&sequence.group, std::move(appended));
      continue;
    }
    DeliverIfEnded(sequence, /*running=*/true);
  }
  std::set<const Group*> ended;
  for (auto& [group, status] : broken) {
    if (ended.insert(group).second) End(*group, status);
  }
}

// Forks until no free place has a prefilled prompt; a sample that ends with its first token frees
// its place for the next.
void Engine::StartSamples() {
  while (Group* group = scheduler_.NextStart()) StartSample(*group);
}

void Engine::StartSample(Group& group) {
  const int32_t sample = group.request.samples[group.started++];
  const bool last = group.started == group.samples();
  auto sequence = std::make_unique<Sequence>(group, sample,
                                             last ? std::move(*group.state) : group.state->Fork());
  const Drawn drawn = Draw(*sequence, group.first_row, group.first_greedy);
  const absl::Status appended = Append(*sequence, drawn, group.first_entropy);
  if (!appended.ok()) {
    End(group, appended);
    return;
  }
  if (last) {
    group.state.reset();
    group.first_row = {};
  }
  if (!DeliverIfEnded(*sequence, /*running=*/false)) scheduler_.Run(std::move(sequence));
}

kernels::View<float> Engine::Compute(const StepPlan& plan) {
  slices_.clear();
  for (Sequence* sequence : plan.decode) {
    slices_.push_back({&sequence->state, std::span(&sequence->tokens.back(), 1)});
    ++tokens_;
  }
  for (const StepPlan::Prefill& part : plan.prefill) {
    Group& group = *part.group;
    if (!group.state.has_value()) group.state.emplace(config_, device_);
    slices_.push_back(
        {&*group.state,
         std::span(group.request.prompt_tokens).subspan(group.prompt_done, part.tokens)});
    tokens_ += part.tokens;
  }
  TEMPER_CHECK(slices_.size() <= greedy_.size());  // each holds a place
  const kernels::View<float> all(logits_.as<float>(), logit_rows_, config_.vocab_size);
  model_.Extend(*weights_, slices_, all);
  const kernels::View<float> logits = all.Rows(0, static_cast<int64_t>(slices_.size()));
  LogSoftmax(plan, logits);
  return logits;
}

bool Engine::Ended(const Sequence& sequence, FinishReason& reason) const {
  const Sampling& sampling = sequence.group.request.sampling;
  const std::vector<int32_t>& eos = config_.eos_token_ids;
  if (std::find(eos.begin(), eos.end(), sequence.tokens.back()) != eos.end() ||
      ContainsStop(sequence.text, sequence.added, sampling.stop)) {
    reason = FinishReason::kStop;
    return true;
  }
  reason = FinishReason::kLength;
  return static_cast<int64_t>(sequence.tokens.size()) >= sampling.max_tokens;
}

bool Engine::DeliverIfEnded(Sequence& sequence, bool running) {
  FinishReason reason;
  if (!Ended(sequence, reason)) return false;
  Group& group = sequence.group;
  Episode episode{.group_id = group.request.group_id,
                  .sample = sequence.sample,
                  .prompt_tokens = group.request.prompt_tokens,
                  .tokens = std::move(sequence.tokens),
                  .logprobs = std::move(sequence.logprobs),
                  .forced = std::move(sequence.forced),
                  .version = version_,
                  .finish_reason = reason,
                  .text = ValidUtf8(sequence.text),
                  .entropy_sum = sequence.entropy_sum};
  if (running) scheduler_.Forget(sequence);
  group.request.sink->Deliver(std::move(episode));
  if (scheduler_.Finish(group)) End(group, absl::OkStatus());
  return true;
}

}  // namespace temper::rollout
