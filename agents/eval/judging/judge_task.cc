// One way for pairs, two for grades.
#include "agents/eval/judging/judge_task.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agents/eval/formats/arena_judgement.h"
#include "agents/eval/formats/mt_bench.h"
#include "agents/eval/formats/records.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

// WildBench's checklist: an array of texts, or nothing.
Json ChecklistOf(const EvalQuestion& question) {
  Json items = Json::array();
  if (!question.raw.is_object() || !question.raw.contains("checklist")) return items;
  const Json& list = question.raw["checklist"];
  for (const Json& item : list.is_array() ? list : Json::array()) {
    if (item.is_string()) items.push_back(item);
  }
  return items;
}

std::vector<JudgeTask> PairTasks(const std::string& graph, const Json& inputs,
                                 const EvalAnswer& candidate, const EvalAnswer& baseline) {
  std::vector<JudgeTask> tasks;
  for (int game = 0; game < 2; ++game) {
    const ArenaSides sides = SidesOf(game, baseline.turns.front(), candidate.turns.front());
    JudgeTask task{graph, inputs, game, 1};
    task.inputs["answer_a"] = std::string(sides.a);
    task.inputs["answer_b"] = std::string(sides.b);
    tasks.push_back(std::move(task));
  }
  return tasks;
}

absl::StatusOr<std::vector<JudgeTask>> MtBenchTasks(const EvalQuestion& question,
                                                    const EvalAnswer& candidate) {
  const size_t turns = 1 + question.later_turns.size();
  if (turns > 2 || candidate.turns.size() < turns) {
    return absl::InvalidArgumentError(absl::StrCat("question ", question.id, " has ", turns,
                                                   " turns, its answer ", candidate.turns.size(),
                                                   "; expected one or two, all of them answered"));
  }
  std::vector<JudgeTask> tasks;
  Json inputs = {{"question_1", question.messages.back()["content"]},
                 {"answer_1", candidate.turns[0]}};
  Json references = Json::array();
  for (size_t turn = 0; turn < turns; ++turn) {
    if (turn == 1) {
      inputs["question_2"] = question.later_turns[0];
      inputs["answer_2"] = candidate.turns[1];
    }
    if (MtBenchNeedsReference(question.category) && turn < question.references.size()) {
      references.push_back(question.references[turn]);
    }
    inputs["reference"] = references;
    tasks.push_back(
        {absl::StrCat("mt_bench_turn_", turn + 1), inputs, 0, static_cast<int>(turn + 1)});
  }
  return tasks;
}

}  // namespace

std::string TranscriptOf(const Json& messages) {
  if (messages.size() == 1) return TextOr(messages[0], "content");
  std::string text;
  for (const Json& message : messages) {
    absl::StrAppend(&text, text.empty() ? "" : "\n\n",
                    absl::AsciiStrToUpper(TextOr(message, "role")), ": ",
                    TextOr(message, "content"));
  }
  return text;
}

absl::StatusOr<std::vector<JudgeTask>> JudgeTasksOf(EvalFormat format, const EvalQuestion& question,
                                                    const EvalAnswer& candidate,
                                                    const EvalAnswer* baseline) {
  if (candidate.turns.empty() || (baseline != nullptr && baseline->turns.empty())) {
    return absl::InvalidArgumentError(
        absl::StrCat("question ", question.id, ": an answer without a turn"));
  }
  if (format == EvalFormat::kMtBench) return MtBenchTasks(question, candidate);
  Json inputs = {{"question", TranscriptOf(question.messages)}};
  if (format == EvalFormat::kWildBench) {
    inputs["checklist"] = ChecklistOf(question);
    if (baseline != nullptr) return PairTasks("wild_bench_pair", inputs, candidate, *baseline);
    inputs["answer"] = candidate.turns.front();
    return std::vector<JudgeTask>{{"wild_bench_score", inputs, 0, 1}};
  }
  if (baseline == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("question ", question.id, ": no answer of the baseline; ",
                     std::string(EvalFormatName(format)), " compares with one"));
  }
  if (format == EvalFormat::kAlpacaEval) {
    return PairTasks("alpaca_eval", inputs, candidate, *baseline);
  }
  const bool creative = question.category == "creative_writing";
  return PairTasks(creative ? "arena_hard_creative" : "arena_hard", inputs, candidate, *baseline);
}

}  // namespace temper::agents
