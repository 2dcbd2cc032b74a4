// `temper generate`: samples responses from a model folder, here, without a run.
#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "kernels/device.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/device_option.h"
#include "orchestrator/cli/dtype_option.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/chat/chat_prompt.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"
#include "policy/model/tokenizer/stream_decoder.h"
#include "rollout/engine/engine.h"

namespace temper::cli {
namespace {

struct GenerateArguments {
  std::string folder;
  std::string prompt;
  std::vector<int32_t> tokens;
  std::string messages;         // a file
  std::string thinking;         // on, off, or as the file says
  std::string thinking_switch;  // found by the template's words when empty
  int64_t thinking_budget = 0;  // 0: as the file says
  bool content_as_text = false;
  std::string prompt_id;
  rollout::Sampling sampling{.max_tokens = 256};
  int samples = 1;
  std::string device = "auto";
  int threads = 0;
  std::string dtype = "source";
  bool has_prompt = false;
  bool json = false;
};

// Keeps what was sampled; shows the text of a lone sample as it grows when a person is watching.
class Collector final : public rollout::EpisodeSink {
 public:
  // `watched`: of the model whose tokens a person sees as they come; null: nobody watches.
  explicit Collector(const model::Tokenizer* watched) {
    if (watched != nullptr) live_.emplace(*watched, /*skip_special_tokens=*/true);
  }

  void Progress(const rollout::SampledToken& token) override {
    if (!live_.has_value()) return;
    std::fputs(live_->Append(token.token).c_str(), stdout);
    std::fflush(stdout);
  }
  void Deliver(rollout::Episode episode) override {
    const int32_t sample = episode.sample;
    episodes_.emplace(sample, std::move(episode));
  }
  void Done(const absl::Status& status) override {
    status_ = status;
    if (live_.has_value()) std::fputs(live_->Finish().c_str(), stdout);
  }

  const absl::Status& status() const { return status_; }
  const std::map<int32_t, rollout::Episode>& episodes() const { return episodes_; }

 private:
  std::optional<model::StreamDecoder> live_;
  absl::Status status_;
  std::map<int32_t, rollout::Episode> episodes_;  // by sample number
};

std::string_view Name(rollout::FinishReason reason) {
  return reason == rollout::FinishReason::kStop ? "stop" : "length";
}

void PrintJson(const rollout::Episode& episode) {
  const nlohmann::ordered_json line = {
      {"sample", episode.sample}, {"prompt_tokens", episode.prompt_tokens},
      {"tokens", episode.tokens}, {"logprobs", episode.logprobs},
      {"forced", episode.forced}, {"finish_reason", Name(episode.finish_reason)},
      {"text", episode.text},     {"entropy_sum", episode.entropy_sum}};
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
  const int given = (arguments.has_prompt ? 1 : 0) + (arguments.tokens.empty() ? 0 : 1) +
                    (arguments.messages.empty() ? 0 : 1);
  if (given != 1) {
    return absl::InvalidArgumentError(
        "expected exactly one of --prompt TEXT, --tokens 1,2,3 and --messages FILE");
  }
  if (arguments.thinking_budget < 0) {
    return absl::InvalidArgumentError("--thinking-budget: expected at least 1 token");
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

// Renders the conversation of --messages into the request's prompt.
absl::Status AddConversation(const GenerateArguments& arguments, const model::ModelFolder& folder,
                             rollout::GroupRequest& request) {
  if (folder.tokenizer == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.path, ": --messages: the folder has no tokenizer.json"));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string json, ReadFile(arguments.messages));
  TEMPER_ASSIGN_OR_RETURN(model::ChatRequest chat,
                          model::ParseChatRequest(json, arguments.messages));
  TEMPER_ASSIGN_OR_RETURN(const model::ChatTemplate form, model::ChatTemplate::Read(folder.path));
  model::ThinkingSwitch kind = model::FindThinkingSwitch(form.source());
  if (!arguments.thinking_switch.empty()) {
    TEMPER_ASSIGN_OR_RETURN(kind, model::ParseThinkingSwitch(arguments.thinking_switch));
  }
  if (!arguments.thinking.empty()) chat.thinking = arguments.thinking == "on";
  if (arguments.thinking_budget > 0) chat.thinking_budget = arguments.thinking_budget;
  chat.input.now = SystemClock().Now();
  const std::optional<int64_t> budget = chat.thinking_budget;
  TEMPER_ASSIGN_OR_RETURN(const model::RenderedChat rendered,
                          model::RenderRequest(form, kind, std::move(chat)));
  std::vector<std::string> guarded;
  if (arguments.content_as_text) {
    TEMPER_ASSIGN_OR_RETURN(guarded, model::ReadAddedTokens(folder.path));
  }
  request.prompt_tokens = model::EncodeChat(*folder.tokenizer, rendered, guarded);
  if (request.prompt_tokens.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.messages, ": the template renders to nothing"));
  }
  if (budget.has_value()) {
    request.thinking = {.tokens = *budget, .open = model::EndsInThought(rendered.text)};
  }
  return absl::OkStatus();
}

