// `temper graph eval`: a graph answers a benchmark's questions, a judge's graph compares, and the
// files are the benchmark's own.
//
//   DIR/answers/, DIR/judge/<graph>/            executions, as `temper graph run` keeps them
//   DIR/model_answer/<model>.jsonl              DIR/model_judgment/<judge>/<model>.jsonl
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agents/eval/formats/answer.h"
#include "agents/eval/formats/question.h"
#include "agents/eval/judging/judge_task.h"
#include "agents/eval/judging/judged.h"
#include "agents/eval/score/arena_score.h"
#include "agents/eval/score/score_row.h"
#include "agents/eval/score/style_control.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph.h"
#include "orchestrator/cli/graph_session.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

struct EvalArguments {
  GraphArguments graph;
  std::string questions, format, model, baseline, judges;
  std::string difficulty, gamed;  // AlpacaEval's tables
  int64_t limit = 0, length_margin = -1;
  int resamples = 1000;
  bool battles = false;
  bool answers_only = false;
};

// What each question was answered, turn by turn.
using Answers = std::map<std::string, agents::EvalAnswer>;

std::string ModelFile(const std::string& model) {
  std::string name = model;
  for (char& c : name) {
    if (c == '/' || c == ':') c = '_';
  }
  return name;
}

// One turn of every question that has it; false where none has.
absl::StatusOr<bool> AnswerTurn(const EvalArguments& arguments,
                                const agents::EvalQuestions& questions, size_t turn,
                                const std::string& model, StopToken& stop, Answers& answers) {
  GraphArguments own = arguments.graph;
  own.dir = arguments.graph.dir + "/answers";
  std::map<std::string, const agents::EvalQuestion*> asked;
  std::vector<std::pair<std::string, json>> conversations;
  for (const agents::EvalQuestion& question : questions.questions) {
    if (turn > question.later_turns.size()) continue;
    json messages = question.messages;
    const auto answered = answers.find(question.id);
    if (turn > 0 && (answered == answers.end() || answered->second.turns.size() < turn)) continue;
    for (size_t before = 0; before < turn; ++before) {
      messages.push_back({{"role", "assistant"}, {"content", answered->second.turns[before]}});
      messages.push_back({{"role", "user"}, {"content", question.later_turns[before]}});
    }
    const std::string id = turn == 0 ? question.id : absl::StrCat(question.id, "#", turn + 1);
    asked[id] = &question;
    conversations.emplace_back(id, std::move(messages));
  }
  if (conversations.empty()) return false;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<GraphSession> session,
                          GraphSession::Open(own, {}, stop));
  if (session->graph().inputs.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(own.file, ": a graph that answers questions has one input, this one has ",
                     session->graph().inputs.size()));
  }
  std::vector<GraphInput> inputs;
  for (auto& [id, messages] : conversations) {
    inputs.push_back({id, {{session->graph().inputs.front(), std::move(messages)}}});
  }
  int64_t failed = 0;
  TEMPER_RETURN_IF_ERROR(session->Run(inputs, [&](const agents::ExecutionEnd& end) {
    if (end.output.empty()) {
      ++failed;
      std::fprintf(stderr, "temper: question %s: %s: %s\n", end.id.c_str(), end.outcome.c_str(),
                   end.why.c_str());
      return;
    }
    const agents::EvalQuestion& question = *asked.at(end.id);
    agents::EvalAnswer& answer = answers[question.id];
    answer.question_id = question.id;
    answer.answer_id = absl::StrCat(question.id, "-", model);
    answer.model = model;
    answer.tstamp = static_cast<double>(absl::ToUnixMillis(absl::Now())) / 1000;
    answer.turns.push_back(agents::TextOf(end.output.front(), {}));
    answer.token_lens.push_back(end.output.front().candidate->result.usage.tokens_out);
  }));
  std::fprintf(stderr, "turn %zu: %zu answered, %lld not\n", turn + 1, inputs.size() - failed,
               static_cast<long long>(failed));
  return true;
}

