// Which score belongs to which file.
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"
#include "agents/eval/judging/judged.h"
#include "agents/eval/score/mt_bench_score.h"
#include "agents/eval/score/wild_bench_score.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Rows = std::vector<ScoreRow>;

absl::StatusOr<Rows> ScoreArenaFile(EvalFormat format, std::string_view text,
                                    const std::string& path, const std::vector<EvalAnswer>& answers,
                                    const EvalScoreOptions& options) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<ArenaJudgement> all, ReadArenaJudgements(text, path));
  std::vector<ArenaJudgement> judgements;
  for (const ArenaJudgement& judgement : all) {
    if (options.model.empty() || judgement.model == options.model) judgements.push_back(judgement);
  }
  ArenaScoreOptions arena = options.arena;
  arena.nulls = format == EvalFormat::kArenaHardV01 ? ArenaScoreOptions::Nulls::kDropGame
                                                    : ArenaScoreOptions::Nulls::kDropQuestion;
  const StylesByQuestion styles = StylesOf(answers);
  TEMPER_ASSIGN_OR_RETURN(const ScoreRow whole, ScoreArena(judgements, styles, arena));
  TEMPER_ASSIGN_OR_RETURN(Rows parts, ScoreArenaByCategory(judgements, styles, arena));
  // v2 reads its categories apart: their baselines differ.
  if (parts.size() > 1) return parts;
  return Rows{whole};
}

absl::StatusOr<Rows> ScoreMtBenchFile(std::string_view text, const std::string& path,
                                      const std::vector<EvalQuestion>& questions,
                                      const EvalScoreOptions& options) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  if (Has(records.front().json, {"g1_winner"})) {
    TEMPER_ASSIGN_OR_RETURN(const std::vector<MtBenchPair> pairs, ReadMtBenchPairs(text, path));
    TEMPER_ASSIGN_OR_RETURN(ScoreRow row,
                            ScoreMtBenchPairs(pairs, options.model, options.bootstrap));
    return Rows{std::move(row)};
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<MtBenchGrade> all, ReadMtBenchGrades(text, path));
  std::vector<MtBenchGrade> grades;
  for (const MtBenchGrade& grade : all) {
    if (options.model.empty() || grade.model == options.model) grades.push_back(grade);
  }
  std::map<std::string, std::string> categories;
  for (const EvalQuestion& question : questions) categories[question.id] = question.category;
  return ScoreMtBench(grades, categories, options.bootstrap);
}

absl::StatusOr<Rows> ScoreWildBenchFile(std::string_view text, const std::string& path,
                                        const std::vector<EvalQuestion>& questions,
                                        const EvalScoreOptions& options) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  if (Has(records.front().json, {"winner"})) {
    TEMPER_ASSIGN_OR_RETURN(const std::vector<WildBenchPair> pairs, ReadWildBenchPairs(text, path));
    TEMPER_ASSIGN_OR_RETURN(ScoreRow row, RewardWildBench(pairs, options.model, options.reference,
                                                          {.length_margin = options.length_margin,
                                                           .bootstrap = options.bootstrap}));
    return Rows{std::move(row)};
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<WildBenchGrade> grades,
                          ReadWildBenchGrades(text, path));
  std::map<std::string, std::vector<std::string>> groups;
  for (const EvalQuestion& question : questions)
    groups[question.id] = WildBenchGroups(question.raw);
  return ScoreWildBench(grades, groups, options.bootstrap);
}

}  // namespace

absl::StatusOr<std::vector<ScoreRow>> ScoreJudgements(EvalFormat format, std::string_view text,
                                                      const std::string& path,
                                                      const std::vector<EvalQuestion>& questions,
                                                      const std::vector<EvalAnswer>& answers,
                                                      const EvalScoreOptions& options) {
  switch (format) {
    case EvalFormat::kArenaHardV01:
    case EvalFormat::kArenaHardV2:
    case EvalFormat::kHelpSteer3:
      return ScoreArenaFile(format, text, path, answers, options);
    case EvalFormat::kMtBench:
      return ScoreMtBenchFile(text, path, questions, options);
    case EvalFormat::kWildBench:
      return ScoreWildBenchFile(text, path, questions, options);
    case EvalFormat::kAlpacaEval: {
      TEMPER_ASSIGN_OR_RETURN(const std::vector<AlpacaAnnotation> annotations,
                              ReadAlpacaAnnotations(text, path));
      return ScoreAlpaca(annotations, options.alpaca, options.bootstrap);
    }
  }
  return absl::InternalError("unknown format");
}

}  // namespace temper::agents
