// What stands behind an OpenAI-compatible server: the request, where its answer goes, who answers.
//
// Implementations: a model folder (orchestrator/cli/serve*), an agent graph.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper {

struct ServedModel {
  std::string id;
  int64_t created = 0;  // Unix seconds
  std::string owned_by = "temper";
  std::optional<int64_t> context_tokens;  // shown as max_model_len
};

// One prompt of /v1/completions: a text, or token ids where those are not empty.
struct ServedPrompt {
  std::string text;
  std::vector<int32_t> tokens;
};

struct ServedRequest {
  enum class Kind { kChat, kCompletion };

  Kind kind = Kind::kChat;
  std::string model;  // one of Models()
  // As the client sent them, any role, unknown keys kept; at least one, each an object with a role.
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools;                                         // a list, or null
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();  // chat_template_kwargs
  std::vector<ServedPrompt> prompts;                                    // kCompletion: at least one
  int n = 1;                     // of each prompt; choice = prompt * n + sample
  std::optional<uint64_t> seed;  // of a negative one, its two's complement
  std::optional<double> temperature, top_p;
  std::optional<int64_t> max_tokens;
  std::vector<std::string> stop;  // none is empty
  bool logprobs = false;
  int top_logprobs = 0;  // 0 to 20
  bool stream = false;
  bool include_usage = false;
  std::optional<bool> thinking;
  std::optional<int64_t> thinking_budget;
  bool return_token_ids = false;
  std::string idempotency_key;  // of the header Idempotency-Key, else "request_id"; may be empty
  nlohmann::ordered_json body;  // all of it

  int choices() const { return n * (kind == Kind::kChat ? 1 : static_cast<int>(prompts.size())); }
};

// One sampled token.
struct ServedToken {
  int32_t id = -1;
  std::string bytes;  // as the tokenizer has them; may be a piece of a character
  double logprob = 0;
  std::vector<std::pair<std::string, double>> top;  // bytes and log-probability, likeliest first
};

struct ServedFinish {
  std::string reason = "stop";             // "stop", "length"
  std::optional<std::string> stop_string;  // that ended it
};

// Where an answer goes, on the thread that serves the request, choices in any order among each
// other. Texts are valid UTF-8. Tokens need not lie exactly under the text they come with: a
// character or a possible stop string holds text back. They are given where log-probabilities or
// token ids were asked for.
class ServedSink {
 public:
  virtual ~ServedSink() = default;
  // Before the choice's first piece; only where token ids were asked for.
  virtual void Prompt(int choice, std::span<const int32_t> tokens) = 0;
  virtual void Text(int choice, std::string_view text, std::span<const ServedToken> tokens) = 0;
  virtual void Reasoning(int choice, std::string_view text,
                         std::span<const ServedToken> tokens) = 0;
  // Once for every choice, after its last piece.
  virtual void Finish(int choice, const ServedFinish& finish) = 0;
  // A line for people who watch ("edit 5/8"); only a stream shows it. Fixes the HTTP status at 200.
  virtual void Progress(std::string_view line) = 0;
};

struct ServedUsage {
  int64_t prompt_tokens = 0;      // of each prompt once
  int64_t completion_tokens = 0;  // of all choices, those of reasoning included
  int64_t reasoning_tokens = 0;
  nlohmann::ordered_json extra;  // null, or an object: its keys stand beside "usage"
};

// How a backend learns that nobody waits for the answer any more. Any thread.
class CallEnd {
 public:
  virtual ~CallEnd() = default;
  // The client has gone, or the server ends. Cheap enough to be asked for every token.
  virtual bool ended() const = 0;
};

// Any thread; many calls at once.
class ChatBackend {
 public:
  virtual ~ChatBackend() = default;

  virtual std::vector<ServedModel> Models() = 0;

  // Blocks until the answer is complete; calls `sink` on this thread only. What is referred to
  // lives until it returns. Errors become HTTP's (api_error.h), before the first call of `sink`
  // as a status, later within the stream. CANCELLED: `end` said so.
  virtual absl::StatusOr<ServedUsage> Serve(const ServedRequest& request, ServedSink& sink,
                                            const CallEnd& end) = 0;
};

}  // namespace temper
