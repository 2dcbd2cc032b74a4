// Reads a server's stream on the caller's thread, with ears for a stop while nothing comes.
//
// gRPC's blocking readers cannot be woken but by another thread; a completion queue of one's own
// can be asked with a deadline.
#pragma once

#include <chrono>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/grpc_status.h"
#include "base/stop.h"
#include "base/wait.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_stream.h"

namespace temper::orchestrator {

inline constexpr absl::Duration kStreamTick = absl::Milliseconds(50);

// How one reading ends besides by the server's word.
struct StreamLimits {
  const StopToken& stop;
  // Longest time without a message.
  absl::Duration silence_max = absl::InfiniteDuration();
};

// `prepare` makes the call; every message goes to `on_message`, and `on_idle` is called about every
// kStreamTick. CANCELLED when `stop` was raised, DEADLINE_EXCEEDED after too long a silence, else
// the server's status.
template <class Response>
absl::Status ReadStream(absl::FunctionRef<std::unique_ptr<grpc::ClientAsyncReader<Response>>(
                            grpc::ClientContext*, grpc::CompletionQueue*)>
                            prepare,
                        grpc::ClientContext& context, const StreamLimits& limits,
                        absl::FunctionRef<void(const Response&)> on_message,
                        absl::FunctionRef<void()> on_idle) {
  enum Tag : intptr_t { kStarted = 1, kRead = 2, kFinished = 3 };
  const auto tag_of = [](Tag tag) { return reinterpret_cast<void*>(tag); };
  grpc::CompletionQueue queue;
  const std::unique_ptr<grpc::ClientAsyncReader<Response>> reader = prepare(&context, &queue);
  reader->StartCall(tag_of(kStarted));

  absl::Status cancelled;  // OK: not by us
  const auto cancel = [&](absl::Status why) {
    if (!cancelled.ok()) return;
    cancelled = std::move(why);
    context.TryCancel();
  };
  Response message;
  grpc::Status status;
  absl::Time last_message = absl::Now(), last_tick = absl::Now();
  for (bool finished = false; !finished;) {
    void* tag = nullptr;
    bool ok = false;
    const Waiting waiting(Wait::ForWork("the next message", kStreamTick));
    const auto next = queue.AsyncNext(
        &tag, &ok, std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kStreamTick));
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      if (tag == tag_of(kFinished)) {
        finished = true;
      } else if (!ok) {
        reader->Finish(&status, tag_of(kFinished));
      } else {
        if (tag == tag_of(kRead) && cancelled.ok()) {
          last_message = absl::Now();
          on_message(message);
        }
        reader->Read(&message, tag_of(kRead));
      }
    }
    if (finished) break;
    if (limits.stop.stopped()) cancel(absl::CancelledError("stopped while reading a stream"));
    if (absl::Now() - last_message > limits.silence_max) {
      cancel(absl::DeadlineExceededError("not a word for too long a time"));
    }
    if (cancelled.ok() && absl::Now() - last_tick >= kStreamTick) {
      on_idle();
      last_tick = absl::Now();
    }
  }
  queue.Shutdown();
  void* tag = nullptr;
  for (bool ok = false; queue.Next(&tag, &ok);) {
  }
  return cancelled.ok() ? FromGrpc(status) : cancelled;
}

}  // namespace temper::orchestrator
