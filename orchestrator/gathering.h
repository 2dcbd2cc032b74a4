// Gathers the samples of one step or one evaluation: issue, lease, record, score.
//
// Leases are fenced by epochs: an episode counts only under the newest epoch of its sample. Groups
// that seem to crash workers are leased alone, and dropped when they crash three. With an
// environment, groups come as the executions of its graph want them (gathering_graph.cc).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/board.h"
#include "orchestrator/core.h"
#include "orchestrator/gathered_group.h"
#include "orchestrator/graph_environment.h"

namespace temper::orchestrator {

class Gathering {
 public:
  explicit Gathering(Board& board);

  // Opens the groups of the step (evaluation: of the version), or takes up recovered ones.
  void Open(bool evaluation);
  void Resume(bool evaluation, std::vector<RecoveredGroup> groups);
  void Close();
  bool open() const { return open_; }
  bool evaluation() const { return evaluation_; }
  // In the order they were opened; with an environment that is no order to rely on.
  const std::deque<GatheredGroup>& groups() const { return groups_; }
  // Null where the spec has none.
  const GraphEnvironment* environment() const {
    return environment_.has_value() ? &*environment_ : nullptr;
  }

  // Leases what can be leased and sends what can be scored.
  void Advance();
  // Every sample is scored or dropped.
  bool Complete() const;

  void OnEpisode(const EpisodeArrived& event);
  void OnGenerateEnded(const GenerateEnded& event);
  void OnScores(const Call& call, const v1::ScoreResponse& response);
  void OnScoreFailed(const Call& call, const absl::Status& status);
  void OnWorkerLost(const CoreWorker& worker);
  // No sample of that prompt is wanted any more: what is under way is dropped.
  void OnQuarantined(const std::string& prompt_id);
  // That life of the worker ended by its own fault: the groups it held are suspects. Told after
  // OnWorkerLost, perhaps when the next life has long begun.
  void OnCrash(const std::string& worker, const std::string& incarnation);
  void OnOverdue();

  void CancelAll();
  void RecordLateEpisodes();

  // Leases that have lasted too long, told once each.
  void FindStalls();
  // When something of ours falls due; InfiniteDuration when nothing will.
  absl::Duration NextDue() const;
  void AddWaits(absl::Duration uptime, v1::GetResponse& run) const;

  // Times of this gathering: opened, first lease, last episode. Zero lengths after a resume.
  absl::Duration opened_at() const { return opened_at_; }
  absl::Duration leased_at() const { return leased_at_; }
  absl::Duration generated_at() const { return generated_at_; }

 private:
  struct Lease {
    size_t group = 0;  // index
    std::string worker;
    std::set<int> missing;
    absl::Duration since;
    absl::Duration deadline;
    bool stalled = false;  // that was told
  };

  // False, with board.failure set, when a row cannot be read.
  bool AddPolicyGroups();
  bool AddEvaluationGroups();
  bool AddGroup(int64_t id, const RowSource& rows, int64_t index, int samples);
  // With an environment: what the executions want, and what they are told.
  bool BeginGraphs();
  void Admit(int slot);
  void AddWanted(GraphEnvironment::Wanted wanted);
  void Tell(GatheredGroup& group, int sample);
  void DropUnwanted();
  int64_t GroupIdOf(const GraphEnvironment::Wanted& wanted) const;
  // Why its prompt is not wanted any more; null: it is.
  const std::string* QuarantinedBecause(const GatheredGroup& group) const;
  int MaxTokensOf(const GatheredGroup& group) const;
  CoreWorker* ChooseRolloutWorker(int samples, bool alone);
  CoreWorker* ChooseRewardWorker();
  void LeaseGroups();
  void LeaseGroup(size_t index, std::vector<int> samples, CoreWorker& worker);
  void SendScores();
  absl::Status CheckEpisode(const Lease& lease, const v1::Episode& episode) const;
  // Takes the lease back; its missing samples are free again.
  void Release(int64_t epoch, const std::string& error);
  std::string WaitName(const Lease& lease) const;
  int64_t RowOfSlot(int64_t position) const;
  void DropQuarantined();
  void Strike(size_t group, const std::string& reason);
  void Drop(size_t group, const std::string& reason);
  void ScoreOne(GatheredGroup& group, GatheredSample& sample, const v1::ScoreResult& result);
  void ScoreMissed(GatheredGroup& group, GatheredSample& sample, const std::string& why);
  size_t IndexOf(int64_t group_id) const;
  int SamplesOutMax() const;
  absl::Duration LeaseLength() const;
  std::string Purpose() const;

  Board& board_;
  bool open_ = false;
  bool evaluation_ = false;
  std::deque<GatheredGroup> groups_;  // grows while some of it are held
  std::optional<GraphEnvironment> environment_;
  std::map<int64_t, RecoveredGroup> recovered_;  // not yet wanted again
  std::map<int64_t, size_t> index_;
  std::map<int64_t, Lease> leases_;  // by epoch
  // Groups that a life of a worker held when it broke off: (name, incarnation) -> indices.
  std::map<std::pair<std::string, std::string>, std::set<size_t>> broken_;
  int64_t late_ = 0;
  absl::Duration opened_at_, leased_at_, generated_at_;
};

}  // namespace temper::orchestrator
