// `temper eval`: how well a model, or a server, solves a file of tasks; with intervals.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/eval_options.h"
#include "orchestrator/cli/eval_progress.h"
#include "orchestrator/cli/eval_run.h"
#include "orchestrator/cli/scorer_options.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/verifier_part.h"
#include "orchestrator/eval/question.h"
#include "orchestrator/eval/record.h"
#include "orchestrator/eval/report.h"
#include "orchestrator/eval/task_file.h"
#include "reward/answer_extractor.h"
#include "reward/answer_verifier.h"
#include "reward/registry.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

absl::StatusOr<std::unique_ptr<EndpointSource>> OpenEndpoint(EvalArguments& arguments,
                                                             const StopToken& stop) {
  EndpointSource::Options options = arguments.endpoint;
  options.client.url = arguments.model;
  options.client.stop = &stop;
  options.timeout = absl::Seconds(arguments.timeout_seconds);
  if (!arguments.api_key_env.empty()) {
    const char* key = std::getenv(arguments.api_key_env.c_str());
    if (key == nullptr || key[0] == '\0') {
      return absl::InvalidArgumentError(
          absl::StrCat("--api-key-env: the environment has no ", arguments.api_key_env));
    }
    options.client.api_key = key;
  }
  return EndpointSource::Create(std::move(options));
}

// Who answers, and how that is told from others.
struct Answering {
  std::unique_ptr<SampleSource> source;
  json identity;
  bool chat_possible = true;
};

absl::StatusOr<Answering> OpenSource(EvalArguments& arguments, const StopToken& stop) {
  Answering answering;
  if (arguments.has_endpoint()) {
    answering.identity = {{"server_model", arguments.endpoint.model}};
    TEMPER_ASSIGN_OR_RETURN(answering.source, OpenEndpoint(arguments, stop));
    return answering;
  }
  arguments.engine.folder = arguments.model;
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<EngineSource> engine,
                          EngineSource::Open(arguments.engine));
  TEMPER_ASSIGN_OR_RETURN(const std::string digest, engine->Digest());
  answering.identity = {{"model_digest", digest}, {"dtype", arguments.engine.dtype}};
  answering.chat_possible = engine->has_chat_template();
  answering.source = std::move(engine);
  return answering;
}

absl::StatusOr<bool> ChooseChat(const EvalArguments& arguments, bool possible, bool published) {
  if (arguments.chat == "on" && !possible) {
    return absl::InvalidArgumentError(
        absl::StrCat("--chat: on, but ", arguments.model, " has no chat template"));
  }
  if (arguments.chat != "auto") return arguments.chat == "on";
  return possible && published;
}

// The verifier; of instructions the loose reading too, with no weight, for its accuracies.
absl::StatusOr<temper::v1::Rubric> MakeRubric(const EvalArguments& arguments,
                                              const eval::TaskFormat& format) {
  temper::v1::Rubric rubric;
  const std::string verifier = arguments.verifier.empty() ? format.verifier : arguments.verifier;
  TEMPER_ASSIGN_OR_RETURN(*rubric.add_parts(), ReadVerifierPart(verifier, arguments.config));
  if (verifier == "instruction" && arguments.config.empty()) {
    TEMPER_RETURN_IF_ERROR(ParseJsonConfig(
        R"({"verifier": "instruction", "name": "loose", "weight": 0,
            "instruction": {"mode": "loose"}})",
        "loose instructions", *rubric.add_parts()));
  }
  return rubric;
}

// What the answers depend on: a folder of samples serves no other.
json SettingsOf(const EvalArguments& arguments, const eval::TaskFile& file,
                const eval::Asking& asking, const temper::v1::Rubric& rubric,
                const json& identity) {
  json settings = {{"written_by", "temper eval"},
                   {"settings_version", 1},
                   {"tasks_digest", file.digest},
                   {"format", file.format->name}};
  settings.update(identity);
  settings["chat"] = asking.chat;
  settings["template"] = asking.prompt_template;
  settings["thinking"] = asking.thinking;
  settings["stop"] = asking.stop;
  settings["temperature"] = arguments.drawing.temperature;
  settings["top_p"] = arguments.drawing.top_p;
  settings["max_tokens"] = arguments.drawing.max_tokens;
  settings["seed"] = arguments.drawing.seed;
  settings["rubric"] = json::parse(ToJson(rubric), nullptr, false);
  json versions = json::object();
  for (const temper::v1::RubricPart& part : rubric.parts()) {
    versions[part.verifier()] = reward::KindOf(part.verifier())->version;
  }
  settings["verifier_versions"] = std::move(versions);
  return settings;
}

