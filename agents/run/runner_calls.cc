// Wants become calls, calls become results.
#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agents/run/runner.h"
#include "agents/run/runner_state.h"
#include "base/check.h"
#include "base/philox.h"
#include "base/status_macros.h"

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

absl::Status Runner::PullAll() {
  for (bool delivered = true; delivered;) {
    delivered = false;
    for (const auto& [number, running] : running_) {
      if (running->ended || running->execution == nullptr || !running->touched) continue;
      TEMPER_ASSIGN_OR_RETURN(const bool more, Pull(*running));
      delivered |= more;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Runner::Pull(Running& running) {
  bool delivered = false;
  for (;;) {
    const std::vector<Want> wants = running.execution->TakeWants();
    for (const int64_t dropped : running.execution->TakeDropped()) DropWant(running, dropped);
    if (wants.empty()) break;
    delivered = true;
    for (const Want& want : wants) {
      // What came before it may have made it needless.
      TEMPER_RETURN_IF_ERROR(TakeWant(running, want));
    }
  }
  running.execution->ConsiderEnough();
  for (const int64_t dropped : running.execution->TakeDropped()) {
    delivered = true;
    if (!running.execution->done()) RecordEnough(running, dropped);
    DropWant(running, dropped);
  }
  return delivered;
}

// So that a replay stops at the same place.
void Runner::RecordEnough(const Running& running, int64_t id) {
  const auto want = running.wants.find(id);
  if (want == running.wants.end()) return;
  batch_.results.push_back({.key = want->second.key,
                            .execution = running.number,
                            .path = want->second.question->path,
                            .lineage = want->second.lineage,
                            .sample = want->second.sample});
}

absl::Status Runner::TakeWant(Running& running, Want want) {
  if (running.execution->done()) return absl::OkStatus();
  ++running.progress.wanted;
  running.wants[want.id] = want;
  const auto [key, fresh] = keys_.try_emplace(want.key);
  key->second.wants.emplace_back(running.number, want.id);
  if (!fresh) return absl::OkStatus();  // somebody asks for it already
  // This turn's are not in the store yet.
  std::optional<Result> recorded;
  if (const auto newest = fresh_.find(want.key); newest != fresh_.end()) {
    recorded = *newest->second;
  } else {
    TEMPER_ASSIGN_OR_RETURN(recorded, store_->Find(want.key));
  }
  // That enough were there holds for as long as the node says when that is.
  if (recorded.has_value() && (recorded->status.ok() || want.question->node->enough.has_value())) {
    ++running.progress.recorded;
    Deliver(want.key, *recorded);
    return absl::OkStatus();
  }
  std::string refusal;
  if (options_.sealed) {
    TEMPER_ASSIGN_OR_RETURN(refusal, store_->FailureOf(want.key));
    if (refusal.empty()) refusal = "there is no recorded result, and nothing is asked in a replay";
  }
  const bool outside = want.question->role == nullptr;
  if (refusal.empty() && outside && world_ == nullptr) {
    refusal = "tools and questions to people are not carried out here";
  }
  if (refusal.empty() && want.question->kind == Question::Kind::kTool &&
      want.question->node->effect == Node::Effect::kOnce) {
    TEMPER_ASSIGN_OR_RETURN(const bool begun, store_->HasIntent(want.key));
    if (begun) {
      refusal =
          "its effect may happen once only, and a process that had begun it died: look whether it "
          "happened, then run in a new folder";
    }
  }
  if (!refusal.empty()) {
    Result failed;
    failed.status = absl::FailedPreconditionError(refusal);
    Deliver(want.key, failed);
    return absl::OkStatus();
  }
  pending_[outside ? "" : want.question->role->endpoint].insert(
      {.execution = running.number, .order = want.order, .want = want.id});
  return absl::OkStatus();
}

void Runner::DropWant(Running& running, int64_t id) {
  const auto found = running.wants.find(id);
  if (found == running.wants.end()) return;
  const Want want = found->second;
  running.wants.erase(found);
  running.touched = true;
  const auto key = keys_.find(want.key);
  if (key == keys_.end()) return;
  std::erase(key->second.wants, std::make_pair(running.number, id));
  const std::string endpoint = want.question->role == nullptr ? "" : want.question->role->endpoint;
  std::set<Pending>& pending = pending_[endpoint];
  const bool was_pending =
      pending.erase({.execution = running.number, .order = want.order, .want = id}) > 0;
  if (!key->second.wants.empty()) {
    // Somebody else needs it: then it is theirs to pay.
    if (was_pending) {
      const auto& [number, other] = key->second.wants.front();
      const Running& heir = *running_.at(number);
      pending.insert({.execution = number, .order = heir.wants.at(other).order, .want = other});
    }
    return;
  }
  const auto open = calls_.find(key->second.call);
  if (open == calls_.end()) {  // not asked yet, or its call is just being taken in
    keys_.erase(key);
    return;
  }
  Call& call = *open->second;
  if (++call.unwanted < static_cast<int64_t>(call.keys.size()) || call.cancelled) return;
  call.cancelled = true;
  after_commit_.push_back([this, number = call.id] {
    const auto open = calls_.find(number);
    if (open == calls_.end()) return;
    if (open->second->endpoint.empty()) {
      world_->Cancel(number);
    } else {
      endpoints_.at(open->second->endpoint)->Cancel(open->second->endpoint_call);
    }
  });
}

void Runner::Deliver(const std::string& key, const Result& result) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  const std::vector<std::pair<int64_t, int64_t>> wants = std::move(found->second.wants);
  keys_.erase(found);
  for (const auto& [number, id] : wants) {
    Running& running = *running_.at(number);
    const auto want = running.wants.find(id);
    if (want == running.wants.end()) continue;
    running.progress.newest = absl::StrCat(want->second.question->path, " ", want->second.lineage);
    running.wants.erase(want);
    running.touched = true;
    if (!result.status.ok()) ++running.progress.failed;
    running.execution->Deliver(id, result);
    for (const int64_t dropped : running.execution->TakeDropped()) DropWant(running, dropped);
  }
}

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
  batch_.results.push_back({.key = call->keys.front(),
                            .execution = call->execution,
                            .call = call->id,
                            .path = call->question->path,
                            .lineage = call->lineage,
                            .result = result.get()});
  Keep(call->keys.front(), std::move(result));
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
      const Endpoint::Traits& traits = endpoint->second->traits();
      settled.cost.usd = (static_cast<double>(settled.tokens_in) * traits.usd_per_million_in +
                          static_cast<double>(settled.tokens_out + settled.tokens_wasted) *
                              traits.usd_per_million_out) /
                         1e6;
    }
  }
  batch_.settled.push_back(settled);
  const auto running = running_.find(call.execution);
  if (running == running_.end()) return;
  running->second->budget.Settle(call.reserved, settled.cost);
  --running->second->open_calls;
  running->second->progress.open -= static_cast<int64_t>(call.keys.size());
  running->second->touched = true;
  TellSpent(*running->second);
}

