// A stream of the controller as server-sent events of one browser.
//
//   data: {...}                              a message, as JSON
//   event: error / data: {"code", "message"} the stream has failed; last
//   event: end / data: {}                    the stream is over; last
//
// A comment is sent each few seconds, so that a browser that has gone is noticed. One connection's
// thread uses it.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/stop.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/dashboard/generic_call.h"

namespace httplib {
class DataSink;
}  // namespace httplib

namespace temper::orchestrator {

class EventSource {
 public:
  // Shared by all streams of a server.
  struct Limits {
    int streams_max = 0;
    std::atomic<int>* open = nullptr;
    const StopToken* stopping = nullptr;
  };

  // Waits a moment for the first outcome, so that a call that is refused is an error of HTTP.
  // RESOURCE_EXHAUSTED: too many streams are open.
  static absl::StatusOr<std::unique_ptr<EventSource>> Open(
      const Limits& limits, const google::protobuf::MethodDescriptor& rpc,
      std::unique_ptr<GenericCall> call);
  ~EventSource();

  // Sends what comes next; false: the connection is to be closed.
  bool Send(httplib::DataSink& sink);

 private:
  EventSource(const Limits& limits, const google::protobuf::MethodDescriptor& rpc,
              std::unique_ptr<GenericCall> call);

  // "data: ..." of the message that came; empty when it cannot be read.
  std::string Event();
  bool SendLast(httplib::DataSink& sink);

  const Limits limits_;
  const google::protobuf::MethodDescriptor& rpc_;
  const std::unique_ptr<GenericCall> call_;
  GenericCall::Outcome outcome_ = GenericCall::Outcome::kQuiet;
  absl::Time last_sent_;
};

}  // namespace temper::orchestrator
