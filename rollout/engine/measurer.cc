// First the prompt in pieces, then each continuation in pieces; the last call answers.
#include "rollout/engine/measurer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::rollout {
namespace {

absl::Status NotFinite(int64_t version, const std::string& what) {
  return absl::InternalError(absl::StrCat("version ", version, ": ", what, " is not finite"));
}

// Of all log-probabilities that are there.
absl::Status CheckFinite(const Measurement& measurement) {
  for (size_t i = 0; i < measurement.continuations.size(); ++i) {
    const std::vector<float>& logprobs = measurement.continuations[i].logprobs;
    for (size_t k = 0; k < logprobs.size(); ++k) {
      if (std::isfinite(logprobs[k])) continue;
      return NotFinite(measurement.version,
                       absl::StrCat("the log-probability of token ", k, " of continuation ", i));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Measurer::Admit(Measurement measurement, std::shared_ptr<MeasureSink> sink) {
  size_t longest = 0;
  for (const MeasuredContinuation& one : measurement.continuations) {
    longest = std::max(longest, one.tokens.size());
  }
  const int64_t prompt = static_cast<int64_t>(measurement.prompt_tokens.size());
  Task task{.measurement = std::move(measurement), .sink = std::move(sink)};
  task.bytes = accounts_.PromptBytes(prompt);
  if (longest > 1) task.bytes += accounts_.SampleBytes(prompt, static_cast<int64_t>(longest) - 1);
  if (task.bytes > accounts_.bytes_max()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a prompt of ", prompt, " tokens with continuations of up to ", longest,
                     " needs ", task.bytes, " bytes of state, this worker may use ",
                     accounts_.bytes_max(), "; shorten it"));
  }
  if (static_cast<int64_t>(line_.size()) >= limits_.waiting_max) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the waiting line is full (", limits_.waiting_max, " measurements); try later"));
  }
  line_.push_back(std::move(task));
  return absl::OkStatus();
}

int64_t Measurer::Step(const model::Weights& weights) {
  DropCancelled();
  waits_for_memory_ = false;
  if (line_.empty()) return 0;
  Task& task = line_.front();
  if (!task.holds_bytes) {
    task.holds_bytes = accounts_.TakeBytes(task.bytes);
    waits_for_memory_ = !task.holds_bytes;
    if (waits_for_memory_) return 0;
    task.state.emplace(config_, device_);
  }
  const bool prompt =
      task.prompt_done < static_cast<int64_t>(task.measurement.prompt_tokens.size());
  return prompt ? ExtendPrompt(weights, task) : ExtendContinuation(weights, task);
}

int64_t Measurer::ExtendPrompt(const model::Weights& weights, Task& task) {
  const std::span<const int32_t> left =
      std::span(task.measurement.prompt_tokens).subspan(task.prompt_done);
  const int64_t tokens = std::min<int64_t>(limits_.piece_tokens, left.size());
  const bool last = tokens == static_cast<int64_t>(left.size());
  const int64_t bytes = config_.output_rows() * static_cast<int64_t>(sizeof(float));
  if (row_.bytes() < bytes) row_ = device_.Allocate(bytes);
  const kernels::View<float> row(row_.as<float>(), 1, config_.output_rows());
  const model::Slice slice{&*task.state, left.first(tokens)};
  model_.Extend(weights, {&slice, 1}, last ? row : kernels::View<float>());
  task.prompt_done += tokens;
  if (!last) return tokens;
  const absl::Status ended = EndPrompt(row, task.measurement);
  if (!ended.ok() || !FindContinuation(task)) End(0, ended);
  return tokens;
}

// `row`: what the head says after the prompt. Every continuation starts from the same distribution.
absl::Status Measurer::EndPrompt(kernels::View<float> row, Measurement& measurement) {
  if (!config_.reward_head) {
    device_.ops().log_softmax(device_.stream(), row, /*temperature=*/1.0f, nullptr);
  }
  host_row_.resize(row.cols);
  device_.Copy(host_row_.data(), row.data, row.cols * static_cast<int64_t>(sizeof(float)));
  device_.Finish();
  if (config_.reward_head) {
    measurement.value = host_row_.front();
    return std::isfinite(host_row_.front()) ? absl::OkStatus()
                                            : NotFinite(measurement.version, "the value");
  }
  for (MeasuredContinuation& one : measurement.continuations) {
    one.logprobs.assign(1, host_row_[one.tokens.front()]);
  }
  return CheckFinite(measurement);
}

bool Measurer::FindContinuation(Task& task) {
  std::vector<MeasuredContinuation>& all = task.measurement.continuations;
  while (task.continuation < all.size()) {
    const MeasuredContinuation& one = all[task.continuation];
    if (one.logprobs.size() < one.tokens.size()) return true;
    ++task.continuation;
    task.fork.reset();
  }
  return false;
}

int64_t Measurer::ExtendContinuation(const model::Weights& weights, Task& task) {
  MeasuredContinuation& one = task.measurement.continuations[task.continuation];
  if (!task.fork.has_value()) task.fork.emplace(task.state->Fork());
  // log p(token i) stands after token i - 1; that of the first stood after the prompt.
  const int64_t done = static_cast<int64_t>(one.logprobs.size());
  const int64_t tokens =
      std::min(limits_.piece_tokens, static_cast<int64_t>(one.tokens.size()) - done);
  const std::span<const int32_t> all = one.tokens;
  one.logprobs.resize(done + tokens);
  model_.ScoreNext(weights, {&*task.fork, all.subspan(done - 1, tokens)}, all.subspan(done, tokens),
                   std::span(one.logprobs).subspan(done));
  if (!FindContinuation(task)) End(0, CheckFinite(task.measurement));
  return tokens;
}

void Measurer::DropCancelled() {
  for (size_t i = 0; i < line_.size();) {
    if (line_[i].sink->cancelled()) {
      End(i, absl::CancelledError("the caller went away"));
    } else {
      ++i;
    }
  }
}

void Measurer::End(size_t place, const absl::Status& status) {
  Task task = std::move(line_[place]);
  line_.erase(line_.begin() + static_cast<std::ptrdiff_t>(place));
  if (task.holds_bytes) accounts_.Give(0, task.bytes);
  if (status.ok()) {
    task.sink->Done(std::move(task.measurement));
  } else {
    task.sink->Done(status);
  }
}

void Measurer::Abandon(const absl::Status& status) {
  while (!line_.empty()) End(0, status);
  waits_for_memory_ = false;
}

}  // namespace temper::rollout
