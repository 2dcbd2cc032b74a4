// What comes back to a gathering: episodes, ends of streams, scores.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "orchestrator/gathering.h"
#include "orchestrator/request_rules.h"

namespace temper::orchestrator {
namespace {

constexpr int kScoreItemsMax = 64;
constexpr int kScoreCallsMax = 2;  // per reward worker; while they run, more items gather
constexpr int kScoreFailuresMax = 20;
constexpr absl::Duration kScoreTimeout = absl::Minutes(2);
constexpr absl::Duration kLossIsToldWithin = absl::Seconds(2);

}  // namespace

absl::Status Gathering::CheckEpisode(const Lease& lease, const v1::Episode& episode) const {
  if (episode.group_id() != groups_[lease.group].group.id()) {
    return absl::InternalError(absl::StrCat("sent an episode of group ", episode.group_id(),
                                            " under a lease of group ",
                                            groups_[lease.group].group.id()));
  }
  if (episode.tokens().empty() || episode.tokens_size() != episode.logprobs_size()) {
    return absl::InternalError(absl::StrCat("sent ", episode.tokens_size(), " tokens with ",
                                            episode.logprobs_size(), " log-probs"));
  }
  for (int i = 0, last = -1; i < episode.forced_size(); last = episode.forced(i++)) {
    if (episode.forced(i) <= last || episode.forced(i) >= episode.tokens_size()) {
      return absl::InternalError(absl::StrCat("marked token ", episode.forced(i), " of ",
                                              episode.tokens_size(), " as put in, after token ",
                                              last));
    }
  }
  if (episode.versions().empty()) return absl::InternalError("sent an episode without a version");
  for (const int64_t version : episode.versions()) {
    // Synchronous runs: staleness 0.
    if (version != board_.version) {
      return absl::InternalError(
          absl::StrCat("sent an episode of version ", version, ", expected ", board_.version));
    }
  }
  return absl::OkStatus();
}

void Gathering::OnEpisode(const EpisodeArrived& event) {
  const auto found = leases_.find(event.epoch);
  if (found == leases_.end() || !found->second.missing.contains(event.episode->sample())) {
    ++late_;
    return;
  }
  Lease& lease = found->second;
  if (const absl::Status status = CheckEpisode(lease, *event.episode); !status.ok()) {
    board_.Do(CancelGenerate{event.epoch});
    OnGenerateEnded({event.epoch, status});
    return;
  }
  const v1::Episode& episode = *event.episode;
  GatheredSample& sample = groups_[lease.group].samples[static_cast<size_t>(episode.sample())];
  sample.state = SampleState::kGenerated;
  sample.epoch = 0;
  sample.text = episode.text();
  sample.finish = episode.finish_reason();
  sample.tokens = episode.tokens_size();
  lease.missing.erase(episode.sample());
  if (CoreWorker* worker = board_.Find(lease.worker)) --worker->samples_out;
  generated_at_ = board_.now;
  board_.Record(RecordEpisode{event.epoch, event.episode});
  if (!lease.missing.empty()) return;
  board_.Succeeded(lease.worker);
  Release(event.epoch, "");
}

void Gathering::RecordLateEpisodes() {
  if (late_ > 0) board_.Record(RecordLate{std::exchange(late_, 0)});
}

void Gathering::OnGenerateEnded(const GenerateEnded& event) {
  const auto found = leases_.find(event.epoch);
  if (found == leases_.end()) return;
  const size_t index = found->second.group;
  const std::string worker = found->second.worker;
  const absl::Status status = event.status.ok()
                                  ? absl::AbortedError("ended a stream before all samples came")
                                  : event.status;
  Release(event.epoch, std::string(status.message()));
  GatheredGroup& group = groups_[index];
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    Drop(index, std::string(status.message()));
    return;
  }
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    if (const CoreWorker* late = board_.Find(worker); late != nullptr && late->connected) {
      board_.Fence(worker, absl::StrCat("group ", group.group.id(), " was not done in time"));
    }
    return;
  }
  group.retry_at = board_.now + Board::BackoffAfter(++group.failures);
  board_.Failed(worker, status);
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:  // not the version it was thought to hold
      if (CoreWorker* other = board_.Find(worker)) other->version = -1;
      return;
    case absl::StatusCode::kResourceExhausted:
      return;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnknown:
      // Perhaps the worker died; whose fault that was shows when its loss is told.
      // Until then neither may meet others, or innocents would be suspected with them.
      if (CoreWorker* lost = board_.Find(worker)) {
        broken_[{worker, lost->incarnation}].insert(index);
        lost->retry_at = std::max(lost->retry_at, board_.now + kLossIsToldWithin);
        group.retry_at = std::max(group.retry_at, board_.now + kLossIsToldWithin);
      }
      return;
    default:
      board_.Note(absl::StrCat(Purpose(), ": group ", group.group.id(), " on ", worker, ": ",
                               std::string(status.message())));
      Strike(index, std::string(status.message()));
  }
}

