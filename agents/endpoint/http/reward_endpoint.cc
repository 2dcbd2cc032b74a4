// What differs between the dialects is a path, a body and where the number stands.
#include "agents/endpoint/http/reward_endpoint.h"

#include "absl/strings/str_cat.h"
#include "agents/endpoint/http/chat_body.h"
#include "agents/select/judgement/reward_reply.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

const json* At(const json* object, const char* key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found == object->end() ? nullptr : &*found;
}

const json* First(const json* list) {
  return list != nullptr && list->is_array() && !list->empty() ? &list->front() : nullptr;
}

absl::Status NoNumber(const char* where) {
  return absl::DataLossError(absl::StrCat("the answer holds no number at ", where));
}

std::string ContentOf(const ordered_json& message) {
  const auto found = message.is_object() ? message.find("content") : message.end();
  if (!message.is_object() || found == message.end() || !found->is_string()) return "";
  return found->get<std::string>();
}

// The conversation before the candidate: its only text, or "role: text" for each turn.
std::string ConversationBefore(const ordered_json& messages) {
  if (messages.size() == 2) return ContentOf(messages.front());
  std::string text;
  for (size_t i = 0; i + 1 < messages.size(); ++i) {
    const auto role = messages[i].find("role");
    const bool named = role != messages[i].end() && role->is_string();
    absl::StrAppend(&text, i == 0 ? "" : "\n\n", named ? role->get<std::string>() : "user", ": ",
                    ContentOf(messages[i]));
  }
  return text;
}

ordered_json WithMessages(const EndpointCall& call) {
  ordered_json body = {{"model", call.model}, {"messages", call.messages}};
  if (call.extra.is_object()) body.update(call.extra);
  return body;
}

ordered_json WithTwoTexts(const EndpointCall& call) {
  ordered_json body = {{"model", call.model},
                       {"text_1", ConversationBefore(call.messages)},
                       {"text_2", call.messages.empty() ? "" : ContentOf(call.messages.back())}};
  if (call.extra.is_object()) body.update(call.extra);
  return body;
}

ordered_json WithMaxTokens(const EndpointCall& call) {
  ordered_json body = WithMessages(call);
  body["max_tokens"] = call.max_tokens;
  return body;
}

// {"choices": [{"message": {"content": "reward:-12.5"}}]}
absl::StatusOr<Rewards> NimScores(const json& answer) {
  const json* const content = At(At(First(At(&answer, "choices")), "message"), "content");
  if (content == nullptr || !content->is_string()) return NoNumber("choices[0].message.content");
  absl::StatusOr<Rewards> rewards = ParseRewards(content->get<std::string>());
  // Such an answer is none, and may be asked for again.
  if (!rewards.ok()) return absl::DataLossError(rewards.status().message());
  return rewards;
}

// {"data": [{"data": [1.5]}]}; of a number for each token, [[..], [1.5]], the last counts.
absl::StatusOr<Rewards> PoolingScores(const json& answer) {
  const json* value = At(First(At(&answer, "data")), "data");
  while (value != nullptr && value->is_array() && !value->empty()) {
    if (value->size() > 1 && value->front().is_number()) {
      return absl::DataLossError(absl::StrCat("the answer holds ", value->size(),
                                              " numbers where a reward model gives one"));
    }
    value = &value->back();
  }
  if (value == nullptr || !value->is_number()) return NoNumber("data[0].data");
  return Rewards{{"", value->get<double>()}};
}

// {"data": [{"label": "LABEL_1", "probs": [0.1, 0.9]}]}: classes are named by their index.
absl::StatusOr<Rewards> ClassifyScores(const json& answer) {
  const json* const probs = At(First(At(&answer, "data")), "probs");
  if (probs == nullptr || !probs->is_array() || probs->empty()) return NoNumber("data[0].probs");
  Rewards scores;
  for (const json& each : *probs) {
    if (!each.is_number()) return NoNumber("data[0].probs");
    scores.emplace_back(absl::StrCat(scores.size()), each.get<double>());
  }
  return scores;
}

