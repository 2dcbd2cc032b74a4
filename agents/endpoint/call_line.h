// The line in which an endpoint's calls wait for their turn: limits, retries and the one end of
// each.
//
// The same for every kind of server; what differs is the Wire. Calls live on the loop's thread;
// the public functions may be called from any thread. A call of several samples becomes several
// requests where the server makes only one at a time.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "agents/endpoint/attempt.h"
#include "agents/endpoint/concurrency_limit.h"
#include "agents/endpoint/endpoint.h"
#include "agents/endpoint/multi_loop.h"
#include "agents/endpoint/retry_policy.h"
#include "base/mutex.h"

namespace temper::agents {

class CallLine : public Endpoint {
 public:
  struct Options {
    Traits traits;
    int concurrency = 32;
    int grow_after = 10;  // see ConcurrencyLimit
    RetryPolicy::Options retry;
    uint64_t seed = 0;  // of the pauses' spread
  };
  CallLine(Options options, std::shared_ptr<MultiLoop> loop, std::unique_ptr<Wire> wire);
  // Ends what is open with CANCELLED. Not on the loop.
  ~CallLine() override;

  int room() const override;
  int64_t Start(EndpointCall call, std::function<void(EndpointEnd)> done) override;
  void Cancel(int64_t call) override;
  int64_t AddListener(std::function<void()> on_room) override ABSL_LOCKS_EXCLUDED(listening_);
  void RemoveListener(int64_t listener) override ABSL_LOCKS_EXCLUDED(listening_);
  const Traits& traits() const override { return options_.traits; }
  int64_t PromptTokensMax(const nlohmann::ordered_json& messages) const override {
    return wire_->PromptTokensMax(messages);
  }

 private:
  // Samples [begin, begin + count) of a call: one request, and its retries.
  struct Part {
    size_t begin = 0;
    size_t count = 0;
    int attempts = 0;        // that count: all but those that only taught the wire
    int lessons = 0;         // attempts that did
    uint64_t under_way = 0;  // the wire's number; 0: it waits
    absl::Duration sent;
    MultiLoop::Timer timer;  // of a pause
    bool pausing = false;
  };
  struct OpenCall {
    EndpointCall call;
    std::function<void(EndpointEnd)> done;
    EndpointEnd end;
    std::map<int, Part> parts;  // that are not done yet, by number
    int last_part = 0;
  };
  struct Waiting {
    int64_t call;
    int part;
  };

  void Open(int64_t number, EndpointCall call, std::function<void(EndpointEnd)> done);
  void AddPart(int64_t number, OpenCall& call, size_t begin, size_t count);
  void Pump();
  void Send(int64_t number, OpenCall& call, int part_number);
  void OnEnd(int64_t number, int part_number, AttemptEnd end);
  void OnAnswer(int64_t number, OpenCall& call, int part_number, EndpointAnswer answer);
  void OnFailure(int64_t number, OpenCall& call, int part_number, const AttemptEnd& end);
  void SendAfter(int64_t number, int part_number, Part& part, absl::Duration pause);
  void SplitIntoSingles(int64_t number, OpenCall& call, size_t begin, size_t count);
  void PauseAll(absl::Duration pause);
  void End(int64_t number, absl::Status status);
  void EndAll();
  void Tell() ABSL_LOCKS_EXCLUDED(listening_);

  const Options options_;
  const std::shared_ptr<MultiLoop> loop_;
  const std::unique_ptr<Wire> wire_;

  std::atomic<int64_t> last_number_{0};
  std::atomic<int> open_{0};
  std::atomic<int> limit_now_;
  std::atomic<bool> paused_{false};

  // The loop's own.
  ConcurrencyLimit limit_;
  RetryPolicy retry_;
  absl::flat_hash_map<int64_t, std::unique_ptr<OpenCall>> calls_;
  std::deque<Waiting> line_;
  int under_way_ = 0;
  bool singles_ = false;  // the server makes one sample at a time
  MultiLoop::Timer pause_timer_;
  absl::Duration pause_end_;
  uint64_t stop_number_ = 0;

  Mutex listening_;
  std::map<int64_t, std::function<void()>> listeners_ ABSL_GUARDED_BY(listening_);
  int64_t last_listener_ ABSL_GUARDED_BY(listening_) = 0;
};

}  // namespace temper::agents
