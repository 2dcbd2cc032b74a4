// Replies are read by agents/select/judgement; a reply that cannot be read is counted with its
// words.
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/alpaca_annotation.h"
#include "agents/eval/formats/arena_judgement.h"
#include "agents/eval/formats/mt_bench.h"
#include "agents/eval/formats/records.h"
#include "agents/eval/formats/wild_bench.h"
#include "agents/eval/judging/judged.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/judgement/verdict.h"
#include "base/check.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;
using Replies = std::vector<std::optional<JudgeReply>>;

// The value that a reply holds, or nothing and a problem.
template <typename T>
std::optional<T> Take(const std::optional<JudgeReply>& reply, absl::StatusOr<T> read,
                      JudgedRecords& result) {
  if (reply.has_value() && read.ok()) return *std::move(read);
  ++result.invalid;
  result.problems.push_back(reply.has_value() ? std::string(read.status().message())
                                              : "the judge's call failed");
  return std::nullopt;
}

std::string TextOf(const std::optional<JudgeReply>& reply) {
  return reply.has_value() ? reply->text : "";
}

void AddArena(EvalFormat format, const JudgedAnswer& judged, const Replies& replies,
              JudgedRecords& result) {
  const bool old = format == EvalFormat::kArenaHardV01;
  ArenaJudgement judgement;
  judgement.question_id = judged.question.id;
  judgement.category = judged.question.category;
  judgement.judge = judged.judge;
  judgement.model = judged.candidate.model;
  judgement.baseline = judged.baseline->model;
  for (int game = 0; game < 2; ++game) {
    judgement.games[game].verdict =
        Take(replies[game],
             ReadArenaVerdict(TextOf(replies[game]), old ? VerdictRule::kOnly : VerdictRule::kLast),
             result);
    judgement.games[game].judgement = TextOf(replies[game]);
    if (replies[game].has_value()) judgement.games[game].prompt = replies[game]->prompt;
  }
  result.records.push_back(
      ArenaJudgementRecord(old ? EvalFormat::kArenaHardV01 : EvalFormat::kArenaHardV2, judgement));
}

void AddMtBench(const JudgedAnswer& judged, const std::vector<JudgeTask>& tasks,
                const Replies& replies, JudgedRecords& result) {
  for (size_t i = 0; i < tasks.size(); ++i) {
    MtBenchGrade grade;
    grade.question_id = judged.question.raw.contains("question_id")
                            ? judged.question.raw["question_id"]
                            : Json(judged.question.id);
    grade.model = judged.candidate.model;
    grade.judge = judged.judge;
    grade.judge_prompt = tasks[i].graph;
    grade.user_prompt = replies[i].has_value() ? TranscriptOf(replies[i]->prompt) : "";
    grade.judgement = TextOf(replies[i]);
    grade.score = Take(replies[i], ReadRating(TextOf(replies[i])), result);
    grade.turn = tasks[i].turn;
    grade.tstamp = judged.tstamp;
    result.records.push_back(MtBenchGradeRecord(grade));
  }
}

void AddAlpaca(const JudgedAnswer& judged, const Replies& replies, JudgedRecords& result) {
  AlpacaAnnotation annotation;
  annotation.index = ReadDecimal(judged.question.id).value_or(0);
  annotation.instruction = TextOr(judged.question.messages.back(), "content");
  annotation.output_1 = judged.baseline->turns.front();
  annotation.generator_1 = judged.baseline->model;
  annotation.output_2 = judged.candidate.turns.front();
  annotation.generator_2 = judged.candidate.model;
  annotation.annotator = judged.judge;
  double sum = 0;
  int games = 0;
  for (int game = 0; game < 2; ++game) {
    const std::optional<Verdict> verdict =
        Take(replies[game], ReadPairVerdict(TextOf(replies[game])), result);
    if (!verdict.has_value()) continue;
    const Verdict own = game == 0 ? Swapped(*verdict) : *verdict;  // A is the candidate
    sum += own == Verdict::kTie ? 0.5 : own < Verdict::kTie ? 1 : 0;
    ++games;
  }
  if (games == 2) annotation.preference = sum / 2;
  result.records.push_back(AlpacaAnnotationRecord(annotation));
}

Json ParsedResult(const std::string& text, std::initializer_list<const char*> keys) {
  const auto object = LastObjectWith(AfterThinking(text), keys);
  return object.ok() ? *object : Json(nullptr);
}

void AddWildBenchGrade(const JudgedAnswer& judged, const std::optional<JudgeReply>& reply,
                       JudgedRecords& result) {
  WildBenchGrade grade;
  grade.session_id = judged.question.id;
  grade.model = judged.candidate.model;
  grade.output = judged.candidate.turns.front();
  grade.score = Take(reply, ReadWildBenchScore(TextOf(reply)), result);
  grade.parsed_result = ParsedResult(TextOf(reply), {"score"});
  if (grade.score.has_value()) result.records.push_back(WildBenchGradeRecord(grade));
}

void AddWildBenchPairs(const JudgedAnswer& judged, const Replies& replies, JudgedRecords& result) {
  for (int game = 0; game < 2; ++game) {
    const ArenaSides models = SidesOf(game, judged.baseline->model, judged.candidate.model);
    const ArenaSides outputs =
        SidesOf(game, judged.baseline->turns.front(), judged.candidate.turns.front());
    WildBenchPair pair;
    pair.session_id = judged.question.id;
    pair.model_a = models.a;
    pair.model_b = models.b;
    pair.output_a = outputs.a;
    pair.output_b = outputs.b;
    pair.verdict = Take(replies[game], ReadWildBenchChoice(TextOf(replies[game])), result);
    pair.parsed_result = ParsedResult(TextOf(replies[game]), {"choice"});
    if (pair.verdict.has_value()) result.records.push_back(WildBenchPairRecord(pair));
  }
}

}  // namespace

JudgedRecords RecordsOf(EvalFormat format, const JudgedAnswer& judged,
                        const std::vector<JudgeTask>& tasks, const Replies& replies) {
  TEMPER_CHECK(!tasks.empty() && replies.size() == tasks.size());
  JudgedRecords result;
  switch (format) {
    case EvalFormat::kArenaHardV01:
    case EvalFormat::kArenaHardV2:
    case EvalFormat::kHelpSteer3:
      AddArena(format, judged, replies, result);
      break;
    case EvalFormat::kMtBench:
      AddMtBench(judged, tasks, replies, result);
      break;
    case EvalFormat::kAlpacaEval:
      AddAlpaca(judged, replies, result);
      break;
    case EvalFormat::kWildBench:
      if (judged.baseline == nullptr) {
        AddWildBenchGrade(judged, replies[0], result);
      } else {
        AddWildBenchPairs(judged, replies, result);
      }
      break;
  }
  return result;
}

std::string JudgementFile(EvalFormat format, const std::vector<Json>& records) {
  const bool array = format == EvalFormat::kAlpacaEval || format == EvalFormat::kWildBench;
  return array ? ToArray(records) : ToLines(records);
}

}  // namespace temper::agents
