// The fake workers, the fake network, and the carrier of the real core and the real ledger.
#include "tests/orchestrator/simulated_world.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/philox.h"
#include "orchestrator/environment_check.h"

namespace temper::orchestrator {
namespace {

std::vector<Row> Problems(const std::string& name, int count) {
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back({.id = absl::StrCat(name, i),
                    .prompt = absl::StrCat(name, " problem ", i),
                    .answer = absl::StrCat(i),
                    .response = absl::StrCat("worked ", i),
                    .metadata_json = "{}"});
  }
  return rows;
}

constexpr absl::Duration kCrashTick = absl::Milliseconds(500);

}  // namespace

ResolvedSpec SimulatedSpec() { return SimulatedSpec(""); }

ResolvedSpec SimulatedSpec(const std::string& graph) {
  v1::RunSpec spec;
  spec.set_name("simulated");
  spec.set_seed(7);
  spec.set_init(absl::StrCat(TEMPER_SOURCE_DIR, "/CMakeLists.txt"));  // only looked for
  spec.mutable_dataset()->set_path(spec.init());
  spec.mutable_evaluate()->set_path(spec.init());
  spec.mutable_evaluate()->set_every(2);
  spec.mutable_rubric()->add_parts()->set_verifier("answer");
  spec.mutable_warm_start()->mutable_dataset()->set_path(spec.init());
  spec.mutable_warm_start()->set_steps(3);
  spec.mutable_warm_start()->set_batch_size(2);
  spec.set_steps(4);
  spec.set_prompts_per_step(3);
  spec.set_group_size(2);
  spec.set_max_tokens(8);
  spec.mutable_checkpoint()->set_every(2);
  spec.mutable_fleet()->set_sequences_max(4);
  if (!graph.empty()) {
    spec.mutable_environment()->set_graph(
        absl::StrCat(TEMPER_SOURCE_DIR, "/tests/data/environment/", graph));
  }
  absl::StatusOr<ResolvedSpec> resolved = ResolveSpec(spec, ".");
  TEMPER_CHECK(resolved.ok());
  return *std::move(resolved);
}

SimulatedWorld::SimulatedWorld(ResolvedSpec spec, Disturbance disturbance, int rollout_workers)
    : spec_(std::move(spec)),
      disturbance_(std::move(disturbance)),
      dataset_(Problems("train", 5)),
      evaluation_(Problems("held-out", 3)),
      warm_start_(Problems("example", 4)),
      random_(disturbance_.seed) {
  auto ledger = Ledger::Open(":memory:");
  TEMPER_CHECK(ledger.ok());
  const auto graph = OpenEnvironment(spec_.spec);
  TEMPER_CHECK(graph.ok());
  graph_ = *graph;
  ledger_ = *std::move(ledger);
  checkpoints_[0] = weights_of_[0] = "the first weights";
  const auto add = [&](v1::Role role, const std::string& name) {
    processes_[name] = {.role = role, .name = name};
  };
  add(v1::ROLE_LEARNER, "learner");
  add(v1::ROLE_REWARD, "reward");
  for (int i = 0; i < rollout_workers; ++i) add(v1::ROLE_ROLLOUT, absl::StrCat("rollout-", i));
}

SimulatedWorld::~SimulatedWorld() = default;

void SimulatedWorld::After(absl::Duration delay, Task task) {
  due_.push({now_ + delay, order_++, std::move(task)});
}

bool SimulatedWorld::Chance(double share) {
  return share > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < share;
}

absl::Duration SimulatedWorld::Delay() {
  const double milliseconds = std::uniform_real_distribution<double>(1, 50)(random_);
  return absl::Milliseconds(milliseconds * (Chance(disturbance_.late) ? 100 : 1));
}

void SimulatedWorld::Run(absl::Duration longest) {
  const absl::Duration end = now_ + longest;
  StartController();
  for (auto& [name, process] : processes_) StartProcess(name);
  if (disturbance_.crash_per_second + disturbance_.orders_per_second > 0)
    After(kCrashTick, [this] { MaybeCrash(); });
  while (!ended() && failures_.empty() && !due_.empty() && now_ < end) {
    Due due = due_.top();
    due_.pop();
    now_ = due.at;
    due.task();
  }
}

// --- the carrier

