// `temper audit`: checks a run's ledger from the outside, without a controller.
#include "orchestrator/audit.h"

#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/ledger.h"

namespace temper::cli {
namespace {

struct AuditOptions {
  std::string dir;
  bool json = false;
};

void PrintCounts(const char* title, const std::map<std::string, int64_t>& counts) {
  std::printf("%-20s", title);
  for (const auto& [state, count] : counts) {
    std::printf("  %s %lld", state.c_str(), static_cast<long long>(count));
  }
  std::printf("\n");
}

void PrintText(const orchestrator::AuditReport& report) {
  PrintCounts("samples", report.samples);
  PrintCounts("evaluation samples", report.evaluation_samples);
  PrintCounts("recorded", {{"groups", report.groups},
                           {"groups dropped", report.groups_dropped},
                           {"steps", report.steps},
                           {"evaluations", report.evaluations},
                           {"checkpoints", report.checkpoints},
                           {"leases", report.leases},
                           {"late episodes", report.late},
                           {"events", report.events}});
  std::printf("%-20s  %s\n", "run", report.state.c_str());
  for (const std::string& violation : report.violations) {
    std::printf("BROKEN  %s\n", violation.c_str());
  }
  std::printf("%s\n", report.violations.empty() ? "audit: clean" : "audit: BROKEN");
}

void PrintJson(const orchestrator::AuditReport& report) {
  const nlohmann::ordered_json json = {{"samples", report.samples},
                                       {"evaluation_samples", report.evaluation_samples},
                                       {"groups", report.groups},
                                       {"groups_dropped", report.groups_dropped},
                                       {"steps", report.steps},
                                       {"evaluations", report.evaluations},
                                       {"checkpoints", report.checkpoints},
                                       {"leases", report.leases},
                                       {"late", report.late},
                                       {"events", report.events},
                                       {"state", report.state},
                                       {"violations", report.violations}};
  std::printf("%s\n", json.dump().c_str());
}

int Audit(const AuditOptions& options) {
  const auto dir = FindRunFolder(options.dir, "runs");
  if (!dir.ok()) return Report(dir.status());
  const auto ledger = orchestrator::Ledger::OpenReadOnly(JoinPath(*dir, "ledger.db"));
  if (!ledger.ok()) return Report(ledger.status());
  const auto report = orchestrator::Audit(**ledger);
  if (!report.ok()) {
    Report(report.status());
    return kFailed;
  }
  options.json ? PrintJson(*report) : PrintText(*report);
  return report->violations.empty() ? kDone : kFailed;
}

}  // namespace

void AddAudit(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<AuditOptions>();
  CLI::App* verb = program.add_subcommand(
      "audit", "Checks a run's ledger: counts per state; exit code 1 when an invariant is broken");
  verb->add_option("run", options->dir, "Folder or name of the run")->required();
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &chosen] { chosen = [options] { return Audit(*options); }; });
}

}  // namespace temper::cli
