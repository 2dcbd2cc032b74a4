// Text for `show`, `list`, `waits` and `workers`.
#include "orchestrator/cli/run_text.h"

#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/progress.h"
#include "orchestrator/state_word.h"

namespace temper::cli {
namespace {

std::string PolicyWord(v1::WaitPolicy policy) {
  switch (policy) {
    case v1::WAIT_POLICY_RETRY:
      return "retry";
    case v1::WAIT_POLICY_DROP:
      return "drop";
    case v1::WAIT_POLICY_FAIL:
      return "fail";
    case v1::WAIT_POLICY_IDLE:
      return "idle";
    default:
      return "-";
  }
}

std::string Fact(const char* name, const std::string& text) {
  return absl::StrFormat("%-12s %s\n", name, text);
}

std::string SettingsText(const v1::RunSpec& spec) {
  std::string text = absl::StrFormat(
      "learning_rate %g, kl %g, clip_low %g, clip_high %g, temperature %g, max_tokens %d, "
      "group_size %d, staleness %d",
      spec.learning_rate(), spec.kl(), spec.clip_low(), spec.clip_high(), spec.temperature(),
      spec.max_tokens(), spec.group_size(), spec.staleness());
  if (spec.has_evaluate()) absl::StrAppend(&text, ", evaluate.every ", spec.evaluate().every());
  const std::map<std::string, double> mixture(spec.dataset().mixture().begin(),
                                              spec.dataset().mixture().end());
  for (const auto& [task, share] : mixture) {
    absl::StrAppend(&text, ", mixture.", Printable(task), " ", share);
  }
  return text;
}

std::string Indented(const std::string& text) {
  std::string indented;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    absl::StrAppend(&indented, "  ", text.substr(at, end - at), "\n");
    at = end + 1;
  }
  return indented;
}

std::string CheckpointsText(const v1::GetResponse& run) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::CheckpointKept& kept : run.checkpoints()) {
    rows.push_back({kept.step() > 0 ? absl::StrCat(kept.step()) : "warm start",
                    absl::StrCat(kept.version()),
                    kept.sha256().empty() ? "-" : Printable(kept.sha256().substr(0, 12)),
                    Printable(kept.path())});
  }
  return Table({">step", ">version", "sha256", "folder"}, rows);
}

std::string AlterationsText(const RunHistory& history) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::RunEvent& event : history.alterations) {
    rows.push_back(
        {absl::StrCat(event.altered().from_step()), DateAndTime(event.time_ms()),
         event.who().empty() ? "-" : Printable(event.who()),
         absl::StrCat(ChangesText(event.altered()), event.altered().reason().empty() ? "" : "; ",
                      Printable(event.altered().reason()))});
  }
  return Table({">from step", "when", "who", "change"}, rows);
}

void AppendSection(std::string& text, const char* title, const std::string& body) {
  if (!body.empty()) absl::StrAppend(&text, "\n", title, "\n", Indented(body));
}

}  // namespace

std::string StateWord(v1::RunState state, bool live) {
  const bool under_way = state == v1::RUN_STATE_UNSPECIFIED || state == v1::RUN_STATE_RUNNING ||
                         state == v1::RUN_STATE_DRAINING;
  if (under_way && !live) return "interrupted";
  return orchestrator::StateWord(state == v1::RUN_STATE_UNSPECIFIED ? v1::RUN_STATE_RUNNING
                                                                    : state);
}

std::string RoleWord(v1::Role role) {
  switch (role) {
    case v1::ROLE_ROLLOUT:
      return "rollout";
    case v1::ROLE_REWARD:
      return "reward";
    case v1::ROLE_LEARNER:
      return "learner";
    default:
      return "-";
  }
}

std::string StepText(const v1::GetResponse& run) {
  const int64_t warm = run.warm_start_steps();
  if (run.step() < warm) return absl::StrFormat("warm start %d of %d", run.step(), warm);
  return absl::StrFormat("step %d of %d", run.step() - warm, run.steps() - warm);
}

std::string ChangesText(const v1::Altered& altered) {
  std::vector<std::string> changes;
  for (const v1::FieldChange& change : altered.changes()) {
    changes.push_back(absl::StrCat(Printable(change.field()), " ", Printable(change.before()),
                                   " -> ", Printable(change.after())));
  }
  return absl::StrJoin(changes, ", ");
}

void RunHistory::On(const v1::RunEvent& event) {
  if (event.has_altered()) alterations.push_back(event);
  if (event.has_forked()) forks.push_back(event);
}

