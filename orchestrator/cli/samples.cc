// `temper samples`: what was asked, answered and scored, from the ledger of a run.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/sample_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

constexpr int kPageMax = 1024;
constexpr int kPageMaxWithTokens = 64;

struct SamplesOptions {
  ClientOptions client;
  std::string run;
  std::optional<int64_t> step;
  std::string prompt;
  std::optional<double> score_min;
  std::optional<double> score_max;
  bool evaluation = false;
  int64_t limit = 20;
  bool tokens = false;
  bool json = false;
};

v1::GetSamplesRequest Request(const SamplesOptions& options, const std::string& run) {
  v1::GetSamplesRequest request;
  request.set_run(run);
  if (options.step.has_value()) request.set_step(*options.step);
  request.set_prompt_id(options.prompt);
  if (options.score_min.has_value()) request.set_score_min(*options.score_min);
  if (options.score_max.has_value()) request.set_score_max(*options.score_max);
  request.set_evaluation(options.evaluation);
  request.set_with_tokens(options.tokens);
  return request;
}

int Samples(const SamplesOptions& options) {
  auto connection = Connect(options.client, options.run);
  if (!connection.ok()) return Report(connection.status());
  v1::GetSamplesRequest request = Request(options, connection->run);
  int64_t left = options.limit, shown = 0;
  do {
    request.set_limit(static_cast<int32_t>(
        std::min<int64_t>(left, options.tokens ? kPageMaxWithTokens : kPageMax)));
    const auto page = connection->client->GetSamples(request);
    if (!page.ok()) return Report(page.status());
    for (const v1::Sample& sample : page->samples()) {
      if (options.json) {
        PrintJson(sample);
      } else {
        std::printf("%s%s", shown > 0 ? "\n" : "", SampleText(sample).c_str());
      }
      ++shown;
      --left;
    }
    request.set_page_token(page->next_page_token());
  } while (left > 0 && !request.page_token().empty());
  if (shown == 0) {
    std::fprintf(stderr, "no such samples\n");
  } else if (!request.page_token().empty()) {
    std::fprintf(stderr, "the first %lld; --limit shows more\n", static_cast<long long>(shown));
  }
  return kDone;
}

}  // namespace

void AddSamples(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<SamplesOptions>();
  CLI::App* verb = program.add_subcommand(
      "samples",
      "Samples with their scores, from the ledger: what was asked, answered, paid and why\n"
      "Example: temper samples arithmetic --step 12 --score-max 0 --limit 5");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_option("--step", options->step,
                   "Of this policy step; of evaluations: the step after which it was made");
  verb->add_option("--prompt", options->prompt, "Of the prompt with this id");
  verb->add_option("--score-min", options->score_min, "Scored at least this");
  verb->add_option("--score-max", options->score_max, "Scored at most this");
  verb->add_flag("--evaluation", options->evaluation,
                 "Those of evaluations instead of those that are trained on");
  verb->add_option("--limit", options->limit, "At most so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_flag("--tokens", options->tokens, "With each token and its log-probability");
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON lines on stdout, one a sample");
  verb->callback([options, &chosen] { chosen = [options] { return Samples(*options); }; });
}

}  // namespace temper::cli
