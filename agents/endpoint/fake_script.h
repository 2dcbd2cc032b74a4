// The scripted model: rules that say what a fake model answers, and what goes wrong.
//
// {"latency_ms": 5, "latency_jitter_ms": 5, "rules": [
//    {"match": {"last": "RE2", "prompt": "RE2", "model": "RE2"}, "times": 2,
//     "reply": "draft {{sample}} of {{digest}}", "score": 0.5, "yes": 0.9,
//     "fault": "http_503", "retry_after": 1.5, "latency_ms": 80}]}
//
// The first rule that matches, and has not been used up by `times`, answers. `match` may be one
// RE2: of the last message. In a reply: {{sample}} its number, {{digest}} 8 hex digits of prompt
// and sample, {{last}} the last message, {{random A B C}} one of the words, {{number 1 10}} a whole
// number, {{words 12}} so many words, {{1}} .. {{9}} groups of the match on the last message.
// `score` and `yes` (the chance of "Yes" for a judge that is asked for log-probabilities): a
// number, {"digest": [LOW, HIGH]}, {"length": FACTOR} (of the last message's words), or {"capture":
// "RE2 with a group"} of the last message. Without rules, texts come from the digest of model,
// messages and sample, and scores from that of the last message. Nothing else decides: the same
// question gives the same bits, but for `times`. Tokens are words. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

enum class FakeFault {
  kNone,
  kHttp503,
  kHttp429,
  kQuota,          // 429 with the code "insufficient_quota"
  kBadRequest,     // 400
  kContext,        // 400: the context is too short
  kTruncate,       // the stream ends in the middle
  kStall,          // says nothing more
  kErrorInStream,  // HTTP 200 with an error inside
  kLength,         // no error: half the text, and the finish reason "length"
};

struct FakeQuestion {
  std::string_view model;
  const nlohmann::ordered_json* messages = nullptr;
  // For each sample wanted: what stands for it in digests, and its number for {{sample}}.
  std::vector<std::pair<uint32_t, int64_t>> samples;
  int64_t max_tokens = INT64_MAX;
  bool logprobs = false;  // of the first token
};

struct FakeText {
  std::string text;
  std::string finish_reason;
  int64_t tokens = 0;
  std::vector<std::pair<std::string, double>> first_token;
};

struct FakeReply {
  FakeFault fault = FakeFault::kNone;
  absl::Duration latency;
  double retry_after_seconds = 0;  // 0: none
  std::vector<FakeText> texts;     // one for each sample; empty where the request fails at once
  double score = 0;
  int64_t tokens_in = 0;
};

class FakeScript {
 public:
  struct Rule;

  FakeScript();  // without rules
  ~FakeScript();
  // INVALID_ARGUMENT with the place, and the nearest right name.
  static absl::StatusOr<std::shared_ptr<const FakeScript>> Read(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const FakeScript>> Parse(std::string_view text,
                                                                 const std::string& path);

  // `seed` decides the jitter of the latency, and nothing else.
  FakeReply Answer(const FakeQuestion& question, uint64_t seed) const;
  // Of the whole script: part of the identity of what it answers.
  const std::string& digest() const { return digest_; }

  static int64_t CountTokens(std::string_view text);                   // words
  static int64_t CountTokens(const nlohmann::ordered_json& messages);  // of all contents

 private:
  static FakeText TextOf(const Rule* rule, const FakeQuestion& question,
                         const struct FakeTemplateValues& values);

  std::vector<std::unique_ptr<Rule>> rules_;
  absl::Duration latency_, jitter_;
  std::string digest_ = "default";
};

}  // namespace temper::agents