absl::Status Generate(const GenerateArguments& arguments) {
  TEMPER_RETURN_IF_ERROR(CheckArguments(arguments));
  TEMPER_ASSIGN_OR_RETURN(const model::ModelFolder folder,
                          model::OpenModelFolder(arguments.folder));
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(folder.config, folder.path));
  const bool text = folder.tokenizer != nullptr;
  const bool live = text && arguments.samples == 1 && !arguments.json && isatty(STDOUT_FILENO) != 0;
  const auto collector = std::make_shared<Collector>(live ? folder.tokenizer.get() : nullptr);
  rollout::GroupRequest request = Request(arguments, collector);
  if (!arguments.messages.empty()) {
    TEMPER_RETURN_IF_ERROR(AddConversation(arguments, folder, request));
  } else if (arguments.thinking_budget > 0) {
    request.thinking = {.tokens = arguments.thinking_budget,
                        .open = model::EndsInThought(arguments.prompt)};
  }
  const model::ParameterLayout layout(folder.config);
  TEMPER_ASSIGN_OR_RETURN(
      const std::unique_ptr<kernels::Device> device,
      kernels::OpenDevice({.name = arguments.device, .threads = arguments.threads}));
  TEMPER_ASSIGN_OR_RETURN(
      std::unique_ptr<model::Weights> weights,
      model::Weights::Load(folder.path, layout, *device, DtypeOf(arguments.dtype)));
  rollout::Engine engine({folder.config, layout, folder.tokenizer.get(), *device}, {});
  engine.SetWeights(0, std::move(weights));

  TEMPER_RETURN_IF_ERROR(engine.Submit(std::move(request)));
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
  CLI::Option* messages = verb->add_option("--messages", arguments->messages,
                                           "JSON file of a conversation, [{\"role\": ..., "
                                           "\"content\": ...}, ...] or {\"messages\": ..., "
                                           "\"tools\": ..., ...}, for the folder's chat template");
  verb->add_option("--thinking", arguments->thinking,
                   "Open the response with thinking on or off, as the template has it")
      ->check(CLI::IsMember({"on", "off"}))
      ->needs(messages);
  verb->add_option("--thinking-switch", arguments->thinking_switch,
                   "How the template is told: variable, slash, reasoning or detailed; found by its "
                   "words when left out")
      ->needs(messages);
  verb->add_option("--thinking-budget", arguments->thinking_budget,
                   "Tokens to think; then the thought is closed at the line's end, 500 on at most");
  verb->add_flag("--content-as-text", arguments->content_as_text,
                 "Messages and tools cannot spell special tokens")
      ->needs(messages);
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
  AddDtype(*verb, arguments->dtype);
  AddDevice(*verb, arguments->device);
  verb->add_flag("--json", arguments->json,
                 "One JSON line a sample: tokens, logprobs, finish_reason, text");
  verb->callback([arguments, prompt, &chosen] {
    arguments->has_prompt = prompt->count() > 0;
    chosen = [arguments] { return Report(Generate(*arguments)); };
  });
}

}  // namespace temper::cli
