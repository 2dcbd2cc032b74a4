// Calls in, requests out; every path of a call leads to End.
#include "agents/endpoint/call_line.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::agents {
namespace {

constexpr int kLessonsMax = 3;  // of one request: after that the wire learns nothing new

void Add(EndpointAnswer& sum, size_t begin, EndpointAnswer part) {
  for (size_t i = 0; i < part.texts.size(); ++i) sum.texts[begin + i] = std::move(part.texts[i]);
  if (part.score.has_value()) sum.score = part.score;
  if (sum.prompt_tokens.empty()) sum.prompt_tokens = std::move(part.prompt_tokens);
  sum.version = std::max(sum.version, part.version);
  sum.tokens_in += part.tokens_in;
  sum.tokens_out += part.tokens_out;
  sum.estimated = sum.estimated || part.estimated;
}

}  // namespace

CallLine::CallLine(Options options, std::shared_ptr<MultiLoop> loop, std::unique_ptr<Wire> wire)
    : options_(std::move(options)),
      loop_(std::move(loop)),
      wire_(std::move(wire)),
      limit_now_(options_.concurrency),
      limit_(options_.concurrency, options_.grow_after),
      retry_(options_.retry, options_.seed) {
  loop_->Post([this] { stop_number_ = loop_->OnStop([this] { EndAll(); }); });
}

CallLine::~CallLine() {
  {
    MutexLock lock(listening_);
    listeners_.clear();
  }
  // Behind whatever was posted before.
  loop_->Run([this] {
    EndAll();
    loop_->ForgetStop(stop_number_);
    if (paused_) loop_->Drop(pause_timer_);
  });
}

int CallLine::room() const { return paused_ ? 0 : std::max(limit_now_.load() - open_.load(), 0); }

int64_t CallLine::Start(EndpointCall call, std::function<void(EndpointEnd)> done) {
  TEMPER_CHECK(call.operation == EndpointCall::Operation::kScore || !call.samples.empty());
  const int64_t number = ++last_number_;
  ++open_;
  loop_->Post([this, number, call = std::move(call), done = std::move(done)]() mutable {
    Open(number, std::move(call), std::move(done));
  });
  return number;
}

void CallLine::Cancel(int64_t call) {
  loop_->Post([this, call] {
    if (calls_.contains(call)) End(call, absl::CancelledError("the call was cancelled"));
    Pump();
  });
}

int64_t CallLine::AddListener(std::function<void()> on_room) {
  MutexLock lock(listening_);
  listeners_.emplace(++last_listener_, std::move(on_room));
  return last_listener_;
}

void CallLine::RemoveListener(int64_t listener) {
  MutexLock lock(listening_);
  listeners_.erase(listener);
}

void CallLine::Tell() {
  MutexLock lock(listening_);
  for (const auto& entry : listeners_) entry.second();
}

void CallLine::Open(int64_t number, EndpointCall call, std::function<void(EndpointEnd)> done) {
  auto open = std::make_unique<OpenCall>();
  open->call = std::move(call);
  open->done = std::move(done);
  OpenCall& opened = *calls_.emplace(number, std::move(open)).first->second;
  if (loop_->stopped()) return End(number, absl::CancelledError("stopped"));
  const bool chat = opened.call.operation == EndpointCall::Operation::kChat;
  if (chat == options_.traits.reward) {
    return End(number, absl::InvalidArgumentError(chat ? "this endpoint scores texts, it makes none"
                                                       : "this endpoint does not score texts"));
  }
  retry_.CallStarted();
  const size_t count = chat ? opened.call.samples.size() : 1;
  opened.end.answer.texts.resize(chat ? count : 0);
  if (singles_) {
    SplitIntoSingles(number, opened, 0, count);
  } else {
    AddPart(number, opened, 0, count);
  }
  Pump();
}

void CallLine::AddPart(int64_t number, OpenCall& call, size_t begin, size_t count) {
  call.parts.emplace(++call.last_part, Part{.begin = begin, .count = count});
  line_.push_back({number, call.last_part});
}

void CallLine::SplitIntoSingles(int64_t number, OpenCall& call, size_t begin, size_t count) {
  for (size_t i = 0; i < count; ++i) AddPart(number, call, begin + i, 1);
}

void CallLine::Pump() {
  while (!line_.empty() && !paused_ && under_way_ < limit_.now()) {
    const Waiting next = line_.front();
    line_.pop_front();
    const auto found = calls_.find(next.call);
    if (found == calls_.end()) continue;  // it has ended
    Send(next.call, *found->second, next.part);
  }
}

