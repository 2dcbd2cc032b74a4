// From logits to tokens: on the host from its own copy of the rows, or where the rows are.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "kernels/ops.h"
#include "rollout/engine/engine.h"

namespace temper::rollout {
namespace {

constexpr int64_t kFloat = sizeof(float);

// Of the token that comes next.
DrawPlace PlaceOf(const Sequence& sequence) {
  return {.seed = sequence.group.request.sampling.seed,
          .prompt_hash = sequence.group.prompt_hash,
          .sample = sequence.sample,
          .position = static_cast<int64_t>(sequence.tokens.size())};
}

}  // namespace

kernels::View<float> Engine::OnHost(kernels::View<float> rows) {
  if (device_.shares_host_memory() || rows.rows == 0) return rows;
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

bool Engine::DrawsOnDevice(const StepPlan& plan) const {
  if (device_.ops().sample == nullptr) return false;
  for (const Sequence* sequence : plan.decode) {
    const GroupRequest& request = sequence->group.request;
    const double top_p = request.sampling.top_p;
    if (request.sampling.temperature == 0.0 || (top_p > 0.0 && top_p < 1.0) ||
        request.thinking.has_value() || request.sink->wants_distribution()) {
      return false;
    }
  }
  return true;
}

void Engine::DrawOnDevice(const StepPlan& plan, kernels::View<const float> logprobs) {
  if (plan.decode.empty()) return;
  uniforms_.clear();
  for (const Sequence* sequence : plan.decode) uniforms_.push_back(UniformOf(PlaceOf(*sequence)));
  device_.ops().sample(device_.stream(), logprobs, uniforms_, drawn_tokens_.as<int32_t>(),
                       drawn_logprobs_.as<float>());
  device_.Finish();
}

void Engine::KeepFirstRow(Group& group, const float* logprobs, int64_t row) {
  group.first_row.assign(logprobs, logprobs + config_.vocab_size);
  group.first_entropy = entropies_.as<float>()[row];
  group.first_greedy = greedy_[row];
}

Engine::Drawn Engine::Draw(Sequence& sequence, std::span<const float> logprobs, int32_t greedy) {
  const Sampling& sampling = sequence.group.request.sampling;
  const std::optional<int32_t> forced = sequence.thought.Forced();
  Drawn drawn{.token = forced.value_or(greedy), .forced = forced.has_value(), .logprobs = logprobs};
  if (!forced.has_value() && sampling.temperature != 0.0) {
    drawn.token = sampler_.Draw(logprobs, sampling.top_p, UniformOf(PlaceOf(sequence)));
  }
  if (drawn.token.has_value()) drawn.logprob = logprobs[*drawn.token];
  return drawn;
}

absl::Status Engine::Append(Sequence& sequence, const Drawn& drawn, float entropy) {
  const GroupRequest& request = sequence.group.request;
  if (!drawn.token.has_value() || !std::isfinite(drawn.logprob)) {
    return absl::InternalError(
        absl::StrCat("version ", version_, ": the logits of prompt \"", request.prompt_id,
                     "\", sample ", sequence.sample, ", token ", sequence.tokens.size(),
                     " are not finite"));
  }
  const int32_t token = *drawn.token;
  sequence.tokens.push_back(token);
  sequence.logprobs.push_back(drawn.logprob);
  if (request.thinking.has_value()) sequence.forced.push_back(drawn.forced ? 1 : 0);
  sequence.entropy_sum += entropy;
  if (tokenizer_ != nullptr && token < tokenizer_->vocab_size()) {
    const std::string_view piece = tokenizer_->TokenBytes(token, /*skip_special_tokens=*/true);
    sequence.text += piece;
    sequence.added = piece.size();
  } else {
    sequence.added = 0;
  }
  sequence.thought.Observe(token, sequence.text, sequence.added);
  request.sink->Progress({.sample = sequence.sample,
                          .token = token,
                          .logprob = drawn.logprob,
                          .forced = drawn.forced,
                          .logprobs = drawn.logprobs});
  return absl::OkStatus();
}

}  // namespace temper::rollout
