// Every key is looked at before it is believed.
#include "agents/endpoint/http/chat_answer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace temper::agents {
namespace {

using nlohmann::json;

const json* At(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

void AddText(const json& object, const char* key, std::string& text) {
  const json* const found = At(object, key);
  if (found != nullptr && found->is_string()) text += found->get_ref<const std::string&>();
}

void AddTokens(const json& object, const char* key, std::vector<int32_t>& tokens) {
  const json* const found = At(object, key);
  if (found == nullptr || !found->is_array()) return;
  for (const json& token : *found) {
    if (token.is_number_integer()) tokens.push_back(token.get<int32_t>());
  }
}

std::optional<int64_t> Count(const json& usage, const char* key) {
  const json* const found = At(usage, key);
  if (found == nullptr || !found->is_number_integer()) return std::nullopt;
  return std::max<int64_t>(found->get<int64_t>(), 0);
}

int64_t Estimate(size_t bytes) { return static_cast<int64_t>((bytes + 3) / 4); }

AttemptEnd Again(absl::Status status) {
  return {.status = std::move(status), .worth_a_retry = true};
}

}  // namespace

ChatAnswer::ChatAnswer(size_t samples)
    : samples_(samples), events_([this](std::string_view data) { OnData(data); }) {}

bool ChatAnswer::Feed(const HttpHead& head, std::string_view bytes) {
  if (!stream_.has_value()) {
    stream_ = absl::StrContains(head.content_type, "event-stream") || bytes.starts_with("data:") ||
              bytes.starts_with(":");
  }
  if (*stream_) {
    events_.Feed(bytes);
  } else {
    body_ += bytes;
  }
  return !done_;
}

void ChatAnswer::OnData(std::string_view data) {
  if (done_) return;
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  Read(json::parse(data, nullptr, /*allow_exceptions=*/false));
}

void ChatAnswer::Read(const json& piece) {
  if (!piece.is_object()) {
    broken_ = "a part of the answer is no JSON object";
    return;
  }
  if (std::optional<ServerError> error = ErrorInside(piece); error.has_value()) {
    if (!error_.has_value()) error_ = std::move(error);
    return;
  }
  if (prompt_tokens_.empty()) AddTokens(piece, "prompt_token_ids", prompt_tokens_);
  if (const json* const usage = At(piece, "usage"); usage != nullptr) {
    if (const auto count = Count(*usage, "prompt_tokens")) tokens_in_ = count;
    if (const auto count = Count(*usage, "completion_tokens")) tokens_out_ = count;
  }
  const json* const choices = At(piece, "choices");
  if (choices == nullptr || !choices->is_array()) return;
  for (const json& choice : *choices) ReadChoice(choice);
}

void ChatAnswer::ReadChoice(const json& choice) {
  const json* const number = At(choice, "index");
  const int64_t index = number != nullptr && number->is_number_integer()
                            ? number->get<int64_t>()
                            : static_cast<int64_t>(*stream_ ? 0 : texts_.size());
  if (index < 0 || index >= static_cast<int64_t>(samples_)) {
    broken_ = absl::StrCat("the answer holds choice ", index, " where ", samples_,
                           samples_ == 1 ? " was" : " were", " asked for");
    return;
  }
  EndpointText& text = texts_[index];
  const json* message = At(choice, "delta");
  if (message == nullptr) message = At(choice, "message");
  if (message != nullptr) {
    AddText(*message, "content", text.text);
    if (At(*message, "content") == nullptr) AddText(*message, "refusal", text.text);
    const size_t before = text.reasoning.size();
    AddText(*message, "reasoning", text.reasoning);
    if (text.reasoning.size() == before) AddText(*message, "reasoning_content", text.reasoning);
  }
  if (const json* const reason = At(choice, "finish_reason");
      reason != nullptr && reason->is_string()) {
    text.finish_reason = reason->get<std::string>();
  }
  AddTokens(choice, "token_ids", text.tokens);
  if (const json* const logprobs = At(choice, "logprobs"); logprobs != nullptr) {
    ReadLogprobs(*logprobs, text);
  }
}

void ChatAnswer::ReadLogprobs(const json& logprobs, EndpointText& text) {
  const json* const content = At(logprobs, "content");
  if (content == nullptr || !content->is_array()) return;
  for (const json& entry : *content) {
    const json* const value = At(entry, "logprob");
    if (value == nullptr || !value->is_number()) return;
    const bool first = text.logprobs.empty();
    text.logprobs.push_back(value->get<float>());
    if (!first) continue;
    if (const json* const top = At(entry, "top_logprobs"); top != nullptr && top->is_array()) {
      for (const json& other : *top) {
        std::string token;
        AddText(other, "token", token);
        const json* const likely = At(other, "logprob");
        if (likely == nullptr || !likely->is_number()) continue;
        text.first_token.emplace_back(ValidUtf8(token), likely->get<double>());
      }
    }
    std::stable_sort(text.first_token.begin(), text.first_token.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
  }
}

void ChatAnswer::SplitReasoning(EndpointText& text) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  const absl::string_view stripped =
      absl::StripLeadingAsciiWhitespace(absl::string_view(text.text));
  std::string_view rest(stripped.data(), stripped.size());
  const bool opened = rest.starts_with(kOpen);
  const size_t close = rest.find(kClose);
  if (!opened && close == std::string_view::npos) return;
  if (opened) rest.remove_prefix(kOpen.size());
  const size_t end = rest.find(kClose);
  const std::string_view thought = rest.substr(0, end);
  const std::string_view answer =
      end == std::string_view::npos ? std::string_view() : rest.substr(end + kClose.size());
  const auto view = [](std::string_view part) {
    return absl::string_view(part.data(), part.size());
  };
  std::string reasoning(absl::StripAsciiWhitespace(view(thought)));
  std::string said(absl::StripLeadingAsciiWhitespace(view(answer)));
  if (!text.reasoning.empty()) reasoning = absl::StrCat(text.reasoning, "\n", reasoning);
  text.reasoning = std::move(reasoning);
  text.text = std::move(said);
}

absl::Status ChatAnswer::WhatIsMissing() const {
  if (!broken_.empty()) return absl::DataLossError(broken_);
  if (texts_.empty()) return absl::DataLossError("the answer holds no choice");
  int64_t next = 0;
  for (const auto& [index, text] : texts_) {
    if (index != next++)
      return absl::DataLossError(absl::StrCat("choice ", next - 1, " is missing"));
    if (text.finish_reason.empty()) {
      return absl::UnavailableError(
          absl::StrCat("the answer ended in the middle: choice ", index, " has no finish reason"));
    }
  }
  if (*stream_ && !done_) {
    return absl::UnavailableError("the answer ended in the middle: \"[DONE]\" never came");
  }
  return absl::OkStatus();
}

AttemptEnd ChatAnswer::End(const HttpEnd& ended, absl::Time now, size_t prompt_bytes) {
  if (stream_.has_value() && *stream_) events_.End();
  if (stream_.has_value() && !*stream_ && ended.status.ok()) {
    Read(json::parse(body_, nullptr, /*allow_exceptions=*/false));
  }
  size_t bytes = 0;
  for (const auto& entry : texts_) {
    bytes += entry.second.text.size() + entry.second.reasoning.size();
  }
  const int64_t tokens_in = tokens_in_.value_or(Estimate(prompt_bytes));
  const int64_t tokens_out = tokens_out_.value_or(Estimate(bytes));
  AttemptEnd end;
  if (!done_ && !ended.status.ok()) {
    const bool passes = absl::IsUnavailable(ended.status) || absl::IsDeadlineExceeded(ended.status);
    end = {.status = ended.status, .worth_a_retry = passes};
  } else if (error_.has_value()) {
    end = EndOf(*error_, ended.head, now);
  } else if (absl::Status missing = WhatIsMissing(); !missing.ok()) {
    end = Again(std::move(missing));
  }
  if (!end.status.ok()) {
    end.tokens_wasted = stream_.has_value() ? tokens_in + tokens_out : 0;
    return end;
  }
  EndpointAnswer& answer = end.answer;
  answer.tokens_in = tokens_in;
  answer.tokens_out = tokens_out;
  answer.estimated = !tokens_in_.has_value() || !tokens_out_.has_value();
  answer.prompt_tokens = std::move(prompt_tokens_);
  for (auto& entry : texts_) {
    EndpointText& text = entry.second;
    text.text = ValidUtf8(text.text);
    text.reasoning = ValidUtf8(text.reasoning);
    SplitReasoning(text);
    if (text.logprobs.size() != text.tokens.size()) text.logprobs.clear();
    answer.texts.push_back(std::move(text));
  }
  return end;
}

}  // namespace temper::agents
