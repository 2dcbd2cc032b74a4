// `temper fork` from a folder that no controller has open.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/json_config.h"
#include "orchestrator/cli/fork_offline.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct ForkArguments {
  OfflineFork wanted;
  bool json = false;
};

int Fork(const ForkArguments& arguments) {
  OfflineFork wanted = arguments.wanted;
  const auto dir = FindRunFolder(wanted.dir, "runs");
  if (!dir.ok()) return Report(dir.status());
  wanted.dir = *dir;
  const auto fork = ForkOffline(wanted);
  if (!fork.ok()) return Report(fork.status());
  if (arguments.json) {
    std::printf("%s\n", ToJson(fork->spec.spec, JsonStyle::kLine).c_str());
  } else {
    std::printf("%s begins after step %lld of %s; `temper run %s` goes on\n",
                fork->spec.spec.name().c_str(), static_cast<long long>(wanted.step),
                fork->origin.parent.c_str(), fork->dir.c_str());
  }
  return kDone;
}

}  // namespace

void AddFork(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<ForkArguments>();
  OfflineFork& wanted = arguments->wanted;
  CLI::App* verb = program.add_subcommand(
      "fork", "A new run with the weights and moments that another one had after a step");
  verb->add_option("run", wanted.dir, "Folder or name of the run")->required();
  verb->add_option("--at", wanted.step, "Its policy step; 0: before the first")
      ->required()
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--name", wanted.name, "The new run's name [RUN-at-STEP]");
  verb->add_option("--set", wanted.settings, "Change a field: --set a.b=value; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--root", wanted.root, "Where its folder goes [beside the run's]");
  verb->add_flag("--json", arguments->json, "Its spec as JSON on stdout");
  verb->callback([arguments, &chosen] { chosen = [arguments] { return Fork(*arguments); }; });
}

}  // namespace temper::cli
