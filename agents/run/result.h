// What a node asks of the world, and what came back.
//
// A want is one result that an execution needs; a call of an endpoint may bring several. Its key is
// its identity: the same key means the same question, so that what was paid for once is found again
// after a crash, an edit of the graph, or in another execution of the same input.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agents/graph/graph.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// Index for each axis of a value, the outermost first.
using Point = std::vector<int32_t>;

struct Usage {
  int64_t tokens_in = 0;
  int64_t tokens_out = 0;
  bool estimated = false;
};

// Never changed once it is recorded.
struct Result {
  // Not OK: a failure of ours or of a server. It is counted, and never stands for a value.
  absl::Status status;
  std::string text;  // valid UTF-8
  std::string reasoning;
  std::string finish_reason;
  std::vector<int32_t> prompt_tokens, tokens;  // where the server tells them
  std::vector<float> logprobs;                 // of `tokens`
  int64_t version = -1;                        // of the weights, where it is known
  std::vector<std::pair<std::string, double>> first_token;
  std::optional<double> score;   // of a reward server; of a text in training: its verifiers'
  nlohmann::ordered_json value;  // of a tool or a person; null otherwise
  Usage usage;                   // this result's share of its call
};

// What the results of one instance have in common: they may be asked for in one call.
struct Question {
  enum class Kind { kChat, kScore, kTool, kAsk };
  Kind kind = Kind::kChat;
  const Role* role = nullptr;  // kChat, kScore; lives as long as the execution
  const Node* node = nullptr;  // whose it is; likewise
  std::string path;            // of the node, for people: "refine/critic"
  std::string key;             // of the question without the sample: randomness is drawn from it
  nlohmann::ordered_json messages;
  int top_logprobs = 0;
  std::string attribute;          // kScore
  nlohmann::ordered_json inputs;  // kTool, kAsk: what is handed over
};

struct Want {
  int64_t id = 0;   // within the execution, counting up
  std::string key;  // 16 bytes
  std::shared_ptr<const Question> question;
  int64_t sample = 0;
  std::string lineage;  // for people: "draft=3 refine#1"
  Point point;          // of the instance, over its axes; of a sub-graph's want: in the sub-graph
  // Smaller goes first: chains are finished before others are begun.
  std::vector<int32_t> order;
};

// For the store and back: a compact, versioned form. DATA_LOSS: not what ToBytes made.
std::string ToBytes(const Result& result);
absl::Status FromBytes(std::string_view bytes, Result& result);

}  // namespace temper::agents
