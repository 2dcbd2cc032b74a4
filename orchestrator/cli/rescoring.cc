// Local parts anew, remote parts as recorded, combined by the rubric.
#include "orchestrator/cli/rescoring.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "orchestrator/cli/scorer_options.h"
#include "orchestrator/request_rules.h"
#include "reward/registry.h"
#include "reward/rubric.h"
#include "reward/scorer.h"
#include "reward/scoring_client.h"
#include "temper/v1/reward.pb.h"

namespace temper::cli {
namespace {

using orchestrator::Compared;
using orchestrator::RecordedGroup;
using orchestrator::RecordedSample;

struct Rescored {
  const RecordedSample* sample = nullptr;
  std::string place;
};

bool AsksAService(const reward::Rubric::Part& part) {
  return part.kind.lane == reward::Lane::kRemote;
}

// The parts that can be judged here, by their names, without weights, gates and expression.
v1::Rubric LocalRubric(const v1::Rubric& rubric, const reward::Rubric& parsed) {
  v1::Rubric local;
  for (int i = 0; i < rubric.parts_size(); ++i) {
    const reward::Rubric::Part& part = parsed.parts()[static_cast<size_t>(i)];
    if (AsksAService(part)) continue;
    v1::RubricPart& to = *local.add_parts();
    to = rubric.parts(i);
    to.set_name(part.name);
    to.set_gate(false);
    to.set_weight(1);
  }
  return local;
}

class Rescoring {
 public:
  Rescoring(const reward::Rubric& rubric, orchestrator::ReplayTally& tally)
      : rubric_(rubric), tally_(tally) {}

  // What `score` says of the local parts and the record of the others.
  void Combine(const Rescored& one, const v1::Score& score) {
    const std::map<std::string, const v1::ScorePart*> recorded = ByName(one.sample->score);
    const std::map<std::string, const v1::ScorePart*> redone = ByName(score);
    std::vector<const v1::ScorePart*> judged;
    for (const reward::Rubric::Part& part : rubric_.parts()) {
      const auto& from = AsksAService(part) ? recorded : redone;
      const auto found = from.find(part.name);
      judged.push_back(found == from.end() ? nullptr : found->second);
      if (AsksAService(part) && judged.back() != nullptr) {
        tally_.LeaveOut(Compared::kRewards, 1,
                        absl::StrCat("judgements that need a service (", part.name,
                                     "): taken as they were recorded"));
      }
    }
    const absl::StatusOr<v1::Score> combined = rubric_.Combine(judged);
    if (combined.ok()) {
      tally_.AddNumber(Compared::kRewards, one.place, one.sample->score.value(), combined->value());
    } else {
      tally_.AddDifference(Compared::kRewards,
                           absl::StrCat(one.place, ": ", std::string(combined.status().message())));
    }
  }

 private:
  static std::map<std::string, const v1::ScorePart*> ByName(const v1::Score& score) {
    std::map<std::string, const v1::ScorePart*> parts;
    for (const v1::ScorePart& part : score.parts()) parts[part.verifier()] = &part;
    return parts;
  }

  const reward::Rubric& rubric_;
  orchestrator::ReplayTally& tally_;
};

}  // namespace

absl::Status CompareRewards(const v1::RunSpec& spec, std::span<const RecordedGroup> groups,
                            orchestrator::ReplayTally& tally) {
  TEMPER_ASSIGN_OR_RETURN(const reward::Rubric rubric, reward::Rubric::Create(spec.rubric()));
  v1::ScoreRequest request;
  *request.mutable_rubric() = LocalRubric(spec.rubric(), rubric);
  std::vector<Rescored> all;
  for (const RecordedGroup& group : groups) {
    for (const RecordedSample& sample : group.samples) {
      const v1::Episode& episode = sample.entry->episode();
      *request.add_items() = orchestrator::ScoreItemOf(group.group,
                                                       {.sample = episode.sample(),
                                                        .text = episode.text(),
                                                        .finish = episode.finish_reason(),
                                                        .tokens = episode.tokens_size()},
                                                       spec.max_tokens());
      all.push_back(
          {&sample, absl::StrCat("group ", group.group.id(), " sample ", episode.sample())});
    }
  }
  if (request.rubric().parts().empty()) {
    tally.LeaveOut(Compared::kRewards, static_cast<int64_t>(all.size()),
                   "scores of which every part needs a service");
    return absl::OkStatus();
  }
  const bool all_local = request.rubric().parts_size() == static_cast<int>(rubric.parts().size());
  Rescoring rescoring(rubric, tally);
  reward::Scorer scorer(ScorerOptions());
  return reward::ScoreAll(scorer, request, [&](int index, const v1::ScoreResult& result) {
    const Rescored& one = all[static_cast<size_t>(index)];
    if (result.has_score()) {
      rescoring.Combine(one, result.score());
    } else if (!result.internal_error().empty()) {
      tally.LeaveOut(Compared::kRewards, 1,
                     absl::StrCat("our own failure at ", one.place, ": ", result.internal_error()));
    } else if (all_local) {
      tally.AddDifference(Compared::kRewards, absl::StrCat(one.place, ": ", result.invalid()));
    } else {  // a problem of a task that only services judge
      rescoring.Combine(one, v1::Score());
    }
  });
}

}  // namespace temper::cli
