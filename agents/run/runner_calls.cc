// What is asked: priced, reserved, started once that is durable.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "agents/run/runner.h"
#include "agents/run/runner_state.h"
#include "base/philox.h"

namespace temper::agents {

Cost Runner::Price(const Endpoint& endpoint, const Question& question, int64_t samples) const {
  const int64_t in = endpoint.PromptTokensMax(question.messages);
  const int64_t out =
      question.kind == Question::Kind::kScore ? 0 : samples * question.role->max_tokens;
  return {.tokens = in + out, .usd = endpoint.traits().Usd(in, out), .calls = 1};
}

void Runner::Dispatch() {
  for (auto& [name, pending] : pending_) {
    if (name.empty()) continue;
    while (DispatchOne(name, pending)) {
    }
  }
  DispatchOutside();
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
    StartCall(running, endpoint, wants, reserved);
    ++promised_[name];
    return true;
  }
  return false;
}

// Takes the next number for a call of these wants, and writes it down.
Runner::Call& Runner::OpenCall(Running& running, const std::vector<Want>& wants,
                               const std::string& role, const std::string& endpoint,
                               const Cost& reserved) {
  const Want& first = wants.front();
  auto call = std::make_unique<Call>();
  call->id = next_call_++;
  call->execution = running.number;
  call->life = running.life;
  call->endpoint = endpoint;
  call->question = first.question;
  call->lineage = first.lineage;
  call->reserved = reserved;
  for (const Want& want : wants) {
    call->keys.push_back(want.key);
    call->samples.push_back(want.sample);
    keys_.at(want.key).call = call->id;
  }
  running.budget.Reserve(reserved);
  ++running.open_calls;
  ++running.calls_started;
  running.progress.open += static_cast<int64_t>(wants.size());
  running.touched = true;
  batch_.opened.push_back({.id = call->id,
                           .execution = running.number,
                           .role = role,
                           .endpoint = endpoint,
                           .path = first.question->path,
                           .lineage = first.lineage,
                           .samples = static_cast<int64_t>(wants.size()),
                           .reserved = reserved,
                           .time_ms = NowMs()});
  return *(calls_[call->id] = std::move(call));
}

void Runner::StartCall(Running& running, Endpoint& endpoint, const std::vector<Want>& wants,
                       const Cost& reserved) {
  const Question& question = *wants.front().question;
  const Role& role = *question.role;
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
  for (const Want& want : wants) asked.samples.push_back(want.sample);
  const int64_t id = OpenCall(running, wants, role.name, role.endpoint, reserved).id;
  after_commit_.push_back([this, id, &endpoint, asked = std::move(asked)] {
    calls_.at(id)->endpoint_call = endpoint.Start(asked, [this, id](EndpointEnd end) {
      Post(CallEnded{id, std::move(end)});
    });
  });
}

void Runner::DispatchOutside() {
  for (const Pending& one : std::exchange(pending_[""], {})) {
    Running& running = *running_.at(one.execution);
    const Want& want = running.wants.at(one.want);
    const bool tool = want.question->kind == Question::Kind::kTool;
    if (OnceOnly(*want.question)) batch_.intents.push_back(want.key);
    const int64_t id = OpenCall(running, {want}, tool ? "tool" : "person", "", Cost{}).id;
    after_commit_.push_back([this, id, key = want.key, question = want.question] {
      world_->Start(id, key, *question,
                    [this, id](const absl::Status& status, nlohmann::ordered_json value) {
                      Post(OutsideEnded{id, status, std::move(value)});
                    });
    });
  }
}

void Runner::CancelCall(const Call& call) {
  if (call.endpoint.empty()) {
    world_->Cancel(call.id);
  } else {
    endpoints_.at(call.endpoint)->Cancel(call.endpoint_call);
  }
}

}  // namespace temper::agents
