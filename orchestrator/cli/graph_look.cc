// `temper graph events`, `report` and `answer`: what a folder of executions holds, and what it
// asks.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agents/run/report.h"
#include "agents/run/store.h"
#include "agents/run/world.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph.h"
#include "orchestrator/cli/screen_text.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr int64_t kEventsAtOnce = 4096;

absl::Status PrintEvents(const std::string& dir, int64_t after) {
  TEMPER_ASSIGN_OR_RETURN(const auto store, agents::GraphStore::OpenReadOnly(dir + "/results.db"));
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const std::vector<agents::StoreEvent> events,
                            store->Events(after, kEventsAtOnce));
    if (events.empty()) return absl::OkStatus();
    for (const agents::StoreEvent& one : events) {
      json line = {{"sequence", one.sequence},
                   {"time_ms", one.time_ms},
                   {"execution", one.execution},
                   {"kind", one.kind}};
      if (!one.path.empty()) line["node"] = one.path;
      if (!one.lineage.empty()) line["lineage"] = one.lineage;
      if (!one.path.empty()) line["sample"] = one.sample;
      if (!one.detail.empty()) line["detail"] = one.detail;
      std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
      after = one.sequence;
    }
  }
}

absl::Status PrintReport(const std::string& dir, bool as_json) {
  TEMPER_ASSIGN_OR_RETURN(const auto store, agents::GraphStore::OpenReadOnly(dir + "/results.db"));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<agents::RecordedExecution> executions,
                          store->Executions());
  TEMPER_ASSIGN_OR_RETURN(const auto usage, store->Usage(-1));
  TEMPER_ASSIGN_OR_RETURN(const int64_t results, store->Results());
  std::map<std::string, int64_t> outcomes;
  for (const agents::RecordedExecution& one : executions) {
    ++outcomes[one.outcome.empty() ? "open" : one.outcome];
  }
  if (as_json) {
    json report = agents::ReportJson({}, usage);
    report.erase("nodes");
    report["results"] = results;
    report["outcomes"] = outcomes;
    std::printf("%s\n", report.dump().c_str());
    return absl::OkStatus();
  }
  std::printf("%zu executions, %lld results\n", executions.size(), static_cast<long long>(results));
  for (const auto& [outcome, count] : outcomes) {
    std::printf("  %-18s %lld\n", outcome.c_str(), static_cast<long long>(count));
  }
  std::printf("%s", agents::ReportText({}, usage).c_str());
  return absl::OkStatus();
}

// Without a key: what is asked and not answered.
absl::Status Answer(const std::string& dir, const std::string& key, const std::string& text) {
  const std::string asks = dir + "/asks";
  if (key.empty()) {
    std::error_code error;
    int open = 0;
    for (const auto& file : std::filesystem::directory_iterator(asks, error)) {
      const std::string name = file.path().stem();
      if (Exists(agents::AnswerPath(dir, name))) continue;
      TEMPER_ASSIGN_OR_RETURN(const std::string asked, ReadFile(file.path()));
      const json question = json::parse(asked, nullptr, /*allow_exceptions=*/false);
      std::printf(
          "%s  %s\n", name.c_str(),
          Printable(question.is_object() ? question.value("inputs", json())
                                               .dump(-1, ' ', false, json::error_handler_t::replace)
                                         : asked)
              .c_str());
      ++open;
    }
    if (open == 0) std::printf("%s asks nothing\n", dir.c_str());
    return absl::OkStatus();
  }
  if (key.find_first_not_of("0123456789abcdef") != std::string::npos ||
      !Exists(absl::StrCat(asks, "/", key, ".json"))) {
    return absl::NotFoundError(absl::StrCat(dir, " asks no question \"", key,
                                            "\"; temper graph answer ", dir, " lists them"));
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(dir + "/answers"));
  return WriteFileAtomically(agents::AnswerPath(dir, key), text);
}

struct LookArguments {
  std::string dir, key, text;
  int64_t after = 0;
  bool json = false;
};

}  // namespace

void AddGraphLook(CLI::App& group, Chosen& chosen) {
  auto arguments = std::make_shared<LookArguments>();
  CLI::App* events =
      group.add_subcommand("events",
                           "What happened in a folder, as JSON lines with sequence numbers\n"
                           "Example: temper graph events graph-runs/feedback_edit --after 100");
  events->add_option("dir", arguments->dir, "The folder of the executions")->required();
  events->add_option("--after", arguments->after, "Only events after this sequence number");
  events->callback([arguments, &chosen] {
    chosen = [arguments] { return Report(PrintEvents(arguments->dir, arguments->after)); };
  });

  auto looked = std::make_shared<LookArguments>();
  CLI::App* report = group.add_subcommand("report",
                                          "Executions, results and costs of a folder\n"
                                          "Example: temper graph report graph-runs/feedback_edit");
  report->add_option("dir", looked->dir, "The folder of the executions")->required();
  report->add_flag("--json", looked->json, "Print one JSON document");
  report->callback([looked, &chosen] {
    chosen = [looked] { return cli::Report(PrintReport(looked->dir, looked->json)); };
  });

  auto answered = std::make_shared<LookArguments>();
  CLI::App* answer = group.add_subcommand(
      "answer",
      "Questions of a graph to people (`ask` nodes): lists them, or answers one\n"
      "Example: temper graph answer graph-runs/review 9f86d081884c7d65 'yes'");
  answer->add_option("dir", answered->dir, "The folder of the executions")->required();
  answer->add_option("key", answered->key, "Which question; default: they are listed");
  answer->add_option("text", answered->text, "The answer: JSON, or text");
  answer->callback([answered, &chosen] {
    chosen = [answered] {
      return cli::Report(Answer(answered->dir, answered->key, answered->text));
    };
  });
}

}  // namespace temper::cli
