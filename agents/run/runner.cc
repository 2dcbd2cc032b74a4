// The loop: turns, executions' beginnings and ends. runner_wants.cc, runner_calls.cc and
// runner_answers.cc have what is wanted, asked and answered.
#include "agents/run/runner.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "agents/run/recorded_endpoint.h"
#include "agents/run/runner_state.h"
#include "base/check.h"
#include "base/log.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

constexpr size_t kEventsOfATurnMax = 4096;

}  // namespace

absl::Status CheckRoles(const Graph& graph, const Endpoints& endpoints) {
  std::vector<std::string> names;
  for (const auto& [name, endpoint] : endpoints) names.push_back(name);
  for (const Role& role : graph.roles) {
    const auto found = endpoints.find(role.endpoint);
    const std::string where = absl::StrCat(graph.path, ":", role.place.line, ":", role.place.column,
                                           ": role \"", role.name, "\"");
    if (found == endpoints.end()) {
      return absl::NotFoundError(absl::StrCat(where, ": there is no endpoint \"", role.endpoint,
                                              "\"", Suggestion(role.endpoint, names)));
    }
    if ((role.kind == RoleKind::kReward) != found->second->traits().reward) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": endpoint \"", role.endpoint, "\" ",
          role.kind == RoleKind::kReward ? "gives texts, no scores" : "gives scores, no texts"));
    }
  }
  for (const Node& node : graph.nodes) {
    if (node.graph != nullptr) TEMPER_RETURN_IF_ERROR(CheckRoles(*node.graph, endpoints));
  }
  return absl::OkStatus();
}

Runner::Runner(std::shared_ptr<const Graph> graph, Endpoints& endpoints,
               std::unique_ptr<GraphStore> store, OutsideWorld* world, const Clock& clock,
               Options options)
    : graph_(std::move(graph)),
      endpoints_(endpoints),
      store_(std::move(store)),
      world_(world),
      clock_(clock),
      options_(std::move(options)),
      next_call_(store_->next_call()),
      next_number_(store_->next_execution()),
      inbox_(static_cast<size_t>(options_.submitted_max) + (1 << 16)) {}

Runner::~Runner() { Stop(); }

absl::StatusOr<std::unique_ptr<Runner>> Runner::Create(std::shared_ptr<const Graph> graph,
                                                       Endpoints& endpoints,
                                                       std::unique_ptr<GraphStore> store,
                                                       OutsideWorld* world, const Clock& clock,
                                                       Options options) {
  TEMPER_RETURN_IF_ERROR(CheckRoles(*graph, endpoints));
  return std::unique_ptr<Runner>(
      new Runner(std::move(graph), endpoints, std::move(store), world, clock, std::move(options)));
}

void Runner::Start() {
  for (const auto& [name, endpoint] : endpoints_) {
    listeners_[name] = endpoint->AddListener([this] {
      if (!room_posted_.exchange(true)) Post(Room{});
    });
  }
  thread_ = Thread("graph runner", [this] { Loop(); });
}

void Runner::Stop() {
  stop_.Stop();
  Post(Room{});
  if (thread_.joinable()) thread_.Join(kLoopEnd, WaitPolicy::kFail);
  for (const auto& [name, listener] : listeners_) {
    endpoints_.at(name)->RemoveListener(listener);
  }
  listeners_.clear();
  inbox_.Close();
}

absl::Status Runner::Submit(ExecutionRequest request) {
  if (submitted_.fetch_add(1) >= options_.submitted_max || !inbox_.TryPush(std::move(request))) {
    --submitted_;
    return absl::ResourceExhaustedError(absl::StrCat("no more than ", options_.submitted_max,
                                                     " executions may wait; try again later"));
  }
  return absl::OkStatus();
}

void Runner::Cancel(const std::string& id) { Post(CancelExecution{id}); }