void SimulatedWorld::StartController() {
  ++controller_life_;
  absl::StatusOr<RecoveredRun> recovered = ledger_->Recover();
  if (!recovered.ok()) return Fail(absl::StrCat("recover: ", recovered.status().ToString()));
  core_ = std::make_unique<RunCore>(
      spec_, RunRows{&dataset_, &evaluation_, &warm_start_, /*held_out=*/nullptr, graph_},
      *std::move(recovered), now_);
  Turn_({});
  for (auto& [name, process] : processes_) {
    if (process.alive) Join(process);
  }
}

void SimulatedWorld::StopController() {
  core_.reset();
  ++controller_life_;
  After(absl::Seconds(1) + Delay(), [this] { StartController(); });
}

void SimulatedWorld::Answer(Event event) {
  if (Chance(disturbance_.lost)) return;
  After(Delay(), [this, life = controller_life_, event = std::move(event)] {
    if (life == controller_life_) Deliver(event);
  });
}

void SimulatedWorld::Deliver(Event event) {
  if (core_ == nullptr) return;
  std::vector<Event> events;
  events.push_back(std::move(event));
  Turn_(events);
}

void SimulatedWorld::Turn_(const std::vector<Event>& events) {
  ++turns_;
  Turn turn = core_->Handle(events, now_);
  for (v1::RunEvent& event : turn.events) event.set_time_ms(absl::ToInt64Milliseconds(now_));
  const bool dies = Chance(disturbance_.crash_in_turn);
  if (dies && Chance(0.5)) {
    ++crashes_;
    return StopController();
  }
  if (const absl::Status status = ledger_->Commit(turn.writes, turn.events); !status.ok()) {
    return Fail(absl::StrCat("commit: ", status.ToString()));
  }
  for (const Action& action : turn.actions) {
    if (dies && Chance(0.5)) break;
    std::visit([this](const auto& act) { Act(act); }, action);
  }
  if (dies && !ended()) {
    ++crashes_;
    return StopController();
  }
  ScheduleTick();
}

void SimulatedWorld::ScheduleTick() {
  const absl::Duration at = core_->NextTick();
  if (at == absl::InfiniteDuration()) return;
  After(at - now_, [this, life = controller_life_, at] {
    // Only the newest wish counts; older ones would only cost time.
    if (life == controller_life_ && core_ != nullptr && core_->NextTick() <= now_) Deliver(Tick{});
  });
}

bool SimulatedWorld::Paused() const {
  v1::GetResponse run;
  core_->Describe(now_, run);
  return run.state() == v1::RUN_STATE_PAUSED;
}

// Resuming is as likely as all else together, or the run would never end.
void SimulatedWorld::GiveOrder() {
  Order order{.who = "operator"};
  if (Chance(0.5)) {
    order.what = ResumeRun{};
  } else if (Chance(0.7)) {
    order.what = PauseRun{};
    ++pauses_;
  } else {
    order.what = KeepCheckpoint{};
  }
  Deliver(std::move(order));
}

void SimulatedWorld::MaybeCrash() {
  const double share = disturbance_.crash_per_second * absl::ToDoubleSeconds(kCrashTick);
  for (auto& [name, process] : processes_) {
    if (process.alive && Chance(share)) KillProcess(name, disturbance_.crash_is_own_fault);
  }
  if (core_ != nullptr && Chance(share)) {
    ++crashes_;
    StopController();
  }
  if (core_ != nullptr && !ended() &&
      Chance(disturbance_.orders_per_second * absl::ToDoubleSeconds(kCrashTick))) {
    GiveOrder();
  }
  After(kCrashTick, [this] { MaybeCrash(); });
}

// --- processes

void SimulatedWorld::StartProcess(const std::string& name) {
  Process& process = processes_[name];
  process.alive = true;
  ++process.start;
  process.has_weights = false;
  if (process.role == v1::ROLE_LEARNER) {
    process.version = checkpoints_.rbegin()->first;
    process.weights = checkpoints_.rbegin()->second;
    process.last_request.clear();
  }
  Join(process);
}

// Never lost: real workers repeat it until it is heard.
void SimulatedWorld::Join(Process& process) {
  After(Delay(), [this, &process, start = process.start, life = controller_life_] {
    if (process.alive && process.start == start && life == controller_life_) {
      Deliver(WorkerJoined{process.role, process.name, absl::StrCat(start), "somewhere"});
    }
  });
}

