// The two ways an answer leaves: whole, or as server-sent events while it grows.
//
// Both are fed by the same calls, so that both say the same. On the thread that serves the request.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/openai_server/answer_json.h"
#include "base/openai_server/chat_backend.h"

namespace temper {

// Keeps everything until the end.
class WholeAnswer final : public ServedSink {
 public:
  // Both outlive it.
  WholeAnswer(const ServedRequest& request, const AnswerForm& form);

  void Prompt(int choice, std::span<const int32_t> tokens) override;
  void Text(int choice, std::string_view text, std::span<const ServedToken> tokens) override;
  void Reasoning(int choice, std::string_view text, std::span<const ServedToken> tokens) override;
  void Finish(int choice, const ServedFinish& finish) override;
  void Progress(std::string_view line) override {}

  // INTERNAL: a choice did not end.
  absl::StatusOr<std::string> Body(const ServedUsage& usage) const;

 private:
  const ServedRequest& request_;
  const AnswerForm& form_;
  std::vector<AnswerChoice> choices_;
};

// "data: {...}\n\n" for each piece, "data: [DONE]\n\n" after the last.
class StreamedAnswer final : public ServedSink {
 public:
  // `send` passes bytes on; the first call begins the answer, with status 200. All outlive it.
  StreamedAnswer(const ServedRequest& request, AnswerForm& form,
                 std::function<void(std::string_view)> send);

  void Prompt(int choice, std::span<const int32_t> tokens) override;
  void Text(int choice, std::string_view text, std::span<const ServedToken> tokens) override;
  void Reasoning(int choice, std::string_view text, std::span<const ServedToken> tokens) override;
  void Finish(int choice, const ServedFinish& finish) override;
  // ": line\n\n", a comment that clients pass over.
  void Progress(std::string_view line) override;

  // Nothing was sent yet: an error may still become a status.
  bool begun() const { return begun_; }
  // After all choices; where one did not end this is Break().
  absl::Status End(const ServedUsage& usage);
  // Instead of the rest: the error, and no [DONE].
  void Break(const absl::Status& error);

 private:
  void Add(int choice, AnswerChoice added);
  void Send(std::string_view event);

  const ServedRequest& request_;
  AnswerForm& form_;
  const std::function<void(std::string_view)> send_;
  bool begun_ = false;
  struct Progressed {
    bool begun = false, ended = false;
    std::optional<std::vector<int32_t>> prompt_tokens;  // for the first chunk
  };
  std::vector<Progressed> choices_;
};

}  // namespace temper
