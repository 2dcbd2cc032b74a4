// Records to and fro.
#include "agents/eval/formats/mt_bench.h"

#include <array>
#include <utility>

#include "agents/eval/formats/records.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;
using Winner = MtBenchPair::Winner;

constexpr std::array<std::string_view, 4> kWinners = {"model_1", "model_2", "tie", "error"};

std::string WinnerName(Winner winner) { return std::string(kWinners[static_cast<size_t>(winner)]); }

absl::StatusOr<Winner> ReadWinner(const EvalRecord& record, const char* key) {
  TEMPER_ASSIGN_OR_RETURN(const std::string name, TextAt(record, key));
  for (size_t i = 0; i < kWinners.size(); ++i) {
    if (name == kWinners[i]) return static_cast<Winner>(i);
  }
  return RecordError(record, std::string("\"") + key + "\": found \"" + name +
                                 "\", expected model_1, model_2, tie or error");
}

// "judge": [name, prompt], or a name.
void ReadJudge(const Json& json, std::string& judge, std::string& prompt) {
  judge = TextOr(json, "judge");
  if (!json.contains("judge") || !json["judge"].is_array()) return;
  const Json& both = json["judge"];
  if (!both.empty() && both[0].is_string()) judge = both[0].get<std::string>();
  if (both.size() > 1 && both[1].is_string()) prompt = both[1].get<std::string>();
}

absl::StatusOr<int> ReadTurn(const EvalRecord& record) {
  const double turn = FiniteAt(record.json, "turn").value_or(1);
  if (turn == 1 || turn == 2) return static_cast<int>(turn);
  return RecordError(record, "\"turn\": expected 1 or 2");
}

}  // namespace

Json MtBenchGradeRecord(const MtBenchGrade& grade) {
  return {{"question_id", grade.question_id},
          {"model", grade.model},
          {"judge", Json::array({grade.judge, grade.judge_prompt})},
          {"user_prompt", grade.user_prompt},
          {"judgment", grade.judgement},
          {"score", grade.score.has_value() ? Json(*grade.score) : Json(-1)},
          {"turn", grade.turn},
          {"tstamp", grade.tstamp}};
}

absl::StatusOr<std::vector<MtBenchGrade>> ReadMtBenchGrades(std::string_view text,
                                                            const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  std::vector<MtBenchGrade> grades;
  for (const EvalRecord& record : records) {
    const Json& json = record.json;
    TEMPER_RETURN_IF_ERROR(TextAt(record, "question_id").status());
    MtBenchGrade grade;
    grade.question_id = json["question_id"];
    TEMPER_ASSIGN_OR_RETURN(grade.model, TextAt(record, "model"));
    ReadJudge(json, grade.judge, grade.judge_prompt);
    grade.user_prompt = TextOr(json, "user_prompt");
    grade.judgement = TextOr(json, "judgment");
    const std::optional<double> score = FiniteAt(json, "score");
    if (score.has_value() && *score >= 1 && *score <= 10) grade.score = score;
    TEMPER_ASSIGN_OR_RETURN(grade.turn, ReadTurn(record));
    grade.tstamp = FiniteAt(json, "tstamp").value_or(0);
    grades.push_back(std::move(grade));
  }
  return grades;
}

Json MtBenchPairRecord(const MtBenchPair& pair) {
  return {{"question_id", pair.question_id},
          {"model_1", pair.model_1},
          {"model_2", pair.model_2},
          {"g1_winner", WinnerName(pair.winner_1)},
          {"g2_winner", WinnerName(pair.winner_2)},
          {"judge", Json::array({pair.judge, pair.judge_prompt})},
          {"g1_user_prompt", pair.user_prompt_1},
          {"g1_judgment", pair.judgement_1},
          {"g2_user_prompt", pair.user_prompt_2},
          {"g2_judgment", pair.judgement_2},
          {"turn", pair.turn},
          {"tstamp", pair.tstamp}};
}

absl::StatusOr<std::vector<MtBenchPair>> ReadMtBenchPairs(std::string_view text,
                                                          const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  std::vector<MtBenchPair> pairs;
  for (const EvalRecord& record : records) {
    const Json& json = record.json;
    TEMPER_RETURN_IF_ERROR(TextAt(record, "question_id").status());
    MtBenchPair pair;
    pair.question_id = json["question_id"];
    TEMPER_ASSIGN_OR_RETURN(pair.model_1, TextAt(record, "model_1"));
    TEMPER_ASSIGN_OR_RETURN(pair.model_2, TextAt(record, "model_2"));
    TEMPER_ASSIGN_OR_RETURN(pair.winner_1, ReadWinner(record, "g1_winner"));
    TEMPER_ASSIGN_OR_RETURN(pair.winner_2, ReadWinner(record, "g2_winner"));
    ReadJudge(json, pair.judge, pair.judge_prompt);
    pair.user_prompt_1 = TextOr(json, "g1_user_prompt");
    pair.judgement_1 = TextOr(json, "g1_judgment");
    pair.user_prompt_2 = TextOr(json, "g2_user_prompt");
    pair.judgement_2 = TextOr(json, "g2_judgment");
    TEMPER_ASSIGN_OR_RETURN(pair.turn, ReadTurn(record));
    pair.tstamp = FiniteAt(json, "tstamp").value_or(0);
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::optional<double> MtBenchTemperature(std::string_view category) {
  static constexpr std::pair<std::string_view, double> kTemperatures[] = {
      {"writing", 0.7}, {"roleplay", 0.7},  {"extraction", 0.0}, {"math", 0.0},
      {"coding", 0.0},  {"reasoning", 0.0}, {"stem", 0.1},       {"humanities", 0.1},
  };
  for (const auto& [name, temperature] : kTemperatures) {
    if (name == category) return temperature;
  }
  return std::nullopt;
}

bool MtBenchNeedsReference(std::string_view category) {
  return category == "math" || category == "reasoning" || category == "coding";
}

}  // namespace temper::agents