void Runner::RecordAnswer(Call& call, const EndpointEnd& end) {
  absl::Status status = end.status;
  if (status.ok() && call.question->kind == Question::Kind::kChat &&
      end.answer.texts.size() != call.keys.size()) {
    status = absl::DataLossError(absl::StrCat(call.endpoint, " gave ", end.answer.texts.size(),
                                              " texts, ", call.keys.size(), " were asked for"));
  }
  for (size_t i = 0; i < call.keys.size(); ++i) {
    if (!status.ok()) {
      if (absl::IsCancelled(status)) {
        Result cancelled;
        cancelled.status = status;
        Deliver(call.keys[i], cancelled);
      } else {
        RecordFailure(call, i, status);
      }
      continue;
    }
    auto result = std::make_unique<Result>(ResultOf(end.answer, i, call.keys.size()));
    batch_.results.push_back({.key = call.keys[i],
                              .execution = call.execution,
                              .call = call.id,
                              .path = call.question->path,
                              .lineage = call.lineage,
                              .sample = call.samples[i],
                              .result = result.get()});
    batch_.events.push_back({.time_ms = NowMs(),
                             .execution = call.execution,
                             .kind = "result",
                             .path = call.question->path,
                             .lineage = call.lineage,
                             .sample = call.samples[i]});
    Keep(call.keys[i], std::move(result));
  }
}

// Until the commit, for the batch and for whoever wants the same in this turn.
void Runner::Keep(const std::string& key, std::unique_ptr<Result> result) {
  fresh_[key] = result.get();
  results_.push_back(std::move(result));
  Deliver(key, *results_.back());
}

void Runner::RecordFailure(const Call& call, size_t sample, const absl::Status& status) {
  const std::string error =
      absl::StrCat(absl::StatusCodeToString(status.code()), ": ", std::string(status.message()));
  batch_.failures.push_back({.key = call.keys[sample],
                             .execution = call.execution,
                             .path = call.question->path,
                             .lineage = call.lineage,
                             .sample = call.samples[sample],
                             .error = error});
  batch_.events.push_back({.time_ms = NowMs(),
                           .execution = call.execution,
                           .kind = "failure",
                           .path = call.question->path,
                           .lineage = call.lineage,
                           .sample = call.samples[sample],
                           .detail = error});
  Result failed;
  failed.status = status;
  Deliver(call.keys[sample], failed);
}

Cost Runner::Price(const Endpoint& endpoint, const Question& question, int64_t samples) const {
  const int64_t in = endpoint.PromptTokensMax(question.messages);
  const int64_t out =
      question.kind == Question::Kind::kScore ? 0 : samples * question.role->max_tokens;
  const Endpoint::Traits& traits = endpoint.traits();
  return {.tokens = in + out,
          .usd = (static_cast<double>(in) * traits.usd_per_million_in +
                  static_cast<double>(out) * traits.usd_per_million_out) /
                 1e6,
          .calls = 1};
}

absl::Status Runner::Dispatch() {
  for (auto& [name, pending] : pending_) {
    if (name.empty()) continue;
    while (DispatchOne(name, pending)) {
    }
  }
  return DispatchOutside();
}