void CallLine::Send(int64_t number, OpenCall& call, int part_number) {
  Part& part = call.parts.at(part_number);
  const bool chat = call.call.operation == EndpointCall::Operation::kChat;
  const std::span<const int64_t> samples =
      chat ? std::span<const int64_t>(call.call.samples).subspan(part.begin, part.count)
           : std::span<const int64_t>();
  part.sent = loop_->Now();
  ++part.attempts;
  ++call.end.requests;
  ++under_way_;
  part.under_way = wire_->Send(
      {.call = &call.call,
       .samples = samples,
       .idempotency_key = IdempotencyKey(call.call, samples)},
      [this, number, part_number](AttemptEnd end) { OnEnd(number, part_number, std::move(end)); });
}

void CallLine::OnEnd(int64_t number, int part_number, AttemptEnd end) {
  OpenCall& call = *calls_.at(number);
  Part& part = call.parts.at(part_number);
  part.under_way = 0;
  --under_way_;
  call.end.tokens_wasted += end.tokens_wasted;
  if (end.status.ok()) {
    if (limit_.Succeeded()) limit_now_ = limit_.now(), Tell();
    OnAnswer(number, call, part_number, std::move(end.answer));
  } else {
    if (end.overloaded) limit_.Overloaded(part.sent, loop_->Now()), limit_now_ = limit_.now();
    OnFailure(number, call, part_number, end);
  }
  Pump();
}

void CallLine::OnAnswer(int64_t number, OpenCall& call, int part_number, EndpointAnswer answer) {
  const Part part = call.parts.at(part_number);
  call.parts.erase(part_number);
  const bool chat = call.call.operation == EndpointCall::Operation::kChat;
  const size_t came = chat ? answer.texts.size() : part.count;
  TEMPER_CHECK(came >= 1 && came <= part.count);
  Add(call.end.answer, part.begin, std::move(answer));
  if (came < part.count) {
    singles_ = true;
    SplitIntoSingles(number, call, part.begin + came, part.count - came);
  }
  if (call.parts.empty()) End(number, absl::OkStatus());
}

void CallLine::OnFailure(int64_t number, OpenCall& call, int part_number, const AttemptEnd& end) {
  Part& part = call.parts.at(part_number);
  if (end.one_sample_at_once && part.count > 1) {
    singles_ = true;
    const Part whole = part;
    call.parts.erase(part_number);
    return SplitIntoSingles(number, call, whole.begin, whole.count);
  }
  if (end.other_words && part.lessons < kLessonsMax) {
    ++part.lessons;
    --part.attempts;
    line_.push_front({number, part_number});
    return;
  }
  if (!end.worth_a_retry) return End(number, end.status);
  const RetryPolicy::Verdict verdict = retry_.AfterFailure(part.attempts, end.pause);
  if (end.pause.has_value() && *end.pause <= options_.retry.told_pause_max) PauseAll(*end.pause);
  if (verdict.again) return SendAfter(number, part_number, part, verdict.pause);
  End(number,
      absl::Status(end.status.code(), absl::StrCat(std::string(end.status.message()),
                                                   " (not tried again: ", verdict.why_not, ")")));
}

void CallLine::SendAfter(int64_t number, int part_number, Part& part, absl::Duration pause) {
  part.pausing = true;
  part.timer = loop_->After(pause, [this, number, part_number] {
    calls_.at(number)->parts.at(part_number).pausing = false;
    line_.push_front({number, part_number});
    Pump();
  });
}

void CallLine::PauseAll(absl::Duration pause) {
  const absl::Duration end = loop_->Now() + pause;
  if (paused_ && end <= pause_end_) return;
  if (paused_) loop_->Drop(pause_timer_);
  paused_ = true;
  pause_end_ = end;
  pause_timer_ = loop_->After(pause, [this] {
    paused_ = false;
    Tell();
    Pump();
  });
}

void CallLine::End(int64_t number, absl::Status status) {
  const auto found = calls_.find(number);
  TEMPER_CHECK(found != calls_.end());
  const std::unique_ptr<OpenCall> call = std::move(found->second);
  calls_.erase(found);
  for (auto& [part_number, part] : call->parts) {
    if (part.pausing) loop_->Drop(part.timer);
    if (part.under_way == 0) continue;
    wire_->Abort(part.under_way);
    --under_way_;
  }
  EndpointEnd& end = call->end;
  if (!status.ok()) {
    end.tokens_wasted += end.answer.tokens_in + end.answer.tokens_out;
    end.answer = EndpointAnswer();
    status = absl::Status(status.code(), absl::StrCat("endpoint ", options_.traits.name, ": ",
                                                      std::string(status.message())));
  }
  end.status = std::move(status);
  --open_;
  call->done(std::move(end));
  Tell();
}

void CallLine::EndAll() {
  std::vector<int64_t> numbers;
  for (const auto& entry : calls_) numbers.push_back(entry.first);
  std::sort(numbers.begin(), numbers.end());
  for (const int64_t number : numbers) End(number, absl::CancelledError("stopped"));
}

}  // namespace temper::agents
