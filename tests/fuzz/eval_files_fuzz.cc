// Feeds arbitrary files to the readers of questions, answers, judgements and tables; what is read
// is written, and scored.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agents/eval/formats/alpaca_annotation.h"
#include "agents/eval/formats/answer.h"
#include "agents/eval/formats/arena_judgement.h"
#include "agents/eval/formats/mt_bench.h"
#include "agents/eval/formats/question.h"
#include "agents/eval/formats/style.h"
#include "agents/eval/formats/wild_bench.h"
#include "agents/eval/score/arena_score.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace temper::agents;  // NOLINT(google-build-using-namespace)
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  if (const auto file = ReadQuestions(text, "q"); file.ok()) {
    for (const EvalQuestion& question : file->questions) {
      EvalAnswer answer;
      answer.question_id = question.id;
      answer.turns = {"# a"};
      const auto record = AnswerRecord(file->format, question, answer);
      Require(!AnswerFile(file->format, {record}).empty());
    }
  }
  (void)ReadAnswers(text, "a");
  if (const auto judgements = ReadArenaJudgements(text, "j"); judgements.ok()) {
    ArenaScoreOptions options;
    options.bootstrap.resamples = 100;
    const auto row = ScoreArena(*judgements, {}, options);
    if (row.ok()) Require(row->estimate.value >= 0 && row->estimate.value <= 100);
  }
  (void)ReadMtBenchGrades(text, "j");
  (void)ReadMtBenchPairs(text, "j");
  (void)ReadWildBenchPairs(text, "w");
  (void)ReadWildBenchGrades(text, "w");
  (void)ReadAlpacaAnnotations(text, "a");
  (void)ReadInstructionDifficulty(text, "d");
  (void)ReadGamedRows(text, "g");
  const AnswerStyle style = CountStyle(text, static_cast<int64_t>(size));
  Require(style.list_count() + style.header_count() <= static_cast<int64_t>(size));
  return 0;
}
