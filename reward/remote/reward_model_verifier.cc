// One measurement for one response.
#include "reward/remote/reward_model_verifier.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "reward/answer_extractor.h"
#include "reward/remote/our_failure.h"
#include "rollout/rollout_client.h"

namespace temper::reward {
namespace {

// What the response answers, all of it, and the response.
std::string ConversationOf(const Response& response, const std::string& text) {
  using Json = nlohmann::ordered_json;
  Json chat = Json::parse(response.chat, nullptr, /*allow_exceptions=*/false);
  if (!chat.is_object() || !chat.contains("messages") || !chat["messages"].is_array()) {
    chat = {{"messages", {{{"role", "user"}, {"content", std::string(response.prompt)}}}}};
  }
  chat["messages"].push_back({{"role", "assistant"}, {"content", text}});
  return chat.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

RewardModelVerifier::RewardModelVerifier(const temper::v1::RewardModelOptions& options,
                                         absl::Duration timeout)
    : options_(options),
      timeout_(timeout),
      client_(std::make_unique<rollout::RolloutClient>(options.rollout())) {}
RewardModelVerifier::~RewardModelVerifier() = default;

absl::StatusOr<std::unique_ptr<const Verifier>> RewardModelVerifier::Create(
    const temper::v1::RewardModelOptions& options, absl::Duration timeout) {
  if (options.rollout().empty()) {
    return absl::InvalidArgumentError(
        "reward_model.rollout: missing; verifier \"reward_model\" needs the address of a rollout "
        "worker that serves a model with a reward head (temper rollout --model DIR)");
  }
  const bool linear = options.scale() == "linear";
  if (!linear && !options.scale().empty() && options.scale() != "sigmoid") {
    return absl::InvalidArgumentError(absl::StrCat(
        "reward_model.scale: found ", Quoted(options.scale()), ", expected sigmoid or linear"));
  }
  if (linear != (options.has_low() && options.has_high())) {
    return absl::InvalidArgumentError(
        linear ? "reward_model.low, reward_model.high: missing; scale \"linear\" needs both"
               : "reward_model.low, reward_model.high: belong to scale \"linear\" only");
  }
  if (linear && !(options.low() < options.high())) {
    return absl::InvalidArgumentError(absl::StrCat("reward_model.high: found ", options.high(),
                                                   ", expected above low, ", options.low()));
  }
  return std::unique_ptr<const Verifier>(new RewardModelVerifier(options, timeout));
}

double RewardModelVerifier::Scaled(double value) const {
  if (options_.scale() != "linear") return 1 / (1 + std::exp(-value));
  return std::clamp((value - options_.low()) / (options_.high() - options_.low()), 0.0, 1.0);
}

absl::StatusOr<Judgement> RewardModelVerifier::Judge(const Response& response) const {
  v1::MeasureRequest request;
  const std::string text = WithoutThinking(response.text);
  request.mutable_prompt()->set_text(absl::StrCat(std::string(response.prompt), text));
  if (!options_.plain()) request.mutable_prompt()->set_chat_json(ConversationOf(response, text));
  const auto answer = client_->Measure(request, timeout_);
  if (!answer.ok()) return OurFailure(options_.rollout(), answer.status());
  const v1::MeasureResponse& measured = *answer;
  if (!measured.has_value() || !std::isfinite(measured.value())) {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.rollout(), ": the worker's model ",
        measured.has_value() ? "gave a value that is not finite" : "has no reward head"));
  }
  const double value = measured.value();
  return Judgement{"judged", Scaled(value), absl::StrFormat("value %.6g", value),
                   nlohmann::ordered_json{{"value", value}}.dump()};
}

}  // namespace temper::reward
