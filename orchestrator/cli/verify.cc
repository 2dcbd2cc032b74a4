// `temper verify`: scores responses offline, as a run would; one line in, one line out.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "orchestrator/cli/scorer_options.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/verifier_part.h"
#include "orchestrator/cli/verify_lines.h"
#include "reward/registry.h"
#include "reward/scoring_client.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {
namespace {

struct VerifyArguments {
  std::string verifier;
  std::string config;
  std::string input;
  int processes = 0;
  bool list = false;
  bool json = true;
};

// Every line is checked before the first is judged.
absl::StatusOr<temper::v1::ScoreRequest> ReadRequest(const VerifyArguments& arguments,
                                                     std::vector<int>& numbers) {
  temper::v1::ScoreRequest request;
  TEMPER_ASSIGN_OR_RETURN(*request.mutable_rubric()->add_parts(),
                          ReadVerifierPart(arguments.verifier, arguments.config));
  TEMPER_ASSIGN_OR_RETURN(const reward::VerifierKind kind, reward::KindOf(arguments.verifier));
  TEMPER_ASSIGN_OR_RETURN(const std::string input, ReadFile(arguments.input));
  std::string_view rest = input;
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    TEMPER_ASSIGN_OR_RETURN(
        *request.add_items(),
        ParseVerifyLine(line, absl::StrCat(arguments.input, ":", number), kind.needs_gold));
    numbers.push_back(number);
  }
  return request;
}

absl::Status VerifyFile(const VerifyArguments& arguments) {
  log::Start("verify", "error");
  std::vector<int> numbers;
  TEMPER_ASSIGN_OR_RETURN(const temper::v1::ScoreRequest request, ReadRequest(arguments, numbers));
  reward::Scorer::Options options = ScorerOptions();
  if (arguments.processes > 0) {
    options.pool.compute_processes = options.pool.sandbox_processes = arguments.processes;
  }
  reward::Scorer scorer(options);
  std::map<std::string, int> verdicts;
  std::string first_invalid;
  const SystemClock clock;
  const absl::Duration began = clock.Uptime();
  TEMPER_RETURN_IF_ERROR(
      reward::ScoreAll(scorer, request, [&](int index, const temper::v1::ScoreResult& result) {
        std::printf("%s\n", ToVerifyLine(result).c_str());
        ++verdicts[VerdictOf(result)];
        if (first_invalid.empty() && !result.invalid().empty()) {
          first_invalid = absl::StrCat(arguments.input, ":", numbers[static_cast<size_t>(index)],
                                       ": ", result.invalid());
        }
      }));
  std::fflush(stdout);
  std::fprintf(stderr, "verify: %d lines in %.2f s: %s\n", request.items_size(),
               absl::ToDoubleSeconds(clock.Uptime() - began),
               absl::StrJoin(verdicts, ", ", [](std::string* out, const auto& verdict) {
                 absl::StrAppend(out, verdict.second, " ", verdict.first);
               }).c_str());
  if (!first_invalid.empty()) return absl::InvalidArgumentError(first_invalid);
  if (verdicts.contains("internal_error")) {
    return absl::InternalError(absl::StrCat(verdicts["internal_error"],
                                            " lines have no verdict: \"internal_error\" says why"));
  }
  return absl::OkStatus();
}

int List() {
  for (const std::string& name : reward::VerifierNames()) {
    std::printf("%-14s %s\n", name.c_str(), std::string(reward::PurposeOf(name)).c_str());
  }
  return kDone;
}

}  // namespace

void AddVerify(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* verb = program.add_subcommand("verify", "Score responses offline, as a run would");
  CLI::Option* list = verb->add_flag("--list", arguments->list, "Lists the verifiers and ends");
  CLI::Option* verifier =
      verb->add_option("--verifier", arguments->verifier, "One of --list (docs/verifiers.md)");
  verb->add_option(
      "--config", arguments->config,
      "JSON file with the verifier's settings, as in a part of a rubric: {\"extract\": "
      "\"boxed\"}, {\"math\": {...}}");
  verb->add_option("--input", arguments->input,
                   "JSON lines: {\"gold\", \"answer\"}, {\"gold\", \"response\"} or, where nothing "
                   "is compared with a gold answer, {\"response\" | \"code\", ...}; other keys "
                   "(\"tests\", \"schema\", ...) go to the verifier. /dev/stdin reads a pipe")
      ->needs(verifier);
  verb->add_option("--processes", arguments->processes,
                   "Verifiers at work at a time; 0: one a core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--json", arguments->json, "Changes nothing: the output is JSON lines anyway");
  verb->footer(
      "Prints {\"verdict\", \"score\": 0..1, \"reason\"} for each line, in the order of the lines; "
      "a "
      "failure of our own is \"internal_error\" and has no score. Verdicts by verifier: "
      "docs/verifiers.md.");
  verifier->excludes(list);
  verb->callback([arguments, &chosen] {
    if (arguments->list) {
      chosen = [] { return List(); };
      return;
    }
    if (arguments->verifier.empty()) throw CLI::RequiredError("--verifier");
    if (arguments->input.empty()) throw CLI::RequiredError("--input");
    chosen = [arguments] { return Report(VerifyFile(*arguments)); };
  });
}

}  // namespace temper::cli