// A judge's reply to each task, in order; empty where its call failed.
absl::StatusOr<std::vector<std::optional<agents::JudgeReply>>> Judge(
    const EvalArguments& arguments,
    const std::vector<std::pair<std::string, agents::JudgeTask>>& tasks, StopToken& stop,
    std::string& judge) {
  std::vector<std::optional<agents::JudgeReply>> replies(tasks.size());
  std::map<std::string, std::vector<size_t>> by_graph;
  for (size_t i = 0; i < tasks.size(); ++i) by_graph[tasks[i].second.graph].push_back(i);
  for (const auto& [graph, places] : by_graph) {
    GraphArguments own = arguments.graph;
    own.file = absl::StrCat(arguments.judges, "/", graph, ".json");
    own.dir = absl::StrCat(arguments.graph.dir, "/judge/", graph);
    own.budget.clear();
    TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<GraphSession> session,
                            GraphSession::Open(own, {}, stop));
    judge = session->graph().roles.front().model;
    std::vector<GraphInput> inputs;
    std::map<std::string, size_t> place_of;
    for (const size_t place : places) {
      const std::string id = absl::StrCat(tasks[place].first, "/", tasks[place].second.game);
      place_of[id] = place;
      inputs.push_back({id, tasks[place].second.inputs});
    }
    TEMPER_RETURN_IF_ERROR(session->Run(inputs, [&](const agents::ExecutionEnd& end) {
      if (end.output.empty()) return;
      agents::JudgeReply reply{.text = agents::TextOf(end.output.front(), {})};
      // What it was asked is what the node's prompt says on this input.
      const int node = end.output.front().candidate->node;
      const agents::Node& asked = session->graph().nodes[static_cast<size_t>(node)];
      if (asked.prompt.has_value()) {
        if (auto prompt = asked.prompt->Render(agents::PromptReader(*end.execution, node, {}));
            prompt.ok()) {
          reply.prompt = *std::move(prompt);
        }
      }
      replies[place_of.at(end.id)] = std::move(reply);
    }));
  }
  return replies;
}

// AlpacaEval and WildBench have arrays, the others lines.
std::string Ending(agents::EvalFormat format) {
  return format == agents::EvalFormat::kAlpacaEval || format == agents::EvalFormat::kWildBench
             ? ".json"
             : ".jsonl";
}

absl::StatusOr<agents::AlpacaTables> ReadTables(const EvalArguments& arguments) {
  agents::AlpacaTables tables;
  if (!arguments.difficulty.empty()) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.difficulty));
    TEMPER_ASSIGN_OR_RETURN(tables.difficulty,
                            agents::ReadInstructionDifficulty(text, arguments.difficulty));
  }
  if (!arguments.gamed.empty()) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.gamed));
    TEMPER_ASSIGN_OR_RETURN(tables.gamed, agents::ReadGamedRows(text, arguments.gamed));
  }
  return tables;
}

// The win rate at equal style, beside the plain one: Arena-Hard's formats only.
absl::StatusOr<std::vector<agents::ScoreRow>> StyleRows(
    const std::string& judged_text, const std::string& judged_file, const std::string& model,
    const std::vector<agents::EvalAnswer>& given, const Answers& baseline,
    const agents::BootstrapOptions& bootstrap) {
  std::vector<agents::EvalAnswer> others;
  for (const auto& [id, answer] : baseline) others.push_back(answer);
  const std::string other = others.front().model;
  TEMPER_ASSIGN_OR_RETURN(const std::vector<agents::ArenaJudgement> judgements,
                          agents::ReadArenaJudgements(judged_text, judged_file));
  TEMPER_ASSIGN_OR_RETURN(
      const agents::StyleControlled controlled,
      agents::ControlStyle(judgements,
                           {{model, agents::StylesOf(given)}, {other, agents::StylesOf(others)}},
                           other, {.bootstrap = bootstrap}));
  std::vector<agents::ScoreRow> rows;
  for (const agents::StyleControlledModel& one : controlled.models) {
    rows.push_back({.name = absl::StrCat("at equal style, against ", other),
                    .scale = "%",
                    .estimate = one.equal_style,
                    .n = controlled.questions,
                    .invalid = controlled.invalid + controlled.unstyled,
                    .interval_over = "questions"});
  }
  return rows;
}

absl::StatusOr<Answers> ReadBaseline(const std::string& path) {
  Answers answers;
  if (path.empty()) return answers;
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  TEMPER_ASSIGN_OR_RETURN(std::vector<agents::EvalAnswer> read, agents::ReadAnswers(text, path));
  for (agents::EvalAnswer& answer : read) {
    const std::string id = answer.question_id;
    answers[id] = std::move(answer);
  }
  return answers;
}

