// An OpenAI-compatible server, or a rollout worker; the rest of a judge does not know which.
#include "reward/remote/judge_model.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/openai_client.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "reward/remote/our_failure.h"
#include "rollout/rollout_client.h"

namespace temper::reward {
namespace {

// Less of the distribution than this on Yes and No together is no answer to the question.
constexpr double kLeastShare = 0.01;
constexpr int kTopTokens = 20;

nlohmann::ordered_json Conversation(const std::string& message) {
  return nlohmann::ordered_json::array({{{"role", "user"}, {"content", message}}});
}

absl::StatusOr<double> ShareOf(double yes, double no) {
  if (yes + no >= kLeastShare) return yes / (yes + no);
  return absl::FailedPreconditionError(
      absl::StrCat("the judge answers neither Yes nor No: together they have a probability of ",
                   yes + no, ", expected at least ", kLeastShare));
}

class OpenAiJudge final : public JudgeModel {
 public:
  OpenAiJudge(std::unique_ptr<OpenAiClient> client, std::string model, absl::Duration timeout)
      : client_(std::move(client)), model_(std::move(model)), timeout_(timeout) {}

  absl::StatusOr<std::string> Reply(const std::string& message, int tokens_max) const override {
    TEMPER_ASSIGN_OR_RETURN(const ChatResponse answer, Ask(message, tokens_max, 0));
    return answer.text;
  }

  absl::StatusOr<double> YesShare(const std::string& message) const override {
    TEMPER_ASSIGN_OR_RETURN(const ChatResponse answer, Ask(message, 1, kTopTokens));
    if (answer.tokens.empty() || answer.tokens.front().top.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(client_->url(), ": gives no top_logprobs; mode \"yes_no\" needs them"));
    }
    double yes = 0, no = 0;
    for (const auto& [token, logprob] : answer.tokens.front().top) {
      const std::string word =
          absl::AsciiStrToLower(std::string(absl::StripAsciiWhitespace(token)));
      if (word == "yes") yes += std::exp(logprob);
      if (word == "no") no += std::exp(logprob);
    }
    return ShareOf(yes, no);
  }

 private:
  absl::StatusOr<ChatResponse> Ask(const std::string& message, int tokens_max,
                                   int top_logprobs) const {
    ChatRequest request;
    request.model = model_;
    request.messages = Conversation(message);
    request.max_tokens = tokens_max;
    request.temperature = 0;
    request.logprobs = top_logprobs > 0;
    request.top_logprobs = top_logprobs;
    request.timeout = timeout_;
    auto answers = client_->Complete(request);
    if (!answers.ok()) return OurFailure(client_->url(), answers.status());
    if (answers->size() == 1) return std::move(answers->front());
    return absl::InternalError(
        absl::StrCat(client_->url(), ": asked for 1 answer, got ", answers->size()));
  }

  const std::unique_ptr<OpenAiClient> client_;
  const std::string model_;
  const absl::Duration timeout_;
};

class RolloutJudge final : public JudgeModel {
 public:
  RolloutJudge(const std::string& address, absl::Duration timeout)
      : address_(address),
        client_(std::make_unique<rollout::RolloutClient>(address)),
        timeout_(timeout) {}

  absl::StatusOr<std::string> Reply(const std::string& message, int tokens_max) const override {
    v1::GenerateRequest request;
    *request.mutable_prompt() = PromptOf(message);
    request.add_samples(0);
    request.mutable_sampling()->set_max_tokens(tokens_max);
    std::string reply;
    const absl::Status made = client_->Generate(request, timeout_, [&](v1::Episode episode) {
      reply = std::move(*episode.mutable_text());
    });
    if (!made.ok()) return OurFailure(address_, made);
    return reply;
  }

  absl::StatusOr<double> YesShare(const std::string& message) const override {
    v1::MeasureRequest request;
    *request.mutable_prompt() = PromptOf(message);
    for (const char* word : {"Yes", " Yes", "yes", "No", " No", "no"}) {
      request.add_continuations(word);
    }
    const auto answer = client_->Measure(request, timeout_);
    if (!answer.ok()) return OurFailure(address_, answer.status());
    const v1::MeasureResponse& measured = *answer;
    double yes = 0, no = 0;
    for (int i = 0; i < measured.continuations_size(); ++i) {
      double logprob = 0;
      for (const float each : measured.continuations(i).logprobs()) logprob += each;
      (i < measured.continuations_size() / 2 ? yes : no) += std::exp(logprob);
    }
    return ShareOf(yes, no);
  }

 private:
  static v1::Prompt PromptOf(const std::string& message) {
    v1::Prompt prompt;
    prompt.set_text(message);
    prompt.set_chat_json(nlohmann::ordered_json{{"messages", Conversation(message)}}.dump());
    return prompt;
  }

  const std::string address_;
  const std::unique_ptr<rollout::RolloutClient> client_;
  const absl::Duration timeout_;
};

absl::StatusOr<std::string> KeyOf(const v1::ModelEndpoint& endpoint, const std::string& field) {
  if (endpoint.api_key_env().empty()) return std::string();
  const char* key = std::getenv(endpoint.api_key_env().c_str());
  if (key != nullptr && *key != '\0') return std::string(key);
  return absl::InvalidArgumentError(
      absl::StrCat(field, ".api_key_env: the environment has no ", endpoint.api_key_env()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const JudgeModel>> MakeJudgeModel(const v1::ModelEndpoint& endpoint,
                                                                 const std::string& field,
                                                                 absl::Duration timeout) {
  if (endpoint.url().empty() == endpoint.rollout().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field,
                     ": expected one of url (an OpenAI-compatible server, "
                     "\"http://127.0.0.1:8000/v1\") and rollout (a rollout worker, "
                     "\"127.0.0.1:7071\")"));
  }
  if (!endpoint.rollout().empty()) {
    return std::unique_ptr<const JudgeModel>(
        std::make_unique<RolloutJudge>(endpoint.rollout(), timeout));
  }
  TEMPER_ASSIGN_OR_RETURN(std::string key, KeyOf(endpoint, field));
  auto client = OpenAiClient::Create({.url = endpoint.url(), .api_key = std::move(key)});
  if (!client.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".url: ", std::string(client.status().message())));
  }
  return std::unique_ptr<const JudgeModel>(
      std::make_unique<OpenAiJudge>(*std::move(client), endpoint.model(), timeout));
}

}  // namespace temper::reward
