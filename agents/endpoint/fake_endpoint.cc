// A reply of the script, told as a server's answer would be.
#include "agents/endpoint/fake_endpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace temper::agents {
namespace {

AttemptEnd Retried(absl::Status status, int64_t wasted = 0) {
  return {.status = std::move(status), .worth_a_retry = true, .tokens_wasted = wasted};
}

// What a fault comes to; OK where there is none.
AttemptEnd FaultOf(const FakeReply& reply, int64_t tokens_out) {
  switch (reply.fault) {
    case FakeFault::kHttp503:
    case FakeFault::kHttp429: {
      const bool full = reply.fault == FakeFault::kHttp429;
      AttemptEnd end = Retried(absl::UnavailableError(
          full ? "HTTP 429: too many requests, as scripted" : "HTTP 503: busy, as scripted"));
      end.overloaded = true;
      if (reply.retry_after_seconds > 0) end.pause = absl::Seconds(reply.retry_after_seconds);
      return end;
    }
    case FakeFault::kQuota:
      return {.status = absl::ResourceExhaustedError("insufficient_quota, as scripted")};
    case FakeFault::kBadRequest:
      return {.status = absl::InvalidArgumentError("HTTP 400: a bad request, as scripted")};
    case FakeFault::kContext:
      return {.status = absl::OutOfRangeError("the context is too short, as scripted")};
    case FakeFault::kTruncate:
      return Retried(absl::UnavailableError("the answer ended in the middle, as scripted"),
                     reply.tokens_in + tokens_out / 2);
    case FakeFault::kStall:
      return Retried(absl::DeadlineExceededError("the answer stalled, as scripted"),
                     reply.tokens_in + tokens_out / 2);
    case FakeFault::kErrorInStream:
      return Retried(absl::UnavailableError("an error inside the answer, as scripted"),
                     reply.tokens_in + tokens_out / 2);
    case FakeFault::kNone:
    case FakeFault::kLength:
      break;
  }
  return {};
}

}  // namespace

AttemptEnd FakeWire::EndOf(const Attempt& attempt, const FakeReply& reply) const {
  int64_t tokens_out = 0;
  for (const FakeText& text : reply.texts) tokens_out += text.tokens;
  AttemptEnd end = FaultOf(reply, tokens_out);
  if (!end.status.ok()) return end;
  EndpointAnswer& answer = end.answer;
  answer.tokens_in = reply.tokens_in;
  answer.tokens_out = tokens_out;
  if (attempt.call->operation == EndpointCall::Operation::kScore) {
    answer.score = reply.score;
    return end;
  }
  for (const FakeText& text : reply.texts) {
    answer.texts.push_back(
        {.text = text.text, .finish_reason = text.finish_reason, .first_token = text.first_token});
  }
  return end;
}

uint64_t FakeWire::Send(const Attempt& attempt, std::function<void(AttemptEnd)> done) {
  const EndpointCall& call = *attempt.call;
  FakeQuestion question{.model = call.model,
                        .messages = &call.messages,
                        .max_tokens = call.max_tokens,
                        .logprobs = call.top_logprobs > 0};
  for (const int64_t sample : attempt.samples) {
    question.samples.emplace_back(SampleSeed(call, sample), sample);
  }
  const FakeReply reply = options_.script->Answer(question, options_.seed);
  const uint64_t number = ++last_number_;
  absl::Duration latency = reply.latency;
  if (reply.fault == FakeFault::kStall) latency += options_.idle_timeout;
  under_way_[number] = loop_.After(
      latency, [this, number, done = std::move(done), end = EndOf(attempt, reply)]() mutable {
        under_way_.erase(number);
        done(std::move(end));
      });
  return number;
}

void FakeWire::Abort(uint64_t attempt) {
  const auto found = under_way_.find(attempt);
  if (found == under_way_.end()) return;
  loop_.Drop(found->second);
  under_way_.erase(found);
}

}  // namespace temper::agents