// There is room for every call's end: there are far fewer calls than places.
void Runner::Post(Event event) {
  const bool taken = inbox_.TryPush(std::move(event));
  TEMPER_CHECK(taken || inbox_.closed());
}

absl::Status Runner::health() const {
  MutexLock lock(health_mutex_);
  return health_;
}

absl::Duration Runner::Pause() const {
  absl::Duration pause = absl::Seconds(1);
  for (const auto& [number, running] : running_) {
    const std::optional<double> seconds = running->budget.limits().seconds;
    if (!seconds.has_value()) continue;
    const absl::Duration left = absl::Seconds(*seconds) - absl::Milliseconds(ActiveMs(*running));
    pause = std::clamp(left, absl::Milliseconds(1), pause);
  }
  return pause;
}

void Runner::Loop() {
  while (!stop_.stopped()) {
    std::vector<Event> events;
    if (std::optional<Event> first =
            inbox_.Pop(Wait::ForWork("an event of a graph's execution", Pause()))) {
      events.push_back(*std::move(first));
    }
    while (events.size() < kEventsOfATurnMax) {
      std::optional<Event> next = inbox_.TryPop();
      if (!next.has_value()) break;
      events.push_back(*std::move(next));
    }
    room_posted_ = false;
    if (absl::Status status = Turn(std::move(events)); !status.ok()) {
      log::Error("graph runner", {{"error", std::string(status.message())}});
      MutexLock lock(health_mutex_);
      health_ = status;
      break;
    }
  }
  // Nothing is recorded of calls that are cut off now: the next process books their reservations.
  for (const auto& [id, call] : calls_) CancelCall(*call);
  const auto gone = Wait::OrRetry("the end of cancelled calls", absl::Seconds(1));
  while (!calls_.empty()) {
    std::optional<Event> event = inbox_.Pop(gone);
    if (!event.has_value()) continue;
    if (const auto* ended = std::get_if<CallEnded>(&*event)) calls_.erase(ended->call);
    if (const auto* ended = std::get_if<OutsideEnded>(&*event)) calls_.erase(ended->call);
    if (auto* request = std::get_if<ExecutionRequest>(&*event)) {
      waiting_.push_back(std::move(*request));
    }
  }
  // Whatever was submitted is told its end, also what nobody has looked at yet.
  inbox_.Close();
  while (std::optional<Event> event = inbox_.TryPop()) {
    if (auto* request = std::get_if<ExecutionRequest>(&*event)) {
      waiting_.push_back(std::move(*request));
    }
  }
  const absl::Status status = health();
  for (auto& [number, running] : running_) {
    if (running->ended) continue;
    running->request.on_end(
        {.id = running->request.id,
         .outcome = status.ok() ? "cancelled" : "failed",
         .why = status.ok() ? "the runner was stopped" : std::string(status.message()),
         .progress = running->progress,
         .calls = running->calls_started,
         .number = number});
  }
  for (ExecutionRequest& request : waiting_) {
    request.on_end({.id = request.id, .outcome = "cancelled", .why = "the runner was stopped"});
  }
}

absl::Status Runner::Turn(std::vector<Event> events) {
  batch_ = StoreBatch{};
  fresh_.clear();
  results_.clear();
  after_commit_.clear();
  promised_.clear();
  for (Event& event : events) {
    TEMPER_RETURN_IF_ERROR(std::visit([this](auto& one) { return On(std::move(one)); }, event));
  }
  TEMPER_RETURN_IF_ERROR(Begin());
  TEMPER_RETURN_IF_ERROR(PullAll());
  Dispatch();
  EndWhereNothingGoes();
  for (const auto& [number, running] : running_) {
    if (running->touched || running->ended) batch_.active_ms[number] = ActiveMs(*running);
  }
  TEMPER_RETURN_IF_ERROR(store_->Commit(batch_));
  for (const std::function<void()>& act : std::exchange(after_commit_, {})) act();
  for (const auto& [number, running] : running_) {
    if (running->touched && !running->ended && running->request.on_progress) {
      running->progress.spent = running->budget.spent();
      running->request.on_progress(running->progress);
    }
    running->touched = false;
  }
  std::erase_if(running_, [](const auto& one) { return one.second->ended; });
  // Executions that waited for a place may begin now.
  if (!waiting_.empty() && static_cast<int>(running_.size()) < options_.executions_max) {
    Post(Room{});
  }
  return absl::OkStatus();
}

