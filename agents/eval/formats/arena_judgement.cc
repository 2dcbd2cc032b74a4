// The two versions differ in names only.
#include "agents/eval/formats/arena_judgement.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

Json ScoreOf(const ArenaGame& game) {
  return game.verdict.has_value() ? Json(std::string(VerdictLabel(*game.verdict))) : Json(nullptr);
}

absl::Status ReadGame(const EvalRecord& record, const Json& json, ArenaGame& game) {
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_object())
    return RecordError(record, "\"games\": a game is neither null nor an object");
  const absl::StatusOr<Verdict> verdict = ParseVerdictLabel(TextOr(json, "score"));
  if (verdict.ok()) game.verdict = *verdict;
  game.judgement = TextOr(json, "judgment");
  if (json.contains("judgment")) {
    const std::string answer = TextOr(json["judgment"], "answer");
    if (!answer.empty()) game.judgement = answer;
  }
  if (json.contains("prompt")) game.prompt = json["prompt"];
  if (json.contains("user_prompt")) game.prompt = json["user_prompt"];
  return absl::OkStatus();
}

// The text of the user's message: what v0.1 keeps of a prompt.
Json UserPromptOf(const ArenaGame& game) {
  if (!game.prompt.is_array()) return game.prompt;
  for (const Json& message : game.prompt) {
    if (TextOr(message, "role") == "user") return message["content"];
  }
  return "";
}

}  // namespace

ArenaSides SidesOf(int game, std::string_view baseline, std::string_view candidate) {
  TEMPER_CHECK(game == 0 || game == 1);
  return game == 0 ? ArenaSides{baseline, candidate} : ArenaSides{candidate, baseline};
}

std::optional<Verdict> CandidateVerdict(const ArenaJudgement& judgement, int game) {
  const std::optional<Verdict>& verdict = judgement.games[game].verdict;
  if (!verdict.has_value() || game == 1) return verdict;
  return Swapped(*verdict);
}

nlohmann::ordered_json ArenaJudgementRecord(EvalFormat format, const ArenaJudgement& judgement) {
  TEMPER_CHECK(format == EvalFormat::kArenaHardV01 || format == EvalFormat::kArenaHardV2);
  const bool old = format == EvalFormat::kArenaHardV01;
  Json games = Json::array();
  for (const ArenaGame& game : judgement.games) {
    if (old) {
      games.push_back({{"user_prompt", UserPromptOf(game)},
                       {"judgment", game.judgement},
                       {"score", ScoreOf(game)}});
    } else {
      games.push_back({{"score", ScoreOf(game)},
                       {"judgment", {{"answer", game.judgement}}},
                       {"prompt", game.prompt}});
    }
  }
  if (old) {
    return {{"question_id", judgement.question_id},
            {"model", judgement.model},
            {"judge", judgement.judge},
            {"games", games}};
  }
  return {{"uid", judgement.question_id},   {"category", judgement.category},
          {"judge", judgement.judge},       {"model", judgement.model},
          {"baseline", judgement.baseline}, {"games", games}};
}

absl::StatusOr<std::vector<ArenaJudgement>> ReadArenaJudgements(std::string_view text,
                                                                const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  std::vector<ArenaJudgement> judgements;
  for (const EvalRecord& record : records) {
    const Json& json = record.json;
    ArenaJudgement judgement;
    TEMPER_ASSIGN_OR_RETURN(judgement.question_id,
                            TextAt(record, json.contains("uid") ? "uid" : "question_id"));
    judgement.category = TextOr(json, "category");
    judgement.judge = TextOr(json, "judge");
    judgement.model = TextOr(json, "model");
    judgement.baseline = TextOr(json, "baseline");
    if (!json.contains("games") || !json["games"].is_array() || json["games"].size() != 2) {
      return RecordError(record, "\"games\": expected an array of two games");
    }
    for (int game = 0; game < 2; ++game) {
      TEMPER_RETURN_IF_ERROR(ReadGame(record, json["games"][game], judgement.games[game]));
    }
    judgements.push_back(std::move(judgement));
  }
  return judgements;
}

}  // namespace temper::agents