// {"data": [{"score": 0.9}]}
absl::StatusOr<Rewards> PairScores(const json& answer) {
  const json* const score = At(First(At(&answer, "data")), "score");
  if (score == nullptr || !score->is_number()) return NoNumber("data[0].score");
  return Rewards{{"", score->get<double>()}};
}

struct Manner {
  const char* path;
  ordered_json (*body)(const EndpointCall& call);
  absl::StatusOr<Rewards> (*scores)(const json& answer);
};

Manner MannerOf(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kRewardNim:
      return {"/chat/completions", WithMaxTokens, NimScores};
    case EndpointKind::kRewardPooling:
      return {"/pooling", WithMessages, PoolingScores};
    case EndpointKind::kRewardClassify:
      return {"/classify", WithMessages, ClassifyScores};
    case EndpointKind::kRewardScore:
      return {"/score", WithTwoTexts, PairScores};
    default:
      break;
  }
  TEMPER_CHECK(false);
}

class RewardConversation : public HttpConversation {
 public:
  RewardConversation(const Manner& manner, const EndpointCall& call)
      : manner_(manner), call_(call) {}

  std::string Body() override {
    std::string body = CleanJson(manner_.body(call_));
    body_bytes_ = body.size();
    return body;
  }
  bool Feed(const HttpHead& head, std::string_view bytes) override {
    answer_ += bytes;
    return true;
  }
  AttemptEnd End(const HttpEnd& ended, absl::Time now) override {
    if (!ended.status.ok()) {
      const bool passes =
          absl::IsUnavailable(ended.status) || absl::IsDeadlineExceeded(ended.status);
      return {.status = ended.status, .worth_a_retry = passes, .tokens_wasted = Wasted()};
    }
    const json answer = json::parse(answer_, nullptr, /*allow_exceptions=*/false);
    if (const auto error = ErrorInside(answer); error.has_value()) {
      return EndOf(*error, ended.head, now);
    }
    AttemptEnd end;
    const absl::StatusOr<Rewards> scores = manner_.scores(answer);
    if (!scores.ok()) {
      return {.status = scores.status(), .worth_a_retry = true, .tokens_wasted = Wasted()};
    }
    const absl::StatusOr<double> score = RewardNamed(*scores, call_.attribute);
    if (!score.ok()) return {.status = score.status(), .tokens_wasted = Wasted()};
    end.answer.score = *score;
    CountTokens(answer, end.answer);
    return end;
  }

 private:
  int64_t Wasted() const {
    return answer_.empty() ? 0 : static_cast<int64_t>((body_bytes_ + 3) / 4);
  }
  void CountTokens(const json& answer, EndpointAnswer& counted) const {
    const json* const usage = At(&answer, "usage");
    const json* const in = At(usage, "prompt_tokens");
    const json* const out = At(usage, "completion_tokens");
    counted.estimated = in == nullptr || !in->is_number_integer();
    counted.tokens_in = counted.estimated ? static_cast<int64_t>((body_bytes_ + 3) / 4)
                                          : std::max<int64_t>(in->get<int64_t>(), 0);
    if (out != nullptr && out->is_number_integer()) {
      counted.tokens_out = std::max<int64_t>(out->get<int64_t>(), 0);
    }
  }

  const Manner manner_;
  const EndpointCall& call_;
  std::string answer_;
  size_t body_bytes_ = 0;
};

class RewardDialect : public HttpDialect {
 public:
  explicit RewardDialect(const Manner& manner) : manner_(manner) {}
  const char* path() const override { return manner_.path; }
  std::unique_ptr<HttpConversation> Begin(const Attempt& attempt) override {
    return std::make_unique<RewardConversation>(manner_, *attempt.call);
  }

 private:
  const Manner manner_;
};

}  // namespace

std::unique_ptr<HttpDialect> MakeRewardDialect(EndpointKind kind) {
  return std::make_unique<RewardDialect>(MannerOf(kind));
}

}  // namespace temper::agents
