// Answers in OpenAI's JSON: a whole one, and the chunks of a streamed one.
//
// One form for each request, on the thread that serves it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/openai_server/chat_backend.h"
#include "nlohmann/json.hpp"

namespace temper {

// What is known of one choice: all of it, or what a chunk adds.
struct AnswerChoice {
  std::string text, reasoning;
  std::vector<ServedToken> tokens;
  std::optional<std::vector<int32_t>> prompt_tokens;
  std::optional<ServedFinish> finish;
};

class AnswerForm {
 public:
  using Json = nlohmann::ordered_json;

  // `request` outlives it.
  AnswerForm(const ServedRequest& request, std::string id, int64_t created);

  // Every choice is finished.
  Json Whole(const std::vector<AnswerChoice>& choices, const ServedUsage& usage) const;
  // `first`: of this choice; says the role.
  Json Chunk(int index, const AnswerChoice& added, bool first);
  // The last one, with no choices.
  Json UsageChunk(const ServedUsage& usage) const;

  const std::string& id() const { return id_; }

 private:
  Json Head(std::string_view object) const;
  Json Logprobs(const std::vector<ServedToken>& tokens, int64_t& offset) const;
  Json Choice(int index, const AnswerChoice& choice, const Json& logprobs) const;
  void AddUsage(const ServedUsage& usage, Json& to) const;

  const ServedRequest& request_;
  const std::string id_;
  const int64_t created_;
  std::vector<int64_t> offsets_;  // characters that each choice's tokens have made
};

}  // namespace temper