void SimulatedWorld::KillProcess(const std::string& name, bool own_fault) {
  Process& process = processes_[name];
  if (!process.alive) return;
  ++crashes_;
  process.alive = false;
  const std::string incarnation = absl::StrCat(process.start);
  const absl::Duration told = Delay() * 3;
  After(told, [this, name, incarnation, own_fault, life = controller_life_] {
    if (life == controller_life_) Deliver(WorkerLost{name, incarnation, "it died", own_fault});
  });
  // Whoever sees how a process ended tells it before the next one starts; silence is noticed late.
  After(Delay() * 5 + (own_fault ? told : absl::ZeroDuration()),
        [this, name] { StartProcess(name); });
}

void SimulatedWorld::Send(const std::string& name, Task task) {
  if (Chance(disturbance_.lost)) return;
  Process& process = processes_[name];
  After(Delay(), [&process, start = process.start, task = std::move(task)] {
    if (process.alive && process.start == start) task();
  });
}

v1::WeightsManifest SimulatedWorld::ManifestOf(int64_t version, const std::string& weights) const {
  v1::WeightsManifest manifest;
  manifest.set_version(version);
  v1::TensorDigest& tensor = *manifest.add_tensors();
  tensor.set_name("all");
  tensor.set_digest(Xxh3Digest(weights));
  // The bytes themselves; real workers find them at shared_path.
  manifest.set_shared_path(weights);
  return manifest;
}

void SimulatedWorld::Act(const AskStatus& action) {
  Send(action.worker, [this, action] {
    const Process& learner = processes_[action.worker];
    Answer(LearnerStatus{action.call, std::make_shared<v1::WeightsManifest>(
                                          ManifestOf(learner.version, learner.weights))});
  });
}

void SimulatedWorld::Act(const UpdateWeights& action) {
  Send(action.worker, [this, action] {
    Process& worker = processes_[action.worker];
    worker.version = action.manifest->version();
    worker.weights = action.manifest->shared_path();
    worker.has_weights = true;
    v1::UpdateWeightsResponse response;
    response.set_version(worker.version);
    response.set_digest(ManifestDigest(ManifestOf(worker.version, worker.weights)));
    Answer(WeightsUpdated{action.call, std::move(response)});
  });
}

// Tokens depend on the prompt, the sample and every bit of the weights.
std::shared_ptr<v1::Episode> SimulatedWorld::MakeEpisode(const v1::GenerateRequest& request,
                                                         int sample,
                                                         const std::string& weights) const {
  auto episode = std::make_shared<v1::Episode>();
  episode->set_group_id(request.group_id());
  episode->set_sample(sample);
  const bool greedy = request.sampling().temperature() == 0;
  const uint64_t key = HashName(absl::StrCat(request.sampling().seed(), "|", request.prompt().id(),
                                             "|", greedy ? 0 : sample, "|", weights));
  episode->add_prompt_tokens(static_cast<int32_t>(HashName(request.prompt().text()) % 1000));
  const uint64_t length = 1 + key % static_cast<uint64_t>(request.sampling().max_tokens());
  for (uint64_t i = 0; i < length; ++i) {
    const auto bits = Philox(key, 0, i);
    episode->add_tokens(static_cast<int32_t>(bits[0] % 1000));
    episode->add_logprobs(-static_cast<float>(bits[1] % 1000) / 256.0f);
  }
  episode->add_versions(request.version());
  episode->set_finish_reason(v1::FINISH_REASON_STOP);
  episode->set_text(absl::StrCat("answer ", key % 3));
  episode->set_entropy_sum(static_cast<double>(length));
  return episode;
}

void SimulatedWorld::Act(const Generate& action) {
  if (Paused()) Fail("a paused run asked for samples");
  Send(action.worker, [this, action] {
    Process& worker = processes_[action.worker];
    const v1::GenerateRequest& request = *action.request;
    const int64_t epoch = request.lease_epoch();
    if (!worker.has_weights || worker.version != request.version()) {
      Answer(GenerateEnded{epoch, absl::FailedPreconditionError("another version is current")});
      return;
    }
    if (!disturbance_.poison.empty() && request.prompt().id() == disturbance_.poison) {
      Answer(GenerateEnded{epoch, absl::UnavailableError("connection reset")});
      KillProcess(action.worker, /*own_fault=*/true);
      return;
    }
    for (const int sample : request.samples()) {
      // Deterministic, so that a process that dies before this was sent loses nothing but time.
      After(Delay(), [this, &worker, start = worker.start, epoch,
                      episode = MakeEpisode(request, sample, worker.weights)] {
        if (!worker.alive || worker.start != start || cancelled_.contains(epoch)) return;
        Answer(EpisodeArrived{epoch, episode});
        if (Chance(disturbance_.repeated)) Answer(EpisodeArrived{epoch, episode});
      });
    }
    // Now and then the end overtakes the last episodes.
    After(absl::Milliseconds(Chance(disturbance_.late) ? 60 : 110),
          [this, &worker, start = worker.start, epoch] {
            if (!worker.alive || worker.start != start) return;
            Answer(GenerateEnded{epoch, absl::OkStatus()});
          });
  });
}

