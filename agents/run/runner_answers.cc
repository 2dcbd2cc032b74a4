// What came back: settled, recorded, delivered.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agents/run/runner.h"
#include "agents/run/runner_state.h"

namespace temper::agents {
namespace {

Result ResultOf(const EndpointAnswer& answer, size_t sample, size_t samples) {
  Result result;
  if (sample < answer.texts.size()) {
    const EndpointText& text = answer.texts[sample];
    result.text = text.text;
    result.reasoning = text.reasoning;
    result.finish_reason = text.finish_reason;
    result.tokens = text.tokens;
    result.logprobs = text.logprobs;
    result.first_token = text.first_token;
  }
  result.prompt_tokens = answer.prompt_tokens;
  result.version = answer.version;
  result.score = answer.score;
  // Shares that add up to the whole.
  const auto share = [&](int64_t whole) {
    const auto i = static_cast<int64_t>(sample), n = static_cast<int64_t>(samples);
    return whole * (i + 1) / n - whole * i / n;
  };
  result.usage = {.tokens_in = share(answer.tokens_in),
                  .tokens_out = share(answer.tokens_out),
                  .estimated = answer.estimated};
  return result;
}

}  // namespace

absl::Status Runner::On(CallEnded ended) {
  const auto found = calls_.find(ended.call);
  if (found == calls_.end()) return absl::OkStatus();
  const std::unique_ptr<Call> call = std::move(found->second);
  calls_.erase(found);
  Settle(*call, ended.end);
  RecordAnswer(*call, ended.end);
  return absl::OkStatus();
}

absl::Status Runner::On(OutsideEnded ended) {
  const auto found = calls_.find(ended.call);
  if (found == calls_.end()) return absl::OkStatus();
  const std::unique_ptr<Call> call = std::move(found->second);
  calls_.erase(found);
  Settle(*call, {.status = ended.status});
  if (!ended.status.ok()) {
    RecordFailure(*call, 0, ended.status);
    return absl::OkStatus();
  }
  auto result = std::make_unique<Result>();
  result->value = std::move(ended.value);
  result->finish_reason = "stop";
  Record(*call, 0, std::move(result));
  return absl::OkStatus();
}

void Runner::Settle(const Call& call, const EndpointEnd& end) {
  SettledCall settled{.id = call.id,
                      .ok = end.status.ok(),
                      .requests = end.requests,
                      .tokens_in = end.answer.tokens_in,
                      .tokens_out = end.answer.tokens_out,
                      .tokens_wasted = end.tokens_wasted,
                      .error = std::string(end.status.message()),
                      .time_ms = NowMs()};
  if (absl::IsCancelled(end.status)) {
    // Nobody knows what a server goes on to do: a promise about a budget counts the worst.
    settled.cost = call.reserved;
  } else {
    const auto endpoint = endpoints_.find(call.endpoint);
    settled.cost.calls = call.reserved.calls;
    settled.cost.tokens = settled.tokens_in + settled.tokens_out + settled.tokens_wasted;
    if (endpoint != endpoints_.end()) {
      settled.cost.usd = endpoint->second->traits().Usd(settled.tokens_in,
                                                        settled.tokens_out + settled.tokens_wasted);
    }
  }
  batch_.settled.push_back(settled);
  const auto running = running_.find(call.execution);
  // A later life has counted it as spent, with its whole reservation.
  if (running == running_.end() || running->second->life != call.life) return;
  running->second->budget.Settle(call.reserved, settled.cost);
  --running->second->open_calls;
  running->second->progress.open -= static_cast<int64_t>(call.keys.size());
  running->second->touched = true;
  TellSpent(*running->second);
}

void Runner::RecordAnswer(const Call& call, const EndpointEnd& end) {
  absl::Status status = end.status;
  if (status.ok() && call.question->kind == Question::Kind::kChat &&
      end.answer.texts.size() != call.keys.size()) {
    status = absl::DataLossError(absl::StrCat(call.endpoint, " gave ", end.answer.texts.size(),
                                              " texts, ", call.keys.size(), " were asked for"));
  }
  for (size_t i = 0; i < call.keys.size(); ++i) {
    if (!status.ok()) {
      RecordFailure(call, i, status);
      continue;
    }
    Record(call, i, std::make_unique<Result>(ResultOf(end.answer, i, call.keys.size())));
  }
}

// The result stays for the batch, and for whoever wants the same in this turn.
void Runner::Record(const Call& call, size_t sample, std::unique_ptr<Result> result) {
  batch_.results.push_back({.key = call.keys[sample],
                            .execution = call.execution,
                            .call = call.id,
                            .path = call.question->path,
                            .lineage = call.lineage,
                            .sample = call.samples[sample],
                            .result = result.get()});
  Note(call, "result", sample, "");
  fresh_[call.keys[sample]] = result.get();
  results_.push_back(std::move(result));
  Deliver(call.keys[sample], *results_.back());
}

void Runner::Note(const Call& call, std::string kind, size_t sample, std::string detail) {
  batch_.events.push_back({.time_ms = NowMs(),
                           .execution = call.execution,
                           .kind = std::move(kind),
                           .path = call.question->path,
                           .lineage = call.lineage,
                           .sample = call.samples[sample],
                           .detail = std::move(detail)});
}

// A cancelled call says nothing that would hold for a later run.
void Runner::RecordFailure(const Call& call, size_t sample, const absl::Status& status) {
  if (absl::IsCancelled(status) && call.cancelled && AskAgain(call.keys[sample])) return;
  if (!absl::IsCancelled(status)) {
    const std::string error =
        absl::StrCat(absl::StatusCodeToString(status.code()), ": ", std::string(status.message()));
    batch_.failures.push_back({.key = call.keys[sample],
                               .execution = call.execution,
                               .path = call.question->path,
                               .lineage = call.lineage,
                               .sample = call.samples[sample],
                               .error = error});
    Note(call, "failure", sample, error);
  }
  Result failed;
  failed.status = status;
  Deliver(call.keys[sample], failed);
}

// Whoever came to want it after nobody did has had no answer yet; false when nobody has come.
bool Runner::AskAgain(const std::string& key) {
  const auto found = keys_.find(key);
  if (found == keys_.end() || found->second.wants.empty()) return false;
  found->second.call = 0;
  const auto& [number, id] = found->second.wants.front();
  const Want& want = running_.at(number)->wants.at(id);
  pending_[EndpointOf(*want.question)].insert(
      {.execution = number, .order = want.order, .want = id});
  return true;
}

}  // namespace temper::agents
