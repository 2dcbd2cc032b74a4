// Follows a response token by token, from the tag that opens a thought to the one that closes it.
#include "rollout/engine/thought.h"

#include <algorithm>

#include "base/check.h"

namespace temper::rollout {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

}  // namespace

ThoughtTags::ThoughtTags(const model::Tokenizer& tokenizer)
    : open(tokenizer.TokenId(kOpen)), close(tokenizer.TokenId(kClose)) {
  const auto encode = [&](std::string_view text) {
    return tokenizer.Encode(text, model::Tokenizer::Special::kParse, /*add_special_tokens=*/false);
  };
  at_line_end = encode("</think>\n\n");
  in_line = encode(".\n</think>\n\n");
}

Thought::Thought(const ThinkingBudget* budget, const ThoughtTags* tags)
    : budget_(budget), tags_(tags) {
  if (budget_ == nullptr) return;
  TEMPER_CHECK(tags_ != nullptr && budget_->tokens >= 1 && budget_->grace >= 0);
  state_ = budget_->open ? State::kInside : State::kBefore;
}

std::optional<int32_t> Thought::Forced() const {
  if (state_ != State::kClosing) return std::nullopt;
  return (*closing_)[closed_];
}

void Thought::Observe(int32_t token, std::string_view text, size_t added) {
  switch (state_) {
    case State::kBefore:
      return ObserveBefore(token, text);
    case State::kInside:
      return ObserveInside(token, text, added);
    case State::kClosing:
      if (++closed_ == closing_->size()) state_ = State::kOver;
      return;
    case State::kOver:
      return;
  }
}

// White space may come before the tag; anything else means that the response does not think.
void Thought::ObserveBefore(int32_t token, std::string_view text) {
  const std::string_view words =
      text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (token == tags_->open || words.starts_with(kOpen)) {
    state_ = State::kInside;
  } else if (!kOpen.starts_with(words)) {
    state_ = State::kOver;
  }
}

void Thought::ObserveInside(int32_t token, std::string_view text, size_t added) {
  ++tokens_;
  const size_t tail = std::min(text.size(), added + kClose.size() - 1);
  if (token == tags_->close ||
      text.substr(text.size() - tail).find(kClose) != std::string_view::npos) {
    state_ = State::kOver;
    return;
  }
  const bool line_ended = added > 0 && text.ends_with('\n');
  if (tokens_ < budget_->tokens) return;
  if (!line_ended && tokens_ < budget_->tokens + budget_->grace) return;
  closing_ = line_ended ? &tags_->at_line_end : &tags_->in_line;
  state_ = closing_->empty() ? State::kOver : State::kClosing;
}

}  // namespace temper::rollout
