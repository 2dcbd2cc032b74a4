// Joins the rows of a batch with their groups and scores.
#include "orchestrator/replay/recorded_step.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::orchestrator {
namespace {

absl::StatusOr<std::map<int64_t, v1::Group>> ReadGroups(Database& database, int64_t version) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows,
      database.Query("SELECT id, step, prompt_id, prompt, answer, metadata, chat FROM groups WHERE "
                     "id IN (SELECT group_id FROM batch_entries WHERE step = ?)",
                     {version}));
  std::map<int64_t, v1::Group> groups;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return groups;
    v1::Group& group = groups[rows.Int(0)];
    group.set_id(rows.Int(0));
    group.set_step(rows.Int(1));
    group.mutable_prompt()->set_id(rows.Bytes(2));
    group.mutable_prompt()->set_text(rows.Bytes(3));
    group.set_answer(rows.Bytes(4));
    group.set_metadata_json(rows.Bytes(5));
    group.mutable_prompt()->set_chat_json(rows.Bytes(6));
  }
}

// In the order of the batch.
absl::StatusOr<std::vector<v1::Score>> ReadScores(Database& database, int64_t version) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows, database.Query("SELECT score, score_reason, score_parts, b.group_id, b.number "
                                "FROM batch_entries b JOIN samples s ON s.group_id = b.group_id "
                                "AND s.number = b.number WHERE b.step = ? ORDER BY b.position",
                                {version}));
  std::vector<v1::Score> scores;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return scores;
    v1::Score& score = scores.emplace_back();
    if (!score.ParseFromString(rows.Bytes(2))) {
      return absl::DataLossError(absl::StrCat("ledger: the score of group ", rows.Int(3),
                                              " sample ", rows.Int(4), " does not parse"));
    }
    score.set_value(rows.Real(0));
    score.set_reason(rows.Bytes(1));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordedStep>> ReadRecordedStep(Ledger& ledger, int64_t version) {
  auto step = std::make_unique<RecordedStep>();
  Database& database = ledger.database();
  TEMPER_ASSIGN_OR_RETURN(step->request, ledger.ReadTrainRequest(version));
  TEMPER_ASSIGN_OR_RETURN(auto groups, ReadGroups(database, version));
  TEMPER_ASSIGN_OR_RETURN(auto scores, ReadScores(database, version));
  TEMPER_ASSIGN_OR_RETURN(
      step->groups_dropped,
      database.Count("SELECT count(*) FROM groups WHERE evaluation = 0 AND step = ? AND "
                     "dropped_reason IS NOT NULL",
                     {version}));
  const auto& episodes = step->request.policy().episodes();
  if (scores.size() != static_cast<size_t>(episodes.size())) {
    return absl::DataLossError(absl::StrCat("ledger: the batch of step ", version, " has ",
                                            episodes.size(), " episodes and ", scores.size(),
                                            " scores"));
  }
  for (int i = 0; i < episodes.size(); ++i) {
    const int64_t id = episodes[i].episode().group_id();
    if (step->groups.empty() || step->groups.back().group.id() != id) {
      step->groups.push_back({.group = groups[id]});
    }
    step->groups.back().samples.push_back(
        {&episodes[i], std::move(scores[static_cast<size_t>(i)])});
  }
  return step;
}

}  // namespace temper::orchestrator