// Starts one call of the endpoint; false when it can take none.
bool Runner::DispatchOne(const std::string& name, std::set<Pending>& pending) {
  Endpoint& endpoint = *endpoints_.at(name);
  if (endpoint.room() - promised_[name] <= 0) return false;
  std::set<int64_t> priced_out;
  for (auto at = pending.begin(); at != pending.end(); ++at) {
    if (priced_out.contains(at->execution)) continue;
    Running& running = *running_.at(at->execution);
    const Want& first = running.wants.at(at->want);
    // Siblings lie together: the same question, one sample after the other.
    std::vector<Want> wants;
    for (auto next = at; next != pending.end() && next->execution == at->execution; ++next) {
      const Want& want = running.wants.at(next->want);
      if (want.question != first.question) continue;
      if (first.question->kind != Question::Kind::kChat && !wants.empty()) break;
      wants.push_back(want);
      if (static_cast<int64_t>(wants.size()) >= endpoint.traits().samples_max) break;
    }
    while (!wants.empty() && !running.budget.Fits(Price(endpoint, *first.question,
                                                        static_cast<int64_t>(wants.size())))) {
      wants.pop_back();
    }
    if (wants.empty()) {
      priced_out.insert(at->execution);
      continue;
    }
    for (const Want& want : wants) {
      pending.erase({.execution = running.number, .order = want.order, .want = want.id});
    }
    const Cost reserved =
        Price(endpoint, *wants.front().question, static_cast<int64_t>(wants.size()));
    StartCall(running, endpoint, std::move(wants), reserved);
    ++promised_[name];
    return true;
  }
  return false;
}

void Runner::StartCall(Running& running, Endpoint& endpoint, std::vector<Want> wants,
                       const Cost& reserved) {
  const Question& question = *wants.front().question;
  const Role& role = *question.role;
  auto call = std::make_unique<Call>();
  call->id = next_call_++;
  call->execution = running.number;
  call->endpoint = role.endpoint;
  call->question = wants.front().question;
  call->lineage = wants.front().lineage;
  call->reserved = reserved;
  EndpointCall asked{.operation = question.kind == Question::Kind::kScore
                                      ? EndpointCall::Operation::kScore
                                      : EndpointCall::Operation::kChat,
                     .key = absl::BytesToHexString(question.key),
                     .model = role.model,
                     .messages = question.messages,
                     .temperature = role.temperature,
                     .top_p = role.top_p,
                     .max_tokens = role.max_tokens,
                     .stop = role.stop,
                     .seed = role.seed.value_or(HashName(question.key) ^ options_.seed),
                     .top_logprobs = question.top_logprobs,
                     .attribute = question.attribute,
                     .extra = role.extra};
  for (const Want& want : wants) {
    call->keys.push_back(want.key);
    call->samples.push_back(want.sample);
    asked.samples.push_back(want.sample);
    keys_.at(want.key).call = call->id;
  }
  running.budget.Reserve(reserved);
  ++running.open_calls;
  ++running.calls_started;
  running.progress.open += static_cast<int64_t>(wants.size());
  running.touched = true;
  batch_.opened.push_back({.id = call->id,
                           .execution = running.number,
                           .role = role.name,
                           .endpoint = role.endpoint,
                           .path = question.path,
                           .lineage = call->lineage,
                           .samples = static_cast<int64_t>(wants.size()),
                           .reserved = reserved,
                           .time_ms = NowMs()});
  const int64_t id = call->id;
  calls_[id] = std::move(call);
  after_commit_.push_back([this, id, &endpoint, asked = std::move(asked)] {
    calls_.at(id)->endpoint_call = endpoint.Start(asked, [this, id](EndpointEnd end) {
      Post(CallEnded{id, std::move(end)});
    });
  });
}

absl::Status Runner::DispatchOutside() {
  std::set<Pending>& pending = pending_[""];
  for (const Pending& one : std::exchange(pending, {})) {
    Running& running = *running_.at(one.execution);
    const Want& want = running.wants.at(one.want);
    auto call = std::make_unique<Call>();
    call->id = next_call_++;
    call->execution = running.number;
    call->question = want.question;
    call->lineage = want.lineage;
    call->keys = {want.key};
    call->samples = {0};
    keys_.at(want.key).call = call->id;
    ++running.open_calls;
    ++running.progress.open;
    running.touched = true;
    if (want.question->kind == Question::Kind::kTool &&
        want.question->node->effect == Node::Effect::kOnce) {
      batch_.intents.push_back(want.key);
    }
    const bool tool = want.question->kind == Question::Kind::kTool;
    batch_.opened.push_back({.id = call->id,
                             .execution = running.number,
                             .role = tool ? "tool" : "person",
                             .path = want.question->path,
                             .lineage = call->lineage,
                             .samples = 1,
                             .time_ms = NowMs()});
    const int64_t id = call->id;
    calls_[id] = std::move(call);
    after_commit_.push_back([this, id, key = want.key, question = want.question] {
      world_->Start(id, key, *question,
                    [this, id](const absl::Status& status, nlohmann::ordered_json value) {
                      Post(OutsideEnded{id, status, std::move(value)});
                    });
    });
  }
  return absl::OkStatus();
}

}  // namespace temper::agents
