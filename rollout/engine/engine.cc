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
      logits_(parts.device.Allocate(options.sequences_max * parts.config.output_rows() * kFloat)),
      entropies_(parts.device.Allocate(options.sequences_max * kFloat, kernels::Place::kHost)),
      greedy_(options.sequences_max) {
  TEMPER_CHECK(options.sequences_max > 0 && options.prefill_chunk > 0 && options.waiting_max > 0);
}

void Engine::SetWeights(int64_t version, std::shared_ptr<const WeightValues> values) {
  TEMPER_CHECK(idle());
  if (values_ == nullptr) {
    weights_ = std::make_unique<model::Weights>(layout_, device_, values->floats(),
                                                model::WeightOptions{.dtype = dtype_});
  } else {
    weights_->Repack(values->floats());
  }
  values->ReleasePacked(layout_);
  values_ = std::move(values);
  version_ = version;
}

void Engine::SetWeights(int64_t version, std::unique_ptr<model::Weights> weights) {
  TEMPER_CHECK(idle());
  weights_ = std::move(weights);
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
  const kernels::View<float> rows = Compute(plan);
  for (size_t i = 0; i < plan.prefill.size(); ++i) {
    Group& group = *plan.prefill[i].group;
    group.prompt_done += plan.prefill[i].tokens;
    if (group.prefilled()) KeepFirstRow(group, rows, plan.decode.size() + i);
  }
  std::vector<std::pair<Group*, absl::Status>> broken;
  for (size_t i = 0; i < plan.decode.size(); ++i) {
    Sequence& sequence = *plan.decode[i];
    const std::span<const float> logprobs(rows.row(i), rows.cols);
    absl::Status drawn = AppendDrawn(sequence, logprobs, entropies_.as<float>()[i], greedy_[i]);
    if (!drawn.ok()) {
      broken.emplace_back(&sequence.group, std::move(drawn));
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
  const absl::Status drawn =
      AppendDrawn(*sequence, group.first_row, group.first_entropy, group.first_greedy);
  if (!drawn.ok()) {
    End(group, drawn);
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
  const kernels::View<float> logits(logits_.as<float>(), slices_.size(), config_.vocab_size);
  model_.Extend(*weights_, slices_, logits);
  LogSoftmax(plan, logits);
  return OnHost(logits);
}

kernels::View<float> Engine::OnHost(kernels::View<float> rows) {
  if (device_.shares_host_memory()) return rows;
  const int64_t bytes = rows.rows * rows.cols * kFloat;
  if (host_logits_.bytes() < bytes) host_logits_ = device_.Allocate(bytes, kernels::Place::kHost);
  device_.Copy(host_logits_.as<float>(), rows.data, bytes);
  device_.Finish();
  return kernels::View<float>(host_logits_.as<float>(), rows.rows, rows.cols);
}

// Runs of rows with the same temperature go through the one log-softmax together.
void Engine::LogSoftmax(const StepPlan& plan, kernels::View<float> logits) {
  const auto sampling = [&](int64_t row) -> const Sampling& {
    const int64_t decoding = plan.decode.size();
    return row < decoding ? plan.decode[row]->group.request.sampling
                          : plan.prefill[row - decoding].group->request.sampling;
  };
  for (int64_t begin = 0, end = 0; begin < logits.rows; begin = end) {
    const double temperature = sampling(begin).temperature;
    for (end = begin; end < logits.rows && sampling(end).temperature == temperature;) ++end;
    const kernels::View<float> same = logits.Rows(begin, end - begin);
    if (temperature == 0.0) {
      const kernels::View<float> raw = OnHost(same);
      for (int64_t i = 0; i < raw.rows; ++i) {
        greedy_[begin + i] = Greediest(std::span<const float>(raw.row(i), raw.cols));
      }
    }
    device_.ops().log_softmax(device_.stream(), same, ReportedTemperature(temperature),
                              entropies_.as<float>() + begin);
  }
}

void Engine::KeepFirstRow(Group& group, kernels::View<const float> rows, int64_t row) {
  group.first_row.assign(rows.row(row), rows.row(row) + rows.cols);
  group.first_entropy = entropies_.as<float>()[row];
  group.first_greedy = greedy_[row];
}

absl::Status Engine::AppendDrawn(Sequence& sequence, std::span<const float> logprobs, float entropy,
                                 int32_t greedy) {
  const GroupRequest& request = sequence.group.request;
  const DrawPlace place{.seed = request.sampling.seed,
                        .prompt_hash = sequence.group.prompt_hash,
                        .sample = sequence.sample,
                        .position = static_cast<int64_t>(sequence.tokens.size())};
  const std::optional<int32_t> forced = sequence.thought.Forced();
  std::optional<int32_t> token = forced.value_or(greedy);
  if (!forced.has_value() && request.sampling.temperature != 0.0) {
    token = sampler_.Draw(logprobs, request.sampling.top_p, UniformOf(place));
  }
  if (!token.has_value() || !std::isfinite(logprobs[*token])) {
    return absl::InternalError(absl::StrCat("version ", version_, ": the logits of prompt \"",
                                            request.prompt_id, "\", sample ", sequence.sample,
                                            ", token ", place.position, " are not finite"));
  }
  sequence.tokens.push_back(*token);
  sequence.logprobs.push_back(logprobs[*token]);
  if (request.thinking.has_value()) sequence.forced.push_back(forced.has_value() ? 1 : 0);
  sequence.entropy_sum += entropy;
  if (tokenizer_ != nullptr && *token < tokenizer_->vocab_size()) {
    const std::string_view piece = tokenizer_->TokenBytes(*token, /*skip_special_tokens=*/true);
    sequence.text += piece;
    sequence.added = piece.size();
  } else {
    sequence.added = 0;
  }
  sequence.thought.Observe(*token, sequence.text, sequence.added);
  request.sink->Progress({.sample = sequence.sample,
                          .token = *token,
                          .logprob = sequence.logprobs.back(),
                          .forced = forced.has_value(),
                          .logprobs = logprobs});
  return absl::OkStatus();
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