absl::Status Evaluate(EvalArguments arguments) {
  StopToken& stop = StopOnSignals();
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.questions));
  std::optional<agents::EvalFormat> format;
  if (!arguments.format.empty()) {
    TEMPER_ASSIGN_OR_RETURN(format, agents::ParseEvalFormat(arguments.format));
  }
  TEMPER_ASSIGN_OR_RETURN(agents::EvalQuestions questions,
                          agents::ReadQuestions(text, arguments.questions, format));
  if (arguments.limit > 0 && questions.questions.size() > static_cast<size_t>(arguments.limit)) {
    questions.questions.resize(static_cast<size_t>(arguments.limit));
  }
  TEMPER_ASSIGN_OR_RETURN(const Answers baseline, ReadBaseline(arguments.baseline));
  if (arguments.graph.dir.empty()) arguments.graph.dir = "graph-runs/eval";
  if (arguments.model.empty()) {
    arguments.model = arguments.graph.file.substr(arguments.graph.file.rfind('/') + 1);
    arguments.model = arguments.model.substr(0, arguments.model.rfind(".json"));
  }
  if (arguments.judges.empty()) {
    arguments.judges = JoinPath(Dirname(arguments.graph.file), "judges");
  }
  Answers answers;
  for (size_t turn = 0;; ++turn) {
    TEMPER_ASSIGN_OR_RETURN(const bool more,
                            AnswerTurn(arguments, questions, turn, arguments.model, stop, answers));
    if (!more) break;
  }
  std::vector<json> records;
  std::vector<agents::EvalAnswer> given;
  for (const agents::EvalQuestion& question : questions.questions) {
    const auto answer = answers.find(question.id);
    if (answer == answers.end()) continue;
    records.push_back(agents::AnswerRecord(questions.format, question, answer->second));
    given.push_back(answer->second);
  }
  const std::string answer_file = absl::StrCat(
      arguments.graph.dir, "/model_answer/", ModelFile(arguments.model), Ending(questions.format));
  TEMPER_RETURN_IF_ERROR(MakeDirectories(std::string(Dirname(answer_file))));
  TEMPER_RETURN_IF_ERROR(
      WriteFileAtomically(answer_file, agents::AnswerFile(questions.format, records)));
  std::fprintf(stderr, "%s: %zu answers\n", answer_file.c_str(), records.size());
  if (arguments.answers_only) return absl::OkStatus();

  std::vector<std::pair<std::string, agents::JudgeTask>> tasks;
  std::vector<std::pair<const agents::EvalQuestion*, size_t>> spans;  // question, tasks of it
  for (const agents::EvalQuestion& question : questions.questions) {
    const auto answer = answers.find(question.id);
    if (answer == answers.end()) continue;
    const auto other = baseline.find(question.id);
    TEMPER_ASSIGN_OR_RETURN(
        std::vector<agents::JudgeTask> own,
        agents::JudgeTasksOf(questions.format, question, answer->second,
                             other == baseline.end() ? nullptr : &other->second));
    spans.emplace_back(&question, own.size());
    for (agents::JudgeTask& task : own) {
      const std::string id = absl::StrCat(question.id, ".", task.turn);
      tasks.emplace_back(id, std::move(task));
    }
  }
  std::string judge;
  TEMPER_ASSIGN_OR_RETURN(const auto replies, Judge(arguments, tasks, stop, judge));
  std::vector<json> judgements;
  int64_t invalid = 0;
  size_t at = 0;
  for (const auto& [question, count] : spans) {
    std::vector<agents::JudgeTask> own;
    std::vector<std::optional<agents::JudgeReply>> own_replies;
    for (size_t i = 0; i < count; ++i, ++at) {
      own.push_back(tasks[at].second);
      own_replies.push_back(replies[at]);
    }
    const auto other = baseline.find(question->id);
    agents::JudgedRecords judged =
        agents::RecordsOf(questions.format,
                          {.question = *question,
                           .candidate = answers.at(question->id),
                           .baseline = other == baseline.end() ? nullptr : &other->second,
                           .judge = judge,
                           .tstamp = static_cast<double>(absl::ToUnixMillis(absl::Now())) / 1000},
                          own, own_replies);
    invalid += judged.invalid;
    for (const std::string& problem : judged.problems) {
      std::fprintf(stderr, "temper: question %s: %s\n", question->id.c_str(), problem.c_str());
    }
    for (json& record : judged.records) judgements.push_back(std::move(record));
  }
  const std::string judged_file =
      absl::StrCat(arguments.graph.dir, "/model_judgment/", ModelFile(judge), "/",
                   ModelFile(arguments.model), Ending(questions.format));
  const std::string judged_text = agents::JudgementFile(questions.format, judgements);
  TEMPER_RETURN_IF_ERROR(MakeDirectories(std::string(Dirname(judged_file))));
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(judged_file, judged_text));
  std::fprintf(stderr, "%s: %zu judgements, %lld replies invalid\n", judged_file.c_str(),
               judgements.size(), static_cast<long long>(invalid));
  agents::EvalScoreOptions options;
  options.model = arguments.model;
  options.arena.bootstrap = {.resamples = arguments.resamples, .seed = arguments.graph.seed};
  if (arguments.battles) options.arena.unit = agents::ArenaScoreOptions::Unit::kBattles;
  options.bootstrap = options.arena.bootstrap;
  options.length_margin = arguments.length_margin;
  TEMPER_ASSIGN_OR_RETURN(options.alpaca, ReadTables(arguments));
  if (!baseline.empty()) options.reference = baseline.begin()->second.model;
  TEMPER_ASSIGN_OR_RETURN(std::vector<agents::ScoreRow> rows,
                          agents::ScoreJudgements(questions.format, judged_text, judged_file,
                                                  questions.questions, given, options));
  if (!baseline.empty() && (questions.format == agents::EvalFormat::kArenaHardV01 ||
                            questions.format == agents::EvalFormat::kArenaHardV2)) {
    auto styled =
        StyleRows(judged_text, judged_file, arguments.model, given, baseline, options.bootstrap);
    // Too few battles for five numbers: told, and the plain rate stands.
    if (!styled.ok()) {
      std::fprintf(stderr, "temper: no style control: %s\n",
                   std::string(styled.status().message()).c_str());
    } else {
      rows.insert(rows.end(), styled->begin(), styled->end());
    }
  }
  if (arguments.graph.json) {
    std::printf("%s\n", agents::ToJson(rows).dump().c_str());
  } else {
    std::printf("%s", agents::ToMarkdown(rows).c_str());
  }
  return absl::OkStatus();
}

}  // namespace

