// Runs executions of one graph against endpoints, durably: the loop that owns their store.
//
// Each turn takes what has happened, lets executions say what they want next, reserves what is to
// be asked, commits all of that as one transaction, and only then starts calls and tells callers.
// A failed commit ends everything: nothing that is not recorded is acted upon. One thread of its
// own; Submit, Cancel and Stop from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/endpoint/open_endpoints.h"
#include "agents/graph/graph.h"
#include "agents/run/budget.h"
#include "agents/run/execution.h"
#include "agents/run/outside_world.h"
#include "agents/run/store.h"
#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/stop.h"
#include "base/thread.h"

namespace temper::agents {

// How far an execution is.
struct ExecutionProgress {
  int64_t wanted = 0, recorded = 0, open = 0, failed = 0;  // results
  std::string newest;  // "edit draft=5": the result that came last
  Cost spent;
};

struct ExecutionEnd {
  std::string id;
  std::string outcome;  // "done", "failed", "budget_exhausted", "cancelled", "refused"
  std::string why;      // of anything but "done"
  std::vector<Item> output;
  ExecutionProgress progress;
  int64_t calls = 0;                       // started by this process
  std::map<std::string, RoleUsage> usage;  // by role, of all processes
  // What it was, for credit, curves and reports. Null where it never began.
  std::shared_ptr<const Execution> execution;
  int64_t number = 0;
};

struct ExecutionRequest {
  // Of the execution in this folder: the same id is the same execution. Asked for again while it is
  // under way, both wait for the one.
  std::string id;
  nlohmann::ordered_json inputs;
  std::optional<BudgetLimits> budget;  // instead of the graph's
  // On the runner's thread: must only enqueue.
  std::function<void(const ExecutionProgress&)> on_progress;  // may be null
  std::function<void(ExecutionEnd)> on_end;                   // once
};

// NOT_FOUND: a role's endpoint is not among them, with its place and the nearest name;
// INVALID_ARGUMENT: a role and an endpoint that do not go together.
absl::Status CheckRoles(const Graph& graph, const Endpoints& endpoints);

class Runner {
 public:
  struct Options {
    uint64_t seed = 0;            // of what endpoints are asked to draw with
    bool breadth = false;         // a stage after the other, instead of chain by chain
    bool sealed = false;          // recorded results only: nothing is asked
    std::string salt;             // part of all keys; a run that is to be drawn anew has another
    int executions_max = 64;      // under way together; the others wait in order
    int submitted_max = 1 << 16;  // waiting for their turn
  };
  // Endpoints and clock outlive the runner. Errors as CheckRoles.
  static absl::StatusOr<std::unique_ptr<Runner>> Create(std::shared_ptr<const Graph> graph,
                                                        Endpoints& endpoints,
                                                        std::unique_ptr<GraphStore> store,
                                                        OutsideWorld* world, const Clock& clock,
                                                        Options options);
  ~Runner();  // stops

  void Start();
  // Cancels what is open; on_end is called for every execution, as "cancelled". May be repeated.
  void Stop();

  // RESOURCE_EXHAUSTED: too many are waiting.
  absl::Status Submit(ExecutionRequest request);
  // For one who asked for it: it ends when nobody is left.
  void Cancel(const std::string& id);

  // Not OK: the store cannot be written; nothing more happens.
  absl::Status health() const ABSL_LOCKS_EXCLUDED(health_mutex_);
  // Valid once stopped.
  GraphStore& store() { return *store_; }

 private:
  struct Running;
  struct Call;
  struct Pending {
    int64_t execution = 0;
    std::vector<int32_t> order;
    int64_t want = 0;
    auto operator<=>(const Pending&) const = default;
  };
  struct KeyWait {
    std::vector<std::pair<int64_t, int64_t>> wants;  // execution, want
    int64_t call = 0;                                // 0: not asked yet
  };
  struct CallEnded {
    int64_t call = 0;
    EndpointEnd end;
  };
  struct OutsideEnded {
    int64_t call = 0;
    absl::Status status;
    nlohmann::ordered_json value;
  };
  struct Room {};
  struct CancelExecution {
    std::string id;
  };
  using Event = std::variant<ExecutionRequest, CallEnded, OutsideEnded, Room, CancelExecution>;