CoreWorker* Gathering::ChooseRewardWorker() {
  CoreWorker* chosen = nullptr;
  for (auto& [name, worker] : board_.workers) {
    if (worker.role != v1::ROLE_REWARD || !board_.Ready(worker)) continue;
    if (worker.calls_out >= kScoreCallsMax) continue;
    if (chosen == nullptr || worker.calls_out < chosen->calls_out) chosen = &worker;
  }
  return chosen;
}

void Gathering::SendScores() {
  std::shared_ptr<v1::ScoreRequest> request;
  Call call{.kind = Call::Kind::kScore};
  const auto send = [&](CoreWorker& worker) {
    call.worker = worker.name;
    call.waits_for =
        absl::StrCat(Purpose(), " waits for ", call.samples.size(), " scores from ", worker.name);
    board_.Do(ScoreEpisodes{
        board_.Begin(std::exchange(call, {.kind = Call::Kind::kScore}), kScoreTimeout), worker.name,
        std::exchange(request, nullptr), kScoreTimeout});
  };
  CoreWorker* worker = ChooseRewardWorker();
  for (GatheredGroup& group : groups_) {
    for (size_t k = 0; k < group.samples.size() && worker != nullptr; ++k) {
      GatheredSample& sample = group.samples[k];
      if (sample.state != SampleState::kGenerated || sample.scoring ||
          sample.score_at > board_.now) {
        continue;
      }
      if (request == nullptr) {
        request = std::make_shared<v1::ScoreRequest>();
        *request->mutable_rubric() = board_.spec.spec.rubric();
      }
      *request->add_items() = ScoreItemOf(group.group,
                                          {.sample = static_cast<int>(k),
                                           .text = sample.text,
                                           .finish = sample.finish,
                                           .tokens = sample.tokens},
                                          MaxTokensOf(group));
      sample.scoring = true;
      call.samples.push_back({group.group.id(), static_cast<int>(k)});
      if (request->items_size() == kScoreItemsMax) {
        send(*worker);
        worker = ChooseRewardWorker();
      }
    }
  }
  if (request != nullptr) send(*worker);
}

void Gathering::OnScores(const Call& call, const v1::ScoreResponse& response) {
  board_.Succeeded(call.worker);
  for (const v1::ScoreResult& result : response.results()) {
    const size_t index = IndexOf(result.group_id());
    if (index == groups_.size() || result.sample() < 0 ||
        result.sample() >= static_cast<int>(groups_[index].samples.size())) {
      continue;
    }
    GatheredSample& sample = groups_[index].samples[static_cast<size_t>(result.sample())];
    if (sample.state != SampleState::kGenerated || !sample.scoring) continue;
    ScoreOne(groups_[index], sample, result);
  }
  for (const SampleKey& key : call.samples) {  // those that the answer left out
    const size_t index = IndexOf(key.group_id);
    if (index == groups_.size()) continue;
    GatheredSample& sample = groups_[index].samples[static_cast<size_t>(key.sample)];
    if (sample.scoring) ScoreMissed(groups_[index], sample, "no result came");
  }
}

void Gathering::ScoreOne(GatheredGroup& group, GatheredSample& sample,
                         const v1::ScoreResult& result) {
  if (result.outcome_case() == v1::ScoreResult::kInvalid) {
    board_.Fail(absl::StrCat("problem ", group.group.prompt().id(),
                             " of the dataset cannot be judged: ", result.invalid()));
    return;
  }
  if (!result.has_score()) {
    ScoreMissed(group, sample, result.internal_error());
    return;
  }
  const double value = result.score().value();
  if (!(value >= 0 && value <= 1)) {
    ScoreMissed(group, sample, absl::StrCat("found the value ", value, ", expected 0 to 1"));
    return;
  }
  sample.scoring = false;
  sample.state = SampleState::kScored;
  sample.score = value;
  sample.scored = true;
  board_.Record(RecordScore{result.group_id(), result.sample(), result.score()});
  if (environment_.has_value()) {
    Tell(group, result.sample());
    Admit(group.place.slot);
  }
  sample.text.clear();
}

// Our failure, never a score: tried again, and in the end the run stops.
void Gathering::ScoreMissed(GatheredGroup& group, GatheredSample& sample, const std::string& why) {
  sample.scoring = false;
  sample.score_at = board_.now + Board::BackoffAfter(++sample.score_failures);
  if (sample.score_failures < kScoreFailuresMax) return;
  board_.Fail(absl::StrCat("a sample of group ", group.group.id(), " could not be scored ",
                           kScoreFailuresMax, " times, last: ", why));
}

void Gathering::OnScoreFailed(const Call& call, const absl::Status& status) {
  for (const SampleKey& key : call.samples) {
    const size_t index = IndexOf(key.group_id);
    if (index == groups_.size()) continue;
    groups_[index].samples[static_cast<size_t>(key.sample)].scoring = false;
  }
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    board_.Fail(std::string(status.message()));
  }
}

}  // namespace temper::orchestrator