void AddGraphEval(CLI::App& group, Chosen& chosen) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* verb = group.add_subcommand(
      "eval",
      "Answers a benchmark's questions with a graph, has them judged, and scores\n"
      "Arena-Hard v0.1 and v2, MT-Bench, AlpacaEval, WildBench, HelpSteer3: files as published\n"
      "Example: temper graph eval examples/graphs/feedback_edit.json --questions question.jsonl "
      "\\\n"
      "           --baseline model_answer/o3-mini.jsonl --endpoints endpoints.json --dir arena");
  AddGraphOptions(*verb, arguments->graph);
  verb->add_option("--questions", arguments->questions, "The benchmark's file of questions")
      ->required();
  verb->add_option("--format", arguments->format,
                   "Of the questions; default: told by the keys of the first record");
  verb->add_option("--model", arguments->model,
                   "What the files call the graph; default: the graph file's name");
  verb->add_option("--baseline", arguments->baseline,
                   "Another model's answers, where the benchmark compares");
  verb->add_option("--judges", arguments->judges,
                   "The folder of judges' graphs; default: judges/ beside the graph");
  verb->add_option("--limit", arguments->limit, "Only the first questions");
  verb->add_option("--resamples", arguments->resamples, "Of the bootstrap")->capture_default_str();
  verb->add_flag("--battles", arguments->battles,
                 "Arena-Hard: resample battles, as its own scripts do, instead of questions");
  verb->add_option("--length-margin", arguments->length_margin,
                   "WildBench's pairs: a slight win by so many characters more is a tie");
  verb->add_option("--difficulty", arguments->difficulty,
                   "AlpacaEval's instruction_difficulty.csv, for its length control");
  verb->add_option("--gamed", arguments->gamed, "AlpacaEval's df_gamed.csv, likewise");
  verb->add_flag("--answers-only", arguments->answers_only, "Write the answers; judge nothing");
  verb->callback([arguments, &chosen] {
    chosen = [arguments] {
      const absl::Status status = Evaluate(*arguments);
      return status.ok() ? kDone : ReportGraph(status);
    };
  });
}

}  // namespace temper::cli
