// `temper set`: alters a live run at its next step boundary.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "orchestrator/cli/alteration_words.h"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct SetOptions {
  ClientOptions client;
  std::string run;
  std::vector<std::string> words;
  std::string reason;
  bool json = false;
};

int Set(const SetOptions& options) {
  auto parsed = ParseAlteration(options.words);
  if (!parsed.ok()) return Report(parsed.status());
  auto connection = Connect(options.client, options.run);
  if (!connection.ok()) return Report(connection.status());
  if (!parsed->task_shares.empty()) {
    const auto run = connection->client->Get(connection->run);
    if (!run.ok()) return Report(run.status());
    if (run->spec().dataset().mixture().empty()) {
      std::fprintf(stderr,
                   "temper: no mixture was in force; tasks that are not named here are not drawn "
                   "any more\n");
    }
    LayOverMixture(run->spec(), *parsed);
  }
  v1::AlterRequest request;
  request.set_run(connection->run);
  request.set_reason(options.reason);
  *request.mutable_alteration() = parsed->alteration;
  const auto altered = connection->client->Alter(std::move(request));
  if (!altered.ok()) return Report(altered.status());
  if (options.json) {
    PrintJson(*altered);
    return kDone;
  }
  std::printf("from step %lld on:\n", static_cast<long long>(altered->from_step()));
  for (const v1::FieldChange& change : altered->changes()) {
    std::printf("  %-16s %s -> %s\n", Printable(change.field()).c_str(),
                Printable(change.before()).c_str(), Printable(change.after()).c_str());
  }
  return kDone;
}

}  // namespace

void AddSet(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<SetOptions>();
  CLI::App* verb = program.add_subcommand(
      "set",
      "Alters a live run at its next step boundary; who, when, old and new are recorded\n"
      "Keys: " +
          absl::StrJoin(AlterableKeys(), ", ") +
          "; clip is both of clip_low and\n"
          "clip_high, mixture.TASK one task's share of the prompts (0: none).\n"
          "Example: temper set arithmetic learning_rate=1e-4 temperature=0.9 clip_high=0.28");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_option("changes", options->words, "key=value, one or more")
      ->required()
      ->type_name("KEY=VALUE");
  verb->add_option("--reason", options->reason, "Why; kept in the run's event log");
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &chosen] { chosen = [options] { return Set(*options); }; });
}

}  // namespace temper::cli
