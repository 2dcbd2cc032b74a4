// The loop of one run: owns its core and its ledger, carries out what the core decides.
//
// Everybody else posts: workers' answers and operators' orders as events, questions as functions.
// The loop commits to the ledger, then tells watchers, then acts (core.h). An ended run rests: its
// ledger answers questions, and Resume takes it up again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/stop.h"
#include "base/thread.h"
#include "orchestrator/controller/fleet.h"
#include "orchestrator/controller/tensorboard.h"
#include "orchestrator/core.h"
#include "orchestrator/ledger.h"
#include "orchestrator/run_files.h"
#include "orchestrator/spec.h"

namespace temper::orchestrator {

class EventStream;  // one caller of Watch

// Where a run lives.
struct RunPlace {
  std::string dir;
  std::string model_dir;  // where workers find config, tokenizer and first weights
  ResolvedSpec spec;
};

// An order with its caller.
struct OrderCall {
  std::string request_id;  // "": not remembered
  std::string digest;      // of the method and the request
  Order order;
  // Fills the caller's response from an OK answer, and says its bytes.
  std::function<std::string(const Answer&)> fill;
  // Fills it from the bytes of the answer given before.
  std::function<void(const std::string&)> repeat;
  // Ends the call; exactly once.
  std::function<void(const absl::Status&)> finish;
};

class RunLoop {
 public:
  // Told on the loop's thread; must only enqueue.
  struct Outside {
    // It needs workers, or needs none any more.
    std::function<void(const std::string& run, bool active)> on_active;
    std::function<void(const FenceWorker&)> on_fence;
    // Its ledger cannot be written: it does nothing more until a new start.
    std::function<void(const std::string& run, const absl::Status&)> on_broken;
  };

  // Opens datasets and ledger. FAILED_PRECONDITION when they do not belong together or another
  // controller runs. `resume`: a stopped or failed run goes on.
  static absl::StatusOr<std::unique_ptr<RunLoop>> Open(RunPlace place, bool resume, Outside outside,
                                                       const Clock& clock);
  ~RunLoop();  // stops and joins

  void Start();
  void Stop();  // may be repeated

  // Any thread. false: the queue is full or the loop has ended.
  [[nodiscard]] bool Post(Event event) { return inbox_.TryPush(std::move(event)); }
  [[nodiscard]] bool Post(std::function<void()> question) {
    return inbox_.TryPush(std::move(question));
  }
  // The run as it stood after its newest turn, with the ages of now: waits for nobody. Any thread.
  v1::GetResponse View() const ABSL_LOCKS_EXCLUDED(view_mutex_);
  const RunPlace& place() const { return place_; }
  const std::string& name() const { return place_.spec.spec.name(); }

  // For questions on the loop's thread.
  void Join(const WorkerJoined& event);
  void Lose(const WorkerLost& event);
  void Take(OrderCall call);
  void Describe(v1::GetResponse& run) const;
  void AddWatcher(std::shared_ptr<EventStream> stream);
  Ledger& ledger() { return *ledger_; }
  bool active() const { return core_.has_value() && !core_->ended(); }
  absl::StatusOr<RecoveredRun> Recover() { return ledger_->Recover(); }
  // Policy steps, those of the run that this one was forked from among them.
  int64_t steps_made() const;
  bool made(int64_t step) const { return step >= 1 && step <= steps_made(); }

 private:
  using Item = std::variant<Event, std::function<void()>>;

  RunLoop(RunPlace place, Outside outside, const Clock& clock);
  absl::Status OpenFiles(bool resume);
  absl::Status StartCore();
  absl::Status Loop();
  absl::Duration Pause() const;
  void Collect(std::vector<Event>& events);
  absl::Status TakeTurn(const std::vector<Event>& events);
  void AddRequests(Turn& turn);
  absl::Status Act(const Action& action);
  absl::Status StartTraining(const Train& action);
  void Finish(const Answer& answer);
  void FeedWatchers();
  void Publish() ABSL_LOCKS_EXCLUDED(view_mutex_);
  void Break(const absl::Status& status) ABSL_LOCKS_EXCLUDED(view_mutex_);
  void Close();

  const RunPlace place_;
  const Outside outside_;
  const Clock& clock_;
  StopToken stop_;

  // Loop thread only.
  RunFiles files_;
  std::unique_ptr<Ledger> ledger_;
  std::optional<RunCore> core_;  // none while the run rests
  RecoveredRun rest_;            // what is known of a resting run
  ForkOrigin origin_;
  std::optional<EventFile> tensorboard_;
  std::vector<std::shared_ptr<EventStream>> watchers_;
  std::vector<Event> own_events_;        // made by the loop itself, for its next turn
  std::map<int64_t, OrderCall> orders_;  // by ticket
  int64_t next_ticket_ = 1;
  int64_t last_sequence_ = 0;
  int64_t created_ms_ = 0;

  mutable Mutex view_mutex_;
  std::shared_ptr<const v1::GetResponse> view_ ABSL_GUARDED_BY(view_mutex_);
  absl::Duration viewed_at_ ABSL_GUARDED_BY(view_mutex_) = absl::ZeroDuration();

  BoundedQueue<Item> inbox_{1 << 16};
  std::unique_ptr<Fleet> fleet_;  // its calls deliver into the inbox
  Thread thread_;
};

}  // namespace temper::orchestrator