std::string TasksAsAsked(const eval::TaskFile& file, const eval::Asking& asking) {
  std::string lines;
  for (const eval::Task& task : file.tasks) {
    const eval::Question question = eval::Ask(task, asking);
    json line = {{"task", task.id}};
    if (question.chat_json.empty()) {
      line["text"] = question.text;
    } else {
      line["chat"] = json::parse(question.chat_json, nullptr, false);
    }
    line["gold"] = task.gold;
    if (!task.option_order.empty()) line["option_order"] = task.option_order;
    for (const auto& [axis, name] : task.categories) line["categories"][axis] = name;
    absl::StrAppend(&lines, eval::Dump(line), "\n");
  }
  return lines;
}

std::string Headline(const EvalArguments& arguments, const eval::TaskFile& file,
                     const temper::v1::Rubric& rubric) {
  const std::string& model = arguments.has_endpoint() ? arguments.endpoint.model : arguments.model;
  return absl::StrCat("**", model, "** on ", arguments.tasks, " (", file.format->name, ", ",
                      file.tasks.size(), " problems; verifier ", rubric.parts(0).verifier(), "; ",
                      arguments.report.samples,
                      arguments.report.samples == 1 ? " sample" : " samples",
                      " of each at temperature ", arguments.drawing.temperature, ")");
}

absl::Status PrintReport(const EvalArguments& arguments, const eval::TaskFile& file,
                         const temper::v1::Rubric& rubric, const eval::Report& report) {
  const std::string text =
      eval::ToMarkdown(report, arguments.report, Headline(arguments, file, rubric));
  json document = {{"model", arguments.has_endpoint() ? arguments.endpoint.model : arguments.model},
                   {"tasks", arguments.tasks},
                   {"format", file.format->name},
                   {"verifier", rubric.parts(0).verifier()},
                   {"samples", arguments.report.samples},
                   {"temperature", arguments.drawing.temperature},
                   {"max_tokens", arguments.drawing.max_tokens},
                   {"seed", arguments.drawing.seed}};
  eval::AddToJson(report, arguments.report, document);
  std::printf("%s", arguments.json ? (eval::Dump(document) + "\n").c_str() : text.c_str());
  std::fflush(stdout);
  if (arguments.out.empty()) return absl::OkStatus();
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(arguments.out, "report.md"), text));
  return WriteFileAtomically(JoinPath(arguments.out, "report.json"),
                             document.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

// Our failures are no answers, and whoever reads the number should know.
absl::Status Outcome(const eval::Report& report, const std::vector<eval::Sample>& samples) {
  for (const eval::Sample& sample : samples) {
    if (!sample.invalid.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("task \"", sample.task, "\" cannot be judged: ", sample.invalid));
    }
  }
  for (const eval::Sample& sample : samples) {
    if (sample.internal_error.empty()) continue;
    return absl::InternalError(absl::StrCat(report.internal_errors,
                                            " samples have no score; the first: task \"",
                                            sample.task, "\": ", sample.internal_error));
  }
  return absl::OkStatus();
}

absl::StatusOr<eval::TaskFile> ReadTasks(const EvalArguments& arguments) {
  return eval::ReadTaskFile(
      arguments.tasks,
      {.format = arguments.format, .seed = arguments.drawing.seed, .limit = arguments.limit});
}

// Everything that is known before the first response.
struct Prepared {
  eval::TaskFile file;
  temper::v1::Rubric rubric;
  Answering answering;
  eval::Asking asking;
  // Where the verifier finds final answers; none: it reads none, so nobody votes.
  std::optional<reward::AnswerExtractor> extractor;
};

absl::StatusOr<Prepared> Prepare(EvalArguments& arguments, const StopToken& stop) {
  Prepared prepared;
  TEMPER_ASSIGN_OR_RETURN(prepared.file, ReadTasks(arguments));
  const eval::TaskFormat& format = *prepared.file.format;
  TEMPER_ASSIGN_OR_RETURN(prepared.rubric, MakeRubric(arguments, format));
  TEMPER_ASSIGN_OR_RETURN(prepared.answering, OpenSource(arguments, stop));
  TEMPER_ASSIGN_OR_RETURN(const bool chat, ChooseChat(arguments, prepared.answering.chat_possible,
                                                      format.read != nullptr));
  TEMPER_ASSIGN_OR_RETURN(prepared.asking, eval::HowToAsk(format, chat, arguments.prompt_template));
  eval::Asking& asking = prepared.asking;
  asking.thinking = arguments.thinking;
  asking.stop.insert(asking.stop.end(), arguments.drawing.stop.begin(),
                     arguments.drawing.stop.end());
  arguments.drawing.stop = asking.stop;
  const temper::v1::RubricPart& judge = prepared.rubric.parts(0);
  TEMPER_ASSIGN_OR_RETURN(const reward::VerifierKind kind, reward::KindOf(judge.verifier()));
  arguments.report.votes = kind.final_answer;
  if (kind.final_answer) {
    TEMPER_ASSIGN_OR_RETURN(prepared.extractor,
                            reward::AnswerExtractor::Create(judge.extract(), judge.marker()));
  }
  return prepared;
}