absl::Status Runner::On(ExecutionRequest request) {
  waiting_.push_back(std::move(request));
  return absl::OkStatus();
}

absl::Status Runner::On(CancelExecution cancel) {
  for (const auto& [number, running] : running_) {
    if (running->request.id != cancel.id || running->ended) continue;
    // Others may wait for the same.
    if (--running->callers == 0) End(*running, "cancelled", "it was cancelled", {});
  }
  const auto waits = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const auto& one) { return one.id == cancel.id; });
  if (waits != waiting_.end()) {
    waits->on_end({.id = waits->id, .outcome = "cancelled", .why = "it was cancelled"});
    waiting_.erase(waits);
    --submitted_;
  }
  return absl::OkStatus();
}

absl::Status Runner::Begin() {
  size_t begun = 0;
  while (begun < waiting_.size() && static_cast<int>(running_.size()) < options_.executions_max) {
    --submitted_;
    TEMPER_RETURN_IF_ERROR(Begin(std::move(waiting_[begun++])));
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<int64_t>(begun));
  submitted_ += static_cast<int>(again_.size());
  std::move(again_.begin(), again_.end(), std::back_inserter(waiting_));
  again_.clear();
  return absl::OkStatus();
}

absl::Status Runner::Begin(ExecutionRequest request) {
  const std::string input =
      request.inputs.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  const auto refuse = [&request, this](std::string why) {
    after_commit_.push_back([on_end = request.on_end, id = request.id, why] {
      on_end({.id = id, .outcome = "refused", .why = why});
    });
    return absl::OkStatus();
  };
  for (const auto& [number, running] : running_) {
    if (running->request.id != request.id) continue;
    if (running->request.inputs != request.inputs) {
      return refuse(absl::StrCat("\"", request.id, "\" is under way with another input"));
    }
    if (running->ended) {  // in this very turn: begun anew in the next
      again_.push_back(std::move(request));
    } else {
      running->Join(std::move(request));
    }
    return absl::OkStatus();
  }
  TEMPER_ASSIGN_OR_RETURN(const std::optional<RecordedExecution> recorded,
                          store_->FindExecution(request.id));
  if (recorded.has_value() && recorded->input != input) {
    return refuse(absl::StrCat("\"", request.id,
                               "\" was recorded with another input; give this one another id"));
  }
  const int64_t number = recorded.has_value() ? recorded->number : next_number_++;
  Cost spent;
  if (recorded.has_value()) {
    TEMPER_ASSIGN_OR_RETURN(spent, store_->Spent(number));
  } else {
    batch_.executions.push_back({.number = number, .id = request.id, .input = input});
  }
  const BudgetLimits limits = request.budget.value_or(graph_->budget);
  auto running = std::make_unique<Running>(
      Running{.number = number,
              .life = ++lives_,
              .request = std::move(request),
              .budget = Budget(limits, spent),
              .active_ms_before = recorded.has_value() ? recorded->active_ms : 0,
              .since = clock_.Uptime()});
  Running& placed = *running;
  absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::Create(
      graph_, placed.request.inputs,
      {.salt = absl::StrCat(options_.salt, "/", placed.request.id),
       .identity = [this](const Role& role) { return RoleIdentity(role, endpoints_); },
       .spent = [cell = placed.spent] { return *cell; },
       .breadth = options_.breadth});
  running_[number] = std::move(running);
  if (!execution.ok()) {
    End(placed, "failed", std::string(execution.status().message()), {});
    return absl::OkStatus();
  }
  placed.execution = *std::move(execution);
  return absl::OkStatus();
}

