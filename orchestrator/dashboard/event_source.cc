// Waiting in small steps: for a message, for the stop, for the time of the next comment.
#include "orchestrator/dashboard/event_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "httplib.h"
#include "orchestrator/dashboard/transcoding.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kFirstWait = absl::Milliseconds(500);
constexpr absl::Duration kTick = absl::Milliseconds(200);
constexpr absl::Duration kCommentEvery = absl::Seconds(5);

bool Write(httplib::DataSink& sink, const std::string& text) {
  return sink.write(text.data(), text.size());
}

}  // namespace

EventSource::EventSource(const Limits& limits, const google::protobuf::MethodDescriptor& rpc,
                         std::unique_ptr<GenericCall> call)
    : limits_(limits), rpc_(rpc), call_(std::move(call)), last_sent_(absl::Now()) {
  limits_.open->fetch_add(1);
}

EventSource::~EventSource() { limits_.open->fetch_sub(1); }

absl::StatusOr<std::unique_ptr<EventSource>> EventSource::Open(
    const Limits& limits, const google::protobuf::MethodDescriptor& rpc,
    std::unique_ptr<GenericCall> call) {
  std::unique_ptr<EventSource> source(new EventSource(limits, rpc, std::move(call)));
  if (limits.open->load() > limits.streams_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the dashboard has ", limits.streams_max,
                     " open streams already; close a tab that shows it"));
  }
  source->outcome_ = source->call_->Next(kFirstWait);
  if (source->outcome_ == GenericCall::Outcome::kEnd && !source->call_->status().ok()) {
    return source->call_->status();
  }
  return source;
}

bool EventSource::Send(httplib::DataSink& sink) {
  while (outcome_ == GenericCall::Outcome::kQuiet) {
    if (limits_.stopping->stopped()) return false;
    if (absl::Now() - last_sent_ >= kCommentEvery) {
      last_sent_ = absl::Now();
      return Write(sink, ": quiet\n\n");
    }
    outcome_ = call_->Next(kTick);
  }
  if (limits_.stopping->stopped()) return false;
  if (outcome_ == GenericCall::Outcome::kEnd) return SendLast(sink);
  const std::string event = Event();
  outcome_ = GenericCall::Outcome::kQuiet;
  last_sent_ = absl::Now();
  if (event.empty() || !Write(sink, event)) return false;
  outcome_ = call_->Next(absl::ZeroDuration());
  return true;
}

std::string EventSource::Event() {
  const std::unique_ptr<google::protobuf::Message> message = NewMessage(*rpc_.output_type());
  if (!call_->Take(*message).ok()) return "";
  const auto json = ToBrowserJson(*message);
  return json.ok() ? absl::StrCat("data: ", *json, "\n\n") : "";
}

bool EventSource::SendLast(httplib::DataSink& sink) {
  const absl::Status& status = call_->status();
  const std::string last = status.ok()
                               ? "event: end\ndata: {}\n\n"
                               : absl::StrCat("event: error\ndata: ", ErrorJson(status), "\n\n");
  if (!Write(sink, last)) return false;
  sink.done();
  return true;
}

}  // namespace temper::orchestrator
