// A core whose workers are played by the test, one turn at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "orchestrator/core.h"
#include "orchestrator/gathering.h"
#include "orchestrator/ledger.h"
#include "tests/orchestrator/simulated_world.h"

namespace temper::orchestrator {

inline std::vector<Row> ThreeProblems() {
  std::vector<Row> rows;
  for (int i = 0; i < 3; ++i) {
    rows.push_back({.id = absl::StrCat("p", i), .prompt = "?", .answer = "1", .response = "r"});
  }
  return rows;
}

// One policy step of 3 groups of 2, no warm start, no evaluation; the test plays the workers.
class CoreTest : public testing::Test {
 protected:
  explicit CoreTest(int policy_steps = 1)
      : policy_steps_(policy_steps), rows_(ThreeProblems()), ledger_(*Ledger::Open(":memory:")) {
    Restart();
  }

  ResolvedSpec Spec() const {
    ResolvedSpec resolved = SimulatedSpec();
    resolved.spec.clear_warm_start();
    resolved.spec.clear_evaluate();
    resolved.spec.set_steps(policy_steps_);
    return resolved;
  }

  void Restart() {
    core_ = std::make_unique<RunCore>(Spec(), RunRows{&rows_, nullptr, nullptr},
                                      *ledger_->Recover(), now_);
    Tell({});
  }

  // One turn, carried as the controller does.
  void Tell(std::vector<Event> events) {
    Turn turn = core_->Handle(events, now_);
    const absl::Status status = ledger_->Commit(turn.writes, turn.events);
    ASSERT_TRUE(status.ok()) << status;
    actions_ = std::move(turn.actions);
    for (const v1::RunEvent& event : turn.events) {
      if (event.has_note()) notes_ += event.note() + "\n";
    }
  }

  template <class T>
  std::vector<T> Did() const {
    std::vector<T> found;
    for (const Action& action : actions_) {
      if (const T* act = std::get_if<T>(&action)) found.push_back(*act);
    }
    return found;
  }

  void Join(v1::Role role, const std::string& name) { Tell({WorkerJoined{role, name, "1", ""}}); }

  static v1::WeightsManifest Manifest(int64_t version) {
    v1::WeightsManifest manifest;
    manifest.set_version(version);
    manifest.add_tensors()->set_digest(absl::StrCat("digest ", version));
    return manifest;
  }

  // Everybody is there and rollout-0 holds version 0; returns its leases.
  std::vector<Generate> Begin() {
    Join(v1::ROLE_REWARD, "reward");
    Join(v1::ROLE_ROLLOUT, "rollout-0");
    Join(v1::ROLE_LEARNER, "learner");
    Tell({LearnerStatus{Did<AskStatus>().at(0).call,
                        std::make_shared<v1::WeightsManifest>(Manifest(0))}});
    return Update("rollout-0");
  }

  std::vector<Generate> Update(const std::string& name) {
    for (const UpdateWeights& update : Did<UpdateWeights>()) {
      if (update.worker != name) continue;
      v1::UpdateWeightsResponse response;
      response.set_version(0);
      response.set_digest(ManifestDigest(*update.manifest));
      Tell({WeightsUpdated{update.call, response}});
      break;
    }
    return Did<Generate>();
  }

  static EpisodeArrived Arrived(const Generate& lease, int sample) {
    auto episode = std::make_shared<v1::Episode>();
    episode->set_group_id(lease.request->group_id());
    episode->set_sample(sample);
    episode->add_tokens(1);
    episode->add_logprobs(-1);
    episode->add_versions(lease.request->version());
    episode->set_text(absl::StrCat(sample));
    return {lease.request->lease_epoch(), std::move(episode)};
  }

  static std::shared_ptr<v1::ScoreResponse> Scored(const ScoreEpisodes& call) {
    auto response = std::make_shared<v1::ScoreResponse>();
    for (const v1::ScoreItem& item : call.request->items()) {
      v1::ScoreResult& result = *response->add_results();
      result.set_group_id(item.group_id());
      result.set_sample(item.sample());
      result.mutable_score()->set_value(item.sample());
    }
    return response;
  }

  // All groups generated and scored; leaves the Train action in actions_.
  void Gather() {
    std::vector<Event> episodes;
    for (const Generate& lease : Begin()) {
      for (const int sample : lease.request->samples()) episodes.push_back(Arrived(lease, sample));
    }
    Tell(episodes);
    while (!Did<ScoreEpisodes>().empty()) {
      const ScoreEpisodes call = Did<ScoreEpisodes>().at(0);
      Tell({ScoresArrived{call.call, Scored(call)}});
    }
  }

  int64_t Count(const char* sql) { return *ledger_->database().Count(sql); }
  v1::GetResponse View() const {
    v1::GetResponse run;
    core_->Describe(now_, run);
    return run;
  }

  absl::Duration now_ = absl::Seconds(10);
  const int policy_steps_;
  FakeRows rows_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<RunCore> core_;
  std::vector<Action> actions_;
  std::string notes_;
};

}  // namespace temper::orchestrator
