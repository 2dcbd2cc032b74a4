// A request becomes groups of the engine; their tokens become text.
#include "orchestrator/cli/model_backend.h"

#include <deque>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/openai_server/api_error.h"
#include "base/status_macros.h"
#include "base/wait.h"
#include "orchestrator/cli/growing_text.h"
#include "orchestrator/cli/token_mail.h"

namespace temper::cli {
namespace {

// How late it is seen that a client has gone while no token comes.
constexpr absl::Duration kLook = absl::Milliseconds(100);
constexpr double kTemperatureMin = 1e-3;  // the engine's

// Turns one request's letters into calls of its sink.
class Answering {
 public:
  Answering(const ServedRequest& request, const std::vector<PreparedPrompt>& prompts,
            const ServedPrompts& served, const model::Tokenizer& tokenizer, ServedSink& sink)
      : request_(request), tokenizer_(tokenizer), sink_(sink) {
    const bool splits = request.kind == ServedRequest::Kind::kChat && served.splits_thoughts();
    for (const PreparedPrompt& prompt : prompts) {
      usage_.prompt_tokens += static_cast<int64_t>(prompt.tokens.size());
      for (int sample = 0; sample < request.n; ++sample) {
        texts_.emplace_back(tokenizer, GrowingText::Options{.stop = request.stop,
                                                            .splits_thoughts = splits,
                                                            .in_thought = prompt.in_thought});
      }
    }
  }

  void Take(const TokenLetter& letter) {
    GrowingText& text = texts_.at(letter.choice);
    if (letter.finished.has_value()) {
      const bool stopped = *letter.finished == rollout::FinishReason::kStop;
      Say(letter.choice, text.Finish(), text.reasoning(), {});
      sink_.Finish(letter.choice,
                   {.reason = stopped ? "stop" : "length", .stop_string = text.stop_string()});
      return;
    }
    const TextPiece piece = text.Append(letter.token);
    ++usage_.completion_tokens;
    if (text.reasoning()) ++usage_.reasoning_tokens;
    std::vector<ServedToken> tokens;
    if (request_.logprobs || request_.return_token_ids) tokens.push_back(TokenOf(letter));
    Say(letter.choice, piece, text.reasoning(), tokens);
  }

  const ServedUsage& usage() const { return usage_; }

 private:
  std::string BytesOf(int32_t token) const {
    return std::string(tokenizer_.TokenBytes(token, /*skip_special_tokens=*/false));
  }

  ServedToken TokenOf(const TokenLetter& letter) const {
    ServedToken token{
        .id = letter.token, .bytes = BytesOf(letter.token), .logprob = letter.logprob};
    for (const auto& other : letter.top) {
      token.top.emplace_back(BytesOf(other.first), other.second);
    }
    return token;
  }

  // The tokens go with the last part that is said.
  void Say(int choice, const TextPiece& piece, bool reasoning,
           const std::vector<ServedToken>& tokens) {
    const bool last_is_text = !piece.text.empty() || !reasoning;
    if (!piece.reasoning.empty() || (!last_is_text && !tokens.empty())) {
      sink_.Reasoning(choice, piece.reasoning,
                      last_is_text ? std::span<const ServedToken>() : tokens);
    }
    if (!piece.text.empty() || (last_is_text && !tokens.empty())) {
      sink_.Text(choice, piece.text, tokens);
    }
  }

  const ServedRequest& request_;
  const model::Tokenizer& tokenizer_;
  ServedSink& sink_;
  std::deque<GrowingText> texts_;  // by choice
  ServedUsage usage_;
};

uint64_t SeedOf(const ServedRequest& request) {
  if (request.seed.has_value()) return *request.seed;
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

rollout::GroupRequest GroupOf(const ServedRequest& request, const PreparedPrompt& prompt,
                              uint64_t seed) {
  rollout::GroupRequest group{.prompt_tokens = prompt.tokens,
                              .sampling = {.temperature = request.temperature.value_or(1.0),
                                           .top_p = request.top_p.value_or(1.0),
                                           .max_tokens = prompt.max_tokens,
                                           .stop = request.stop,
                                           .seed = seed},
                              .thinking = prompt.thinking,
                              .version = 0};
  for (int sample = 0; sample < request.n; ++sample) group.samples.push_back(sample);
  return group;
}

absl::Status CheckSampling(const ServedRequest& request) {
  const double temperature = request.temperature.value_or(1.0);
  if (temperature == 0.0 || temperature >= kTemperatureMin) return absl::OkStatus();
  return FieldError("temperature", absl::StrCat("found ", temperature, ", expected 0 (greedy) or ",
                                                kTemperatureMin, " and more"));
}

}  // namespace

ModelBackend::ModelBackend(ServedModel model, const ServedPrompts& prompts,
                           const model::Tokenizer& tokenizer, rollout::EngineLoop& loop)
    : model_(std::move(model)), prompts_(prompts), tokenizer_(tokenizer), loop_(loop) {}

absl::StatusOr<ServedUsage> ModelBackend::Serve(const ServedRequest& request, ServedSink& sink,
                                                const CallEnd& end) {
  TEMPER_RETURN_IF_ERROR(CheckSampling(request));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<PreparedPrompt> prompts, prompts_.Prepare(request));
  const auto mail = std::make_shared<TokenMail>(static_cast<int>(prompts.size()));
  const uint64_t seed = SeedOf(request);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const int first_choice = static_cast<int>(i) * request.n;
    rollout::GroupRequest group = GroupOf(request, prompts[i], seed);
    group.sink = std::make_shared<MailSink>(mail, first_choice, request.top_logprobs);
    const absl::Status taken = loop_.Generate(std::move(group));
    if (taken.ok()) continue;
    mail->Cancel();
    return taken;
  }
  if (request.return_token_ids) {
    for (int choice = 0; choice < request.choices(); ++choice) {
      sink.Prompt(choice, prompts[choice / request.n].tokens);
    }
  }
  Answering answering(request, prompts, prompts_, tokenizer_, sink);
  while (true) {
    const TokenMail::Batch batch = mail->Take(Wait::ForWork("tokens of the engine", kLook));
    for (const TokenLetter& letter : batch.letters) answering.Take(letter);
    if (batch.ended.has_value()) {
      mail->Cancel();  // of several groups the others, where one broke
      TEMPER_RETURN_IF_ERROR(*batch.ended);
      return answering.usage();
    }
    if (end.ended()) {
      mail->Cancel();
      return absl::CancelledError("the client has gone, or the server is ending");
    }
  }
}

}  // namespace temper::cli
