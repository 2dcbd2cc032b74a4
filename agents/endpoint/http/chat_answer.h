// Puts a chat answer together from a stream of pieces, or from one JSON body, and says whether it
// is one.
//
// Whole is what has a finish reason for every choice, and "[DONE]" or the end of a JSON body. Pure;
// one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agents/endpoint/attempt.h"
#include "agents/endpoint/http/http_exchange.h"
#include "agents/endpoint/http/server_error.h"
#include "agents/endpoint/http/sse_reader.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

class ChatAnswer {
 public:
  // `samples`: asked for.
  explicit ChatAnswer(size_t samples);

  // False once all that matters has come.
  bool Feed(const HttpHead& head, std::string_view bytes);

  // What it came to; `ended` of the exchange. `prompt_bytes`: for an estimate where the server
  // counts nothing.
  AttemptEnd End(const HttpEnd& ended, absl::Time now, size_t prompt_bytes);
  // Moves what stands before "</think>" out of the text.
  static void SplitReasoning(EndpointText& text);

 private:
  void OnData(std::string_view data);
  void Read(const nlohmann::json& piece);
  void ReadChoice(const nlohmann::json& choice);
  void ReadLogprobs(const nlohmann::json& logprobs, EndpointText& text);
  absl::Status WhatIsMissing() const;

  const size_t samples_;
  std::optional<bool> stream_;  // once something has come
  SseReader events_;
  std::string body_;  // of what is no stream
  std::map<int64_t, EndpointText> texts_;
  std::vector<int32_t> prompt_tokens_;
  std::optional<int64_t> tokens_in_, tokens_out_;
  std::optional<ServerError> error_;
  std::string broken_;  // why this is no answer
  bool done_ = false;
};

}  // namespace temper::agents