EvalRun::Parts PartsOf(const EvalArguments& arguments, const Prepared& prepared,
                       reward::Scorer& scorer, const StopToken& stop) {
  EvalRun::Parts parts{.tasks = prepared.file.tasks,
                       .asking = prepared.asking,
                       .drawing = arguments.drawing,
                       .samples = arguments.report.samples,
                       .rubric = prepared.rubric,
                       .final_answer = nullptr,
                       .source = *prepared.answering.source,
                       .scorer = scorer,
                       .stop = stop};
  if (prepared.extractor.has_value()) {
    parts.final_answer = [&extractor = *prepared.extractor](const std::string& response) {
      reward::Extraction extraction = extractor.Extract(response);
      return extraction.found ? std::make_optional(std::move(extraction.answer)) : std::nullopt;
    };
  }
  return parts;
}

reward::Scorer::Options ScoringOptions(const EvalArguments& arguments) {
  reward::Scorer::Options options = ScorerOptions();
  if (arguments.processes > 0) {
    options.pool.compute_processes = options.pool.sandbox_processes = arguments.processes;
  }
  return options;
}

absl::Status Eval(EvalArguments arguments) {
  log::Start("eval", "error");
  TEMPER_RETURN_IF_ERROR(Complete(arguments));
  StopToken& stop = StopOnSignals();
  TEMPER_ASSIGN_OR_RETURN(const Prepared prepared, Prepare(arguments, stop));
  const auto& [file, rubric, answering, asking, extractor] = prepared;
  reward::Scorer scorer(ScoringOptions(arguments));
  EvalRun::Parts parts = PartsOf(arguments, prepared, scorer, stop);
  TEMPER_RETURN_IF_ERROR(EvalRun(parts).CheckTasks());
  std::unique_ptr<eval::SampleStore> store;
  if (!arguments.out.empty()) {
    TEMPER_ASSIGN_OR_RETURN(
        store, eval::SampleStore::Open(
                   arguments.out, SettingsOf(arguments, file, asking, rubric, answering.identity),
                   TasksAsAsked(file, asking)));
    parts.store = store.get();
  }
  EvalRun run(parts);
  {
    const SystemClock clock;
    EvalProgress progress(clock);
    TEMPER_RETURN_IF_ERROR(
        run.Run([&progress](int64_t done, int64_t right, int64_t errors, int64_t all) {
          progress.Show(done, right, errors, all);
        }));
  }
  const eval::Report report = eval::MakeReport(
      file.tasks, run.samples(), arguments.report, [](const std::string& a, const std::string& b) {
        return reward::CompareAnswers(a, b).verdict == reward::kEqual;
      });
  TEMPER_RETURN_IF_ERROR(PrintReport(arguments, file, rubric, report));
  return Outcome(report, run.samples());
}

int ListFormats() {
  const auto show = [](const eval::TaskFormat& format) {
    std::printf("%s\n  verifier  %s\n  chat      %s\n  plain     %s\n", format.name,
                format.verifier, eval::Dump(format.chat_template).c_str(),
                eval::Dump(format.plain_template).c_str());
  };
  for (const eval::TaskFormat& format : eval::PublishedFormats()) show(format);
  show(eval::OwnFormat());
  return kDone;
}

}  // namespace

void AddEval(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* verb = program.add_subcommand("eval", "Measure a model on a file of tasks");
  AddEvalOptions(*verb, *arguments);
  verb->footer(
      "Prints pass@1, pass@k and maj@k with bootstrap intervals, for all problems and by category. "
      "Failures of ours or of a server are no answers: they are left out and counted, and the exit "
      "code is 1. docs/evaluation.md.");
  verb->callback([arguments, &chosen] {
    if (arguments->list) {
      chosen = [] { return ListFormats(); };
      return;
    }
    if (arguments->model.empty()) throw CLI::RequiredError("MODEL");
    if (arguments->tasks.empty()) throw CLI::RequiredError("--tasks");
    chosen = [arguments] { return Report(Eval(*arguments)); };
  });
}

}  // namespace temper::cli
