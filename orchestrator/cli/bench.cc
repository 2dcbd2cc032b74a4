// `temper bench NAME`: measured speed, each beside what this machine allows at most.
#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "kernels/open_device.h"
#include "orchestrator/cli/control_plane_bench.h"
#include "orchestrator/cli/device_option.h"
#include "orchestrator/cli/model_bench.h"
#include "orchestrator/cli/tokenize_bench.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/device_memory.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/weights.h"

namespace temper::cli {

namespace {

struct Choice {
  std::string name;
  std::string model;
  std::string text;
  std::string dtype = "float32";
  bool json = false;
  BenchOptions options;
  kernels::DeviceChoice device;
  ControlPlaneBenchOptions control;
};

struct Bench {
  const char* name;
  const char* measures;
  Measurement (*run)(const BenchModel&, kernels::Device&, const BenchOptions&);
  int64_t (*bytes)(const model::ParameterLayout&, kernels::Dtype);  // of the device, at least
};

constexpr Bench kBenches[] = {
    {"prefill", "prompts processed whole (batch 1, 512 tokens)", BenchPrefill, model::WeightBytes},
    {"decode", "one token a sequence at a time (batch 32, 32 tokens after 128)", BenchDecode,
     model::WeightBytes},
    {"train-step", "forward, backward, AdamW, packing (batch 2, 256 tokens)", BenchTrainStep,
     model::TrainingBytes},
};

absl::StatusOr<const Bench*> FindBench(const std::string& name) {
  std::vector<std::string> names = {"control-plane", "tokenize"};
  for (const Bench& bench : kBenches) {
    if (bench.name == name) return &bench;
    names.push_back(bench.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no bench \"", name, "\"", Suggestion(name, names),
                   " (prefill, decode, train-step, tokenize, control-plane)"));
}

absl::Status CheckChoice(const Choice& choice) {
  if (choice.model.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bench ", choice.name, " needs a model folder: --model DIR. ",
        "`temper init CONFIG.json DIR` makes one with random weights from any config.json"));
  }
  return absl::OkStatus();
}

void PrintJson(const Measurement& result) {
  nlohmann::json details = result.details;
  details["limit_formula"] = result.formula;
  const nlohmann::json line = {{"name", result.name},
                               {"value", result.value},
                               {"unit", "tokens/s"},
                               {"limit", result.limit},
                               {"fraction", result.value / result.limit},
                               {"details", details}};
  std::printf("%s\n", line.dump().c_str());
}

void PrintTable(const Measurement& result) {
  const nlohmann::json& details = result.details;
  const auto number = [&](const char* key) { return details.at(key).get<double>(); };
  std::printf("%-12s %10s %10s %10s\n", "bench", "tokens/s", "limit", "fraction");
  std::printf("%-12s %10.1f %10.1f %9.1f%%\n\n", result.name.c_str(), result.value, result.limit,
              100 * result.value / result.limit);
  const auto word = [&](const char* key) { return details.at(key).get<std::string>(); };
  const std::string where =
      word("device") == "cpu" ? absl::StrCat(number("threads"), " threads") : word("device");
  std::printf("%.0f sequences of %.0f tokens, %s, %s; median of %.0f runs", number("batch"),
              number("tokens"), where.c_str(), word("dtype").c_str(), number("runs"));
  std::printf(" (%.3f s; %.3f to %.3f s)\n", number("seconds"), number("seconds_min"),
              number("seconds_max"));
  std::printf("limit: %s\n", result.formula.c_str());
  std::printf("measured here: peak %.1f GF/s, bandwidth %.1f GB/s; scan at peak %.1f us/token\n",
              number("gemm_peak_gflops"), number("read_bandwidth_gbytes"),
              number("scan_us_per_token"));
  if (details.contains("seconds_optimizer")) {
    std::printf("forward and backward %.3f s (%.1f tokens/s), ", number("seconds_forward_backward"),
                number("forward_backward_tokens_per_second"));
    std::printf("optimizer %.3f s (at full bandwidth %.3f s), packing %.3f s\n",
                number("seconds_optimizer"), number("seconds_optimizer_limit"),
                number("seconds_repack"));
  }
  if (details.contains("state_traffic_ms_per_step")) {
    std::printf("state: %.1f MB a sequence; reading and writing it takes %.1f ms of a step\n",
                number("state_mbytes_per_sequence"), number("state_traffic_ms_per_step"));
  }
  std::printf("peak memory of this process: %.0f MB\n", number("peak_memory_mbytes"));
}

