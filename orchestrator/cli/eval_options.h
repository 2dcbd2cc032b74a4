// The command line of `temper eval`.
#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "orchestrator/cli/endpoint_source.h"
#include "orchestrator/cli/engine_source.h"
#include "orchestrator/cli/sample_source.h"
#include "orchestrator/eval/report.h"

namespace temper::cli {

struct EvalArguments {
  std::string model;  // a folder, or a server's URL
  std::string tasks, format, verifier, config, prompt_template, out;
  std::string chat = "auto", thinking;
  eval::ReportOptions report{.ks = {1}, .samples = 0};
  Drawing drawing{.temperature = -1, .max_tokens = 2048};  // below 0: see Complete
  int64_t limit = 0;
  EndpointSource::Options endpoint;
  std::string api_key_env;
  double timeout_seconds = 600;
  EngineSource::Options engine;
  int processes = 0;
  bool json = false;
  bool list = false;

  bool has_endpoint() const {
    return absl::StartsWith(model, "http://") || absl::StartsWith(model, "https://");
  }
};

// MODEL and all options. MODEL and --tasks are not required: --list needs neither.
void AddEvalOptions(CLI::App& verb, EvalArguments& arguments);

// Fills in what was left open, and refuses what cannot be meant with INVALID_ARGUMENT.
absl::Status Complete(EvalArguments& arguments);

}  // namespace temper::cli
