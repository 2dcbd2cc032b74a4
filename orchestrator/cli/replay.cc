// `temper replay`: redoes a step and compares bits; by the controller that has the run, or here
// from its folder.
#include "orchestrator/cli/replay.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/replay_report.h"
#include "orchestrator/cli/screen_text.h"

namespace temper::cli {
namespace {

struct ReplayOptions {
  ClientOptions client;
  std::string run;
  int64_t step = 0;
  bool json = false;
};

// One line that is rewritten on a terminal; elsewhere a line for each new thing, and each 10 s.
class ReplayProgressLine {
 public:
  void Show(const v1::ReplayProgress& progress) {
    const std::string what = Printable(progress.what());
    const std::string line = absl::StrCat(what, "  ", progress.done(), " of ", progress.total());
    if (line == last_) return;
    const absl::Time now = absl::Now();
    if (!terminal_ && what == what_ && now - shown_ < kPlainPause) return;
    last_ = line;
    what_ = what;
    shown_ = now;
    std::fprintf(stderr, terminal_ ? "\r\x1b[K%s" : "%s\n", line.c_str());
    std::fflush(stderr);
  }
  void End() {
    if (terminal_ && !last_.empty()) std::fprintf(stderr, "\r\x1b[K");
    last_.clear();
  }

 private:
  static constexpr absl::Duration kPlainPause = absl::Seconds(10);
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  std::string last_;
  std::string what_;
  absl::Time shown_;
};

int PrintReport(const ReplayOptions& options, const v1::ReplayReport& report) {
  if (options.json) {
    PrintJson(report);
  } else {
    std::fputs(ReplayText(report).c_str(), stdout);
  }
  return report.equal() ? kDone : kFailed;
}

int Replay(const ReplayOptions& options, OfflineReplay offline) {
  ReplayProgressLine line;
  const auto show = [&line](const v1::ReplayProgress& progress) { line.Show(progress); };
  const Target target = FindTarget(options.client, options.run);
  auto connection = Connect(options.client, target);
  absl::StatusOr<v1::ReplayReport> report =
      connection.ok()
          ? connection->client->Replay(connection->run, options.step, StopOnSignals(), show)
          : absl::StatusOr<v1::ReplayReport>(connection.status());
  const bool nobody_has_it =
      !connection.ok() || absl::IsUnavailable(report.status()) || absl::IsNotFound(report.status());
  if (!report.ok() && nobody_has_it && offline != nullptr && !target.dir.empty()) {
    report = offline(target.dir, options.step, StopOnSignals(), show);
  }
  line.End();
  return report.ok() ? PrintReport(options, *report) : Report(report.status());
}

}  // namespace

void AddReplay(CLI::App& program, Chosen& chosen, OfflineReplay offline) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App* verb = program.add_subcommand(
      "replay",
      "Redoes a step from the ledger, beside the run, and compares tokens, log-probabilities,\n"
      "rewards, advantages and weights bit by bit; exit code 1 when something differs\n"
      "Example: temper replay arithmetic --step 12");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_option("--step", options->step, "The policy step, counted from 1")
      ->required()
      ->check(CLI::PositiveNumber);
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, offline, &chosen] {
    chosen = [options, offline] { return Replay(*options, offline); };
  });
}

}  // namespace temper::cli