// Half of the cancellations come too late, as they do.
void SimulatedWorld::Act(const CancelGenerate& action) {
  if (Chance(0.5)) cancelled_.insert(action.epoch);
}

void SimulatedWorld::Act(const ScoreEpisodes& action) {
  Send(action.worker, [this, action] {
    auto response = std::make_shared<v1::ScoreResponse>();
    for (const v1::ScoreItem& item : action.request->items()) {
      v1::ScoreResult& result = *response->add_results();
      result.set_group_id(item.group_id());
      result.set_sample(item.sample());
      if (Chance(disturbance_.score_error)) {
        result.set_internal_error("the verifier broke");
      } else {
        result.mutable_score()->set_value(HashName(item.response() + item.answer()) % 2 == 0);
      }
    }
    Answer(ScoresArrived{action.call, std::move(response)});
  });
}

void SimulatedWorld::Act(const Train& action) {
  std::shared_ptr<const v1::TrainRequest> request = action.request;
  if (request == nullptr) {
    absl::StatusOr<v1::TrainRequest> recorded = ledger_->ReadTrainRequest(action.step);
    if (!recorded.ok()) return Fail(recorded.status().ToString());
    request = std::make_shared<v1::TrainRequest>(*std::move(recorded));
  }
  const std::string bytes = request->SerializeAsString();
  const auto [first, fresh] = train_requests_.emplace(action.step, bytes);
  if (!fresh && first->second != bytes) {
    return Fail(absl::StrCat("step ", action.step, " was asked for again with other bytes"));
  }
  Send(action.worker, [this, action, bytes] {
    Process& learner = processes_[action.worker];
    if (learner.version < action.step) {
      Answer(CallFailed{action.call, absl::FailedPreconditionError("an older version is held")});
      return;
    }
    if (learner.version > action.step + 1 ||
        (learner.version == action.step + 1 && learner.last_request != bytes)) {
      // Right only as the echo of a call that was given up long ago.
      Answer(CallFailed{action.call, absl::AlreadyExistsError("that step has gone by")});
      return;
    }
    if (learner.version == action.step) {
      learner.weights = Hex(Xxh3Digest(learner.weights + bytes));
      learner.version = action.step + 1;
      learner.last_request = bytes;
    }
    auto response = std::make_shared<v1::TrainResponse>();
    response->set_version(learner.version);
    *response->mutable_manifest() = ManifestOf(learner.version, learner.weights);
    response->mutable_metrics()->set_tokens(10);
    Answer(Trained{action.call, std::move(response)});
  });
}

void SimulatedWorld::Act(const SaveCheckpoint& action) {
  Send(action.worker, [this, action] {
    const Process& learner = processes_[action.worker];
    if (learner.version != action.request.version()) {
      Answer(CallFailed{action.call, absl::FailedPreconditionError("another version is held")});
      return;
    }
    checkpoints_[learner.version] = learner.weights;
    v1::SaveCheckpointResponse response;
    response.set_path(absl::StrCat("checkpoints/", learner.version));
    response.set_sha256(learner.weights);
    Answer(CheckpointSaved{action.call, std::move(response)});
  });
}

void SimulatedWorld::Act(const FenceWorker& action) {
  if (absl::StrCat(processes_[action.worker].start) == action.incarnation) {
    KillProcess(action.worker, /*own_fault=*/false);
  }
}

void SimulatedWorld::Act(const orchestrator::Answer& action) {
  // A run that ends first keeps no checkpoint for those who wait.
  if (action.status.ok() || absl::IsAborted(action.status)) return;
  Fail(absl::StrCat("an order: ", action.status.ToString()));
}

void SimulatedWorld::Act(const EndRun& action) {
  ended_ = action.ended;
  if (ended_.state() == v1::RUN_STATE_DONE) {
    final_weights_ = checkpoints_.rbegin()->second;
  }
}

}  // namespace temper::orchestrator