  Runner(std::shared_ptr<const Graph> graph, Endpoints& endpoints,
         std::unique_ptr<GraphStore> store, OutsideWorld* world, const Clock& clock,
         Options options);
  void Loop();
  absl::Status Turn(std::vector<Event> events);
  absl::Duration Pause() const;
  void Post(Event event);

  absl::Status On(ExecutionRequest request);
  absl::Status On(CallEnded ended);
  absl::Status On(OutsideEnded ended);
  absl::Status On(Room) { return absl::OkStatus(); }
  absl::Status On(CancelExecution cancel);

  absl::Status Begin();
  absl::Status Begin(ExecutionRequest request);
  absl::Status PullAll();
  // True when something was delivered.
  absl::StatusOr<bool> Pull(Running& running);
  absl::Status TakeWant(Running& running, Want want);
  absl::StatusOr<std::string> RefusalOf(const Want& want);
  void DropWant(Running& running, int64_t want);
  void RecordEnough(const Running& running, int64_t want);
  void Deliver(const std::string& key, const Result& result);
  void Settle(const Call& call, const EndpointEnd& end);
  void RecordAnswer(const Call& call, const EndpointEnd& end);
  void Record(const Call& call, size_t sample, std::unique_ptr<Result> result);
  void RecordFailure(const Call& call, size_t sample, const absl::Status& status);
  bool AskAgain(const std::string& key);

  void Dispatch();
  bool DispatchOne(const std::string& endpoint, std::set<Pending>& pending);
  Call& OpenCall(Running& running, const std::vector<Want>& wants, const std::string& role,
                 const std::string& endpoint, const Cost& reserved);
  void StartCall(Running& running, Endpoint& endpoint, const std::vector<Want>& wants,
                 const Cost& reserved);
  void CancelCall(const Call& call);
  Cost Price(const Endpoint& endpoint, const Question& question, int64_t samples) const;
  void DispatchOutside();
  void EndWhereNothingGoes();
  void End(Running& running, std::string outcome, std::string why, std::vector<Item> output);
  void Note(const Call& call, std::string kind, size_t sample, std::string detail);
  void TellSpent(const Running& running) const;
  int64_t ActiveMs(const Running& running) const;
  int64_t NowMs() const { return absl::ToUnixMillis(clock_.Now()); }

  const std::shared_ptr<const Graph> graph_;
  Endpoints& endpoints_;
  const std::unique_ptr<GraphStore> store_;
  OutsideWorld* const world_;  // null: tools and questions fail
  const Clock& clock_;
  const Options options_;

  // Loop thread only.
  std::vector<ExecutionRequest> waiting_;
  std::map<int64_t, std::unique_ptr<Running>> running_;  // by number
  std::map<std::string, std::set<Pending>> pending_;     // by endpoint; "" for tools and questions
  std::map<std::string, KeyWait> keys_;
  std::map<int64_t, std::unique_ptr<Call>> calls_;
  int64_t next_call_ = 1;
  int64_t next_number_ = 1;
  int64_t lives_ = 0;                    // executions begun, the same one again among them
  std::vector<ExecutionRequest> again_;  // for the next turn
  StoreBatch batch_;
  std::vector<std::unique_ptr<Result>> results_;  // what the batch points to
  std::map<std::string, const Result*> fresh_;    // by key
  std::vector<std::function<void()>> after_commit_;
  std::map<std::string, int> promised_;  // room taken in this turn, by endpoint

  std::map<std::string, int64_t> listeners_;
  std::atomic<bool> room_posted_{false};
  std::atomic<int> submitted_{0};  // and not begun
  mutable Mutex health_mutex_;
  absl::Status health_ ABSL_GUARDED_BY(health_mutex_);
  StopToken stop_;
  BoundedQueue<Event> inbox_;
  Thread thread_;
};

}  // namespace temper::agents