int64_t Runner::ActiveMs(const Running& running) const {
  return running.active_ms_before + absl::ToInt64Milliseconds(clock_.Uptime() - running.since);
}

void Runner::TellSpent(const Running& running) const {
  const Cost& cost = running.budget.spent();
  *running.spent = {.tokens = static_cast<double>(cost.tokens),
                    .usd = cost.usd,
                    .seconds = static_cast<double>(ActiveMs(running)) / 1000,
                    .calls = static_cast<double>(cost.calls)};
}

void Runner::End(Running& running, std::string outcome, std::string why, std::vector<Item> output) {
  if (running.ended) return;
  running.ended = true;
  for (const auto& [want, one] : std::map<int64_t, Want>(running.wants)) {
    DropWant(running, want);
  }
  nlohmann::ordered_json texts = nlohmann::ordered_json::array();
  for (const Item& item : output) texts.push_back(TextOf(item, {}));
  batch_.executions.push_back(
      {.number = running.number,
       .id = running.request.id,
       .outcome = outcome,
       .output = texts.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
       .active_ms = ActiveMs(running)});
  batch_.events.push_back({.time_ms = NowMs(),
                           .execution = running.number,
                           .kind = "ended",
                           .detail = why.empty() ? outcome : absl::StrCat(outcome, ": ", why)});
  running.progress.spent = running.budget.spent();
  ExecutionEnd end{.id = running.request.id,
                   .outcome = std::move(outcome),
                   .why = std::move(why),
                   .output = std::move(output),
                   .progress = running.progress,
                   .calls = running.calls_started,
                   .execution = running.execution,
                   .number = running.number};
  after_commit_.push_back([this, on_end = running.request.on_end, end = std::move(end)]() mutable {
    if (auto usage = store_->Usage(end.number); usage.ok()) end.usage = *std::move(usage);
    on_end(std::move(end));
  });
}

void Runner::EndWhereNothingGoes() {
  for (const auto& [number, running] : running_) {
    if (running->ended || running->execution == nullptr) continue;
    const Execution& execution = *running->execution;
    if (execution.done()) {
      const Execution::Output& output = execution.output();
      End(*running, output.failed ? "failed" : "done", output.why, output.items);
      continue;
    }
    const BudgetLimits& limits = running->budget.limits();
    const bool late = limits.seconds.has_value() &&
                      static_cast<double>(ActiveMs(*running)) >= *limits.seconds * 1000;
    if (!late && running->open_calls > 0) continue;
    bool waits = running->open_calls > 0;
    bool priced_out = false;
    Cost next;
    for (const auto& [want, one] : running->wants) {
      const auto key = keys_.find(one.key);
      // Another execution may be paying for it.
      if (key != keys_.end() && key->second.call != 0) waits = true;
      if (key != keys_.end() && key->second.call == 0) {
        const Role* role = one.question->role;
        const bool fits = role == nullptr || running->budget.Fits(Price(
                                                 *endpoints_.at(role->endpoint), *one.question, 1));
        (fits ? waits : priced_out) = true;
      }
    }
    if (!late && (waits || !priced_out)) continue;
    std::vector<Item> best;
    const std::optional<Item> found = execution.Best();
    if (limits.then == BudgetLimits::Then::kBest && found.has_value()) best.push_back(*found);
    const Cost& spent = running->budget.spent();
    End(*running, "budget_exhausted",
        late ? absl::StrCat("its ", *limits.seconds, " seconds are over")
             : absl::StrCat("the next call may cost ", next.tokens, " tokens and ", next.usd,
                            " usd; ", spent.tokens, " tokens, ", spent.usd, " usd and ",
                            spent.calls, " calls are spent"),
        std::move(best));
  }
}

}  // namespace temper::agents