absl::Status RunBench(const Choice& choice) {
  if (choice.name == "control-plane") {
    ControlPlaneBenchOptions options = choice.control;
    if (choice.options.tokens > 0) options.tokens = static_cast<int>(choice.options.tokens);
    options.json = choice.json;
    return BenchControlPlane(options);
  }
  if (choice.name == "tokenize") {
    return BenchTokenize({.model = choice.model,
                          .text = choice.text,
                          .runs = choice.options.runs,
                          .json = choice.json});
  }
  TEMPER_ASSIGN_OR_RETURN(const Bench* bench, FindBench(choice.name));
  TEMPER_RETURN_IF_ERROR(CheckChoice(choice));
  TEMPER_ASSIGN_OR_RETURN(const model::ModelFolder folder, model::OpenModelFolder(choice.model));
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(folder.config, folder.path));
  const model::ParameterLayout layout(folder.config);
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<kernels::Device> device,
                          kernels::OpenDevice(choice.device));
  BenchOptions options = choice.options;
  TEMPER_ASSIGN_OR_RETURN(options.dtype, model::ParseDtype(choice.dtype));
  TEMPER_RETURN_IF_ERROR(
      model::CheckRoom(*device, layout, bench->bytes(layout, options.dtype), bench->name));
  std::vector<float> values(layout.size());
  TEMPER_RETURN_IF_ERROR(model::ReadWeights(choice.model, layout, values));
  const Measurement result = bench->run({folder.config, layout, values}, *device, options);
  choice.json ? PrintJson(result) : PrintTable(result);
  return absl::OkStatus();
}

void AddControlPlane(CLI::App& verb, ControlPlaneBenchOptions& options) {
  verb.add_option("--seconds", options.seconds, "control-plane: how long")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  verb.add_option("--samples", options.samples, "control-plane: until so many are recorded instead")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32));
  verb.add_option("--groups", options.groups, "control-plane: groups of a step")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  verb.add_option("--dir", options.dir, "control-plane: on whose disk; a new folder is made there");
  verb.add_flag("--pause", options.pause, "control-plane: also pause and resume twice a second");
  verb.add_flag("--keep", options.keep, "control-plane: leave the folder");
}

}  // namespace

void AddBench(CLI::App& program, Chosen& chosen) {
  CLI::App* verb = program.add_subcommand(
      "bench", "Measure speed beside the limit of this machine, measured in the same run");
  const auto choice = std::make_shared<Choice>();
  std::string names = "What to measure:";
  for (const Bench& bench : kBenches)
    absl::StrAppend(&names, "\n", bench.name, ": ", bench.measures);
  names += "\ncontrol-plane: a controller under load: results/s, answers, memory, restart";
  names += "\ntokenize: text to tokens on one core, of --text FILE.jsonl";
  verb->add_option("name", choice->name, names)->required();
  verb->add_option("--model", choice->model, "Model folder; `temper init` makes one");
  verb->add_option("--text", choice->text, "tokenize: JSON lines; every text value is encoded");
  verb->add_option("--dtype", choice->dtype, "How matrices are held; sums are float32 with both")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  verb->add_option("--batch", choice->options.batch, "Sequences side by side")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}));
  verb->add_option("--tokens", choice->options.tokens, "Tokens of each sequence")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 20));
  verb->add_option("--context", choice->options.context, "decode: tokens already there")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  verb->add_option("--threads", choice->device.threads, "Threads; default: one per core")
      ->check(CLI::Range(1, 1024));
  AddDevice(*verb, choice->device.name);
  verb->add_option("--runs", choice->options.runs, "Runs, of which the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  AddControlPlane(*verb, choice->control);
  verb->add_flag("--json", choice->json, "One JSON document a line on stdout");
  verb->callback([choice, &chosen] {
    chosen = [choice] {
      const absl::Status status = RunBench(*choice);
      return status.ok() ? kDone : Report(status);
    };
  });
}

}  // namespace temper::cli
