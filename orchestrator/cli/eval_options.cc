// Options in groups: the tasks, how responses are drawn, who does the work, what is reported.
#include "orchestrator/cli/eval_options.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "orchestrator/cli/device_option.h"
#include "orchestrator/cli/dtype_option.h"

namespace temper::cli {
namespace {

void AddTaskOptions(CLI::App& verb, EvalArguments& arguments) {
  verb.add_option("--tasks", arguments.tasks,
                  "Problems: JSON lines (.jsonl, .jsonl.gz), a JSON list or CSV, as published")
      ->type_name("FILE");
  verb.add_option("--format", arguments.format, "One of --list; found by the keys when left out");
  verb.add_option("--limit", arguments.limit, "Only the first problems; 0: all")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--verifier", arguments.verifier,
                  "Who judges (temper verify --list); the format's own when left out");
  verb.add_option("--config", arguments.config, "JSON file with the verifier's settings");
  verb.add_option("--template", arguments.prompt_template,
                  "Text around each problem, {prompt} being its place; the format's own when left "
                  "out");
  verb.add_option(
          "--chat", arguments.chat,
          "Ask as a conversation: on, off, or auto: published formats where there is a chat "
          "template, lines of our own as they are written")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  verb.add_option("--thinking", arguments.thinking, "Open responses with thinking on or off")
      ->check(CLI::IsMember({"on", "off"}));
}

void AddDrawingOptions(CLI::App& verb, EvalArguments& arguments) {
  verb.add_option("-k", arguments.report.ks, "For pass@k and maj@k, e.g. 1,8")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("-n", arguments.report.samples, "Samples of each problem; the largest k when 0")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb.add_option("--temperature", arguments.drawing.temperature,
                  "0 is greedy; left out: 0 for one sample, 1 for several")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--top-p", arguments.drawing.top_p, "0 or 1: from all tokens")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  verb.add_option("--max-tokens", arguments.drawing.max_tokens, "Longest response, in tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--seed", arguments.drawing.seed,
                  "Of the draws, the order of options and the bootstrap")
      ->capture_default_str();
  verb.add_option("--stop", arguments.drawing.stop,
                  "End when the response contains this text (may be repeated)")
      ->allow_extra_args(false);
}

void AddMachineOptions(CLI::App& verb, EvalArguments& arguments) {
  verb.add_option("--threads", arguments.engine.threads, "DIR: threads; 0: all cores")
      ->capture_default_str();
  AddDtype(verb, arguments.engine.dtype);
  AddDevice(verb, arguments.engine.device);
  verb.add_option("--model", arguments.endpoint.model, "ENDPOINT: what the server calls its model");
  verb.add_option("--concurrency", arguments.endpoint.concurrency, "ENDPOINT: requests at a time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb.add_option("--timeout", arguments.timeout_seconds, "ENDPOINT: seconds for one request")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--attempts", arguments.endpoint.client.attempts_max,
                  "ENDPOINT: how often one request is tried before it is an internal error")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("--api-key-env", arguments.api_key_env,
                  "ENDPOINT: the environment variable that holds the key");
  verb.add_option("--processes", arguments.processes, "Verifiers at work at a time; 0: one a core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void AddReportOptions(CLI::App& verb, EvalArguments& arguments) {
  verb.add_option("--out", arguments.out,
                  "Folder that keeps every sample; run again, it goes on with what is missing");
  verb.add_option("--level", arguments.report.bootstrap.level, "Of the intervals")
      ->check(CLI::Range(0.5, 0.9999))
      ->capture_default_str();
  verb.add_option("--resamples", arguments.report.bootstrap.resamples, "Of the bootstrap")
      ->check(CLI::Range(100, 1000000))
      ->capture_default_str();
  verb.add_flag("--json", arguments.json, "One JSON document in place of the table");
  verb.add_flag("--list", arguments.list, "Lists the formats with their templates and ends");
}

}  // namespace

void AddEvalOptions(CLI::App& verb, EvalArguments& arguments) {
  verb.add_option("MODEL", arguments.model,
                  "Model folder, or http[s]://HOST[:PORT]/v1 of an OpenAI-compatible server");
  AddTaskOptions(verb, arguments);
  AddDrawingOptions(verb, arguments);
  AddMachineOptions(verb, arguments);
  AddReportOptions(verb, arguments);
}

absl::Status Complete(EvalArguments& arguments) {
  eval::ReportOptions& report = arguments.report;
  std::sort(report.ks.begin(), report.ks.end());
  report.ks.erase(std::unique(report.ks.begin(), report.ks.end()), report.ks.end());
  if (report.samples == 0) report.samples = static_cast<int>(report.ks.back());
  if (report.ks.back() > report.samples) {
    return absl::InvalidArgumentError(absl::StrCat("-k: found ", report.ks.back(),
                                                   ", expected at most the ", report.samples,
                                                   " samples of -n"));
  }
  if (report.ks.front() != 1) report.ks.insert(report.ks.begin(), 1);
  if (arguments.drawing.temperature < 0) {
    arguments.drawing.temperature = report.samples == 1 ? 0 : 1;
  }
  if (arguments.drawing.temperature == 0 && report.samples > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--temperature: 0 would draw the same response ", report.samples, " times"));
  }
  if (arguments.has_endpoint() && arguments.endpoint.model.empty()) {
    return absl::InvalidArgumentError("--model: a server needs the name of its model");
  }
  report.bootstrap.seed = arguments.drawing.seed;
  return absl::OkStatus();
}

}  // namespace temper::cli
