// Pieces in, JSON out.
#include "base/openai_server/answer_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/openai_server/api_error.h"

namespace temper {
namespace {

// vLLM's "include_reasoning": false.
bool WantsReasoning(const ServedRequest& request) {
  const auto wanted = request.body.find("include_reasoning");
  return wanted == request.body.end() || *wanted != false;
}

absl::Status Unfinished(size_t choice) {
  return absl::InternalError(absl::StrCat("choice ", choice, " has no end"));
}

}  // namespace

WholeAnswer::WholeAnswer(const ServedRequest& request, const AnswerForm& form)
    : request_(request), form_(form), choices_(request.choices()) {}

void WholeAnswer::Prompt(int choice, std::span<const int32_t> tokens) {
  choices_.at(choice).prompt_tokens.emplace(tokens.begin(), tokens.end());
}

void WholeAnswer::Text(int choice, std::string_view text, std::span<const ServedToken> tokens) {
  AnswerChoice& to = choices_.at(choice);
  to.text += text;
  to.tokens.insert(to.tokens.end(), tokens.begin(), tokens.end());
}

void WholeAnswer::Reasoning(int choice, std::string_view text,
                            std::span<const ServedToken> tokens) {
  AnswerChoice& to = choices_.at(choice);
  if (WantsReasoning(request_)) to.reasoning += text;
  to.tokens.insert(to.tokens.end(), tokens.begin(), tokens.end());
}

void WholeAnswer::Finish(int choice, const ServedFinish& finish) {
  choices_.at(choice).finish = finish;
}

absl::StatusOr<std::string> WholeAnswer::Body(const ServedUsage& usage) const {
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (!choices_[i].finish.has_value()) return Unfinished(i);
  }
  return Dump(form_.Whole(choices_, usage));
}

StreamedAnswer::StreamedAnswer(const ServedRequest& request, AnswerForm& form,
                               std::function<void(std::string_view)> send)
    : request_(request), form_(form), send_(std::move(send)), choices_(request.choices()) {}

void StreamedAnswer::Send(std::string_view event) {
  begun_ = true;
  send_(event);
}

void StreamedAnswer::Add(int choice, AnswerChoice added) {
  Progressed& state = choices_.at(choice);
  TEMPER_CHECK(!state.ended);
  const bool first = !std::exchange(state.begun, true);
  if (first) added.prompt_tokens = std::move(state.prompt_tokens);
  state.ended = added.finish.has_value();
  Send(absl::StrCat("data: ", Dump(form_.Chunk(choice, added, first)), "\n\n"));
}

void StreamedAnswer::Prompt(int choice, std::span<const int32_t> tokens) {
  choices_.at(choice).prompt_tokens.emplace(tokens.begin(), tokens.end());
}

void StreamedAnswer::Text(int choice, std::string_view text, std::span<const ServedToken> tokens) {
  Add(choice, {.text = std::string(text), .tokens = {tokens.begin(), tokens.end()}});
}

void StreamedAnswer::Reasoning(int choice, std::string_view text,
                               std::span<const ServedToken> tokens) {
  const bool wanted = WantsReasoning(request_);
  if (!wanted && tokens.empty()) return;
  Add(choice, {.reasoning = std::string(wanted ? text : std::string_view()),
               .tokens = {tokens.begin(), tokens.end()}});
}

void StreamedAnswer::Finish(int choice, const ServedFinish& finish) {
  Add(choice, {.finish = finish});
}

void StreamedAnswer::Progress(std::string_view line) {
  std::string comment(line);  // a line end would begin an event
  std::replace_if(
      comment.begin(), comment.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  Send(absl::StrCat(": ", comment, "\n\n"));
}

absl::Status StreamedAnswer::End(const ServedUsage& usage) {
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (choices_[i].ended) continue;
    Break(Unfinished(i));
    return Unfinished(i);
  }
  if (request_.include_usage) {
    Send(absl::StrCat("data: ", Dump(form_.UsageChunk(usage)), "\n\n"));
  }
  Send("data: [DONE]\n\n");
  return absl::OkStatus();
}

void StreamedAnswer::Break(const absl::Status& error) {
  Send(absl::StrCat("data: ", Dump(ErrorBody(error)), "\n\n"));
}

}  // namespace temper
