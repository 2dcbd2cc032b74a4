// `temper generate`: samples responses from a model folder, here, without a run.
#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "base/utf8.h"
#include "kernels/device.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/verbs.h"
#include "policy/model/model_folder.h"
#include "policy/model/parameters.h"
#include "rollout/engine/engine.h"

namespace temper::cli {
namespace {

struct GenerateArguments {
  std::string folder;
  std::string prompt;
  std::vector<int32_t> tokens;
  std::string messages;
  std::string prompt_id;
  rollout::Sampling sampling{.max_tokens = 256};
  int samples = 1;
  int threads = 0;
  bool has_prompt = false;
  bool json = false;
};

// Keeps what was sampled; shows the text of a lone sample as it grows when a person is watching.
class Collector final : public rollout::EpisodeSink {
 public:
  explicit Collector(bool live) : live_(live) {}

  void Progress(int32_t sample, std::string_view text) override {
    if (!live_) return;
    pending_ += text;
    const size_t whole = pending_.size() - OpenUtf8Bytes(pending_);
    std::fputs(ValidUtf8(std::string_view(pending_).substr(0, whole)).c_str(), stdout);
    std::fflush(stdout);
    pending_.erase(0, whole);
  }
  void Deliver(rollout::Episode episode) override {
    const int32_t sample = episode.sample;
    episodes_.emplace(sample, std::move(episode));
  }
  void Done(const absl::Status& status) override {
    status_ = status;
    if (live_) std::fputs(ValidUtf8(pending_).c_str(), stdout);
  }

  const absl::Status& status() const { return status_; }
  const std::map<int32_t, rollout::Episode>& episodes() const { return episodes_; }

 private:
  const bool live_;
  std::string pending_;  // bytes of a character that is not whole yet
  absl::Status status_;
  std::map<int32_t, rollout::Episode> episodes_;  // by sample number
};

std::string_view Name(rollout::FinishReason reason) {
  return reason == rollout::FinishReason::kStop ? "stop" : "length";
}

void PrintJson(const rollout::Episode& episode) {
  const nlohmann::ordered_json line = {{"sample", episode.sample},
                                       {"prompt_tokens", episode.prompt_tokens},
                                       {"tokens", episode.tokens},
                                       {"logprobs", episode.logprobs},
                                       {"finish_reason", Name(episode.finish_reason)},
                                       {"text", episode.text},
                                       {"entropy_sum", episode.entropy_sum}};
  std::printf("%s\n", line.dump().c_str());
}

// One response stands alone; of several, each has a headline.
void PrintText(const rollout::Episode& episode, bool several) {
  if (several) {
    std::printf("%s--- sample %d (%s)\n", episode.sample == 0 ? "" : "\n", episode.sample,
                std::string(Name(episode.finish_reason)).c_str());
  }
  std::printf("%s\n", episode.text.c_str());
}

absl::Status CheckArguments(const GenerateArguments& arguments) {
  if (!arguments.messages.empty()) {
    return absl::InvalidArgumentError(
        "--messages: chat templates are not read yet; render the conversation yourself and give "
        "it with --prompt or --tokens");
  }
  if (arguments.has_prompt == !arguments.tokens.empty()) {
    return absl::InvalidArgumentError("expected exactly one of --prompt TEXT and --tokens 1,2,3");
  }
  if (arguments.samples < 1) {
    return absl::InvalidArgumentError("-n: expected at least 1 sample");
  }
  return absl::OkStatus();
}

rollout::GroupRequest Request(const GenerateArguments& arguments,
                              std::shared_ptr<rollout::EpisodeSink> sink) {
  rollout::GroupRequest request{.prompt_id = arguments.prompt_id,
                                .prompt_text = arguments.prompt,
                                .prompt_tokens = arguments.tokens,
                                .sampling = arguments.sampling,
                                .version = 0,
                                .sink = std::move(sink)};
  for (int sample = 0; sample < arguments.samples; ++sample) request.samples.push_back(sample);
  return request;
}

absl::Status Generate(const GenerateArguments& arguments) {
  TEMPER_RETURN_IF_ERROR(CheckArguments(arguments));
  TEMPER_ASSIGN_OR_RETURN(const model::ModelFolder folder,
                          model::OpenModelFolder(arguments.folder));
  const model::ParameterLayout layout(folder.config);
  auto values =
      std::make_shared<rollout::WeightValues>(rollout::WeightValues::Allocate(layout.size()));
  TEMPER_RETURN_IF_ERROR(model::ReadWeights(folder.path, layout, values->writable()));
  const std::unique_ptr<kernels::Device> device = kernels::OpenCpuDevice(arguments.threads);
  rollout::Engine engine({folder.config, layout, folder.tokenizer.get(), *device}, {});
  engine.SetWeights(0, std::move(values));

  const bool text = folder.tokenizer != nullptr;
  const bool live = arguments.samples == 1 && !arguments.json && isatty(STDOUT_FILENO) != 0;
  const auto collector = std::make_shared<Collector>(live);
  TEMPER_RETURN_IF_ERROR(engine.Submit(Request(arguments, collector)));
  while (engine.Step()) {
  }
  TEMPER_RETURN_IF_ERROR(collector->status());
  for (const auto& [sample, episode] : collector->episodes()) {
    if (arguments.json || !text) {
      PrintJson(episode);
    } else if (live) {
      std::printf("\n");
    } else {
      PrintText(episode, arguments.samples > 1);
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddGenerate(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<GenerateArguments>();
  CLI::App* verb = program.add_subcommand("generate", "Sample responses from a model folder");
  verb->add_option("DIR", arguments->folder, "Model folder")->required();
  CLI::Option* prompt = verb->add_option("--prompt", arguments->prompt, "Text to continue");
  verb->add_option("--tokens", arguments->tokens, "Token ids to continue, e.g. 1,2,3")
      ->delimiter(',');
  verb->add_option("--messages", arguments->messages, "Conversation (chat templates: not yet)");
  verb->add_option("--max-tokens", arguments->sampling.max_tokens, "Longest response, in tokens")
      ->capture_default_str();
  verb->add_option("--temperature", arguments->sampling.temperature,
                   "0 is greedy, lowest id on a tie; log-probabilities are then those at 1")
      ->capture_default_str();
  verb->add_option("--top-p", arguments->sampling.top_p,
                   "Draw from the most likely tokens that hold this share; 0 or 1: from all. "
                   "Log-probabilities stay those of the whole distribution")
      ->capture_default_str();
  verb->add_option("--seed", arguments->sampling.seed, "Seed of the draws")->capture_default_str();
  verb->add_option("--prompt-id", arguments->prompt_id,
                   "Id of the prompt in a dataset; with the run's seed it redraws a run's samples");
  verb->add_option("--stop", arguments->sampling.stop,
                   "End when the response contains this text (may be repeated)")
      ->allow_extra_args(false);
  verb->add_option("-n", arguments->samples, "Samples")->capture_default_str();
  verb->add_option("--threads", arguments->threads, "Threads; 0: all cores")->capture_default_str();
  verb->add_flag("--json", arguments->json,
                 "One JSON line a sample: tokens, logprobs, finish_reason, text");
  verb->callback([arguments, prompt, &chosen] {
    arguments->has_prompt = prompt->count() > 0;
    chosen = [arguments] { return Report(Generate(*arguments)); };
  });
}

}  // namespace temper::cli