std::string RunText(const v1::GetResponse& run, const RunHistory& history, bool live) {
  std::string text = Fact("run", Printable(run.name()));
  absl::StrAppend(&text, Fact("state", absl::StrCat(StateWord(run.state(), live),
                                                    run.reason().empty() ? "" : ": ",
                                                    Printable(run.reason()))));
  absl::StrAppend(&text, Fact("progress", StepText(run)));
  if (run.has_last() && run.step() > 0) {
    const orchestrator::Progress words(run.spec(), orchestrator::Progress::Style::kLines, stdout);
    absl::StrAppend(&text, Fact("last", words.StepLine(run.last())));
  }
  absl::StrAppend(&text, Fact("settings", SettingsText(run.spec())));
  if (run.created_ms() > 0) absl::StrAppend(&text, Fact("created", DateAndTime(run.created_ms())));
  if (!run.parent().empty()) {
    absl::StrAppend(&text, Fact("parent", absl::StrCat(Printable(run.parent()), " at step ",
                                                       run.parent_step())));
  }
  for (const v1::RunEvent& fork : history.forks) {
    absl::StrAppend(&text, Fact("fork", absl::StrCat(Printable(fork.forked().run()), " at step ",
                                                     fork.forked().step())));
  }
  absl::StrAppend(&text, Fact("folder", Printable(run.dir())));
  if (run.quarantined_size() > 0) {
    std::vector<std::string> ids;
    for (const std::string& id : run.quarantined()) ids.push_back(Printable(id));
    absl::StrAppend(&text, Fact("quarantined", absl::StrJoin(ids, ", ")));
  }
  if (!history.alterations.empty()) AppendSection(text, "alterations", AlterationsText(history));
  if (run.checkpoints_size() > 0) AppendSection(text, "checkpoints", CheckpointsText(run));
  AppendSection(text, "workers", WorkersTable(run.workers(), true));
  AppendSection(text, "waits", WaitsTable(run.waits()));
  return text;
}

std::string RunsTable(std::span<const RunRow> rows) {
  std::vector<std::vector<std::string>> cells;
  for (const auto& [run, live] : rows) {
    const bool policy = run.step() > run.warm_start_steps();
    cells.push_back(
        {Printable(run.name()), StateWord(run.state(), live), StepText(run),
         policy ? absl::StrFormat("%.3f", run.last().reward_mean()) : "-",
         run.created_ms() > 0 ? DateAndTime(run.created_ms()) : "-",
         run.parent().empty() ? "-" : absl::StrCat(Printable(run.parent()), "@", run.parent_step()),
         Printable(run.dir())});
  }
  return Table({"run", "state", "progress", ">reward", "created", "parent", "folder"}, cells);
}

std::string WaitsTable(const google::protobuf::RepeatedPtrField<v1::Wait>& waits) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Wait& wait : waits) {
    rows.push_back({DurationText(wait.age_seconds()),
                    wait.deadline_seconds() > 0 ? DurationText(wait.deadline_seconds()) : "-",
                    PolicyWord(wait.policy()), Printable(wait.owner()), Printable(wait.name())});
  }
  if (rows.empty()) return "";
  return Table({">age", ">deadline", "then", "owner", "waits for"}, rows);
}

std::string WorkersTable(const google::protobuf::RepeatedPtrField<v1::Worker>& workers,
                         bool of_one_run) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Worker& worker : workers) {
    std::string state = worker.connected() ? "connected" : "lost";
    if (worker.cordoned()) {
      state = worker.cordon_reason().empty()
                  ? "cordoned"
                  : absl::StrCat("cordoned: ", Printable(worker.cordon_reason()));
    }
    std::vector<std::string> row = {Printable(worker.name()), RoleWord(worker.role()), state,
                                    absl::StrCat(worker.pid()), absl::StrCat(worker.restarts())};
    if (of_one_run) {
      row.push_back(worker.version() < 0 ? "-" : absl::StrCat(worker.version()));
      row.push_back(absl::StrCat(worker.samples_out()));
    } else {
      std::vector<std::string> runs;
      for (const std::string& run : worker.runs()) runs.push_back(Printable(run));
      row.push_back(runs.empty() ? "-" : absl::StrJoin(runs, ","));
      row.push_back(DurationText(worker.silent_seconds()));
      row.push_back(absl::StrCat(Printable(worker.capabilities().device()), ", ",
                                 worker.capabilities().threads(), " threads, ",
                                 BytesText(worker.capabilities().memory_bytes())));
    }
    row.push_back(Printable(worker.address()));
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return "";
  if (of_one_run) {
    return Table({"name", "role", "state", ">pid", ">restarts", ">version", ">out", "address"},
                 rows);
  }
  return Table(
      {"name", "role", "state", ">pid", ">restarts", "runs", ">silent", "device", "address"}, rows);
}

}  // namespace temper::cli
