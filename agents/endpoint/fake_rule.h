// One rule of a fake script: when it applies, and what it is made of.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/endpoint/fake_script.h"
#include "agents/endpoint/json_fields.h"
#include "re2/re2.h"

namespace temper::agents {

inline bool IsFakeSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Groups 1 to 9 of the match on the last message.
struct FakeMatch {
  std::array<std::string, 9> groups;
};

// A number that may depend on what was asked.
struct FakeNumber {
  enum class Kind { kConstant, kDigest, kLength, kCapture };
  Kind kind = Kind::kDigest;
  double constant = 0;
  double low = 0, high = 1;
  std::shared_ptr<const RE2> pattern;
  // kCapture that finds no number: 0.
  double Value(std::string_view last, uint64_t hash) const;
};

// What fills the holes of a reply.
struct FakeTemplateValues {
  uint64_t hash;
  int64_t sample;
  const std::string& last;
  const std::array<std::string, 9>& groups;
};

// A reply with its holes.
class FakeTemplate {
 public:
  static absl::StatusOr<FakeTemplate> Parse(std::string_view text);

  std::string Fill(const FakeTemplateValues& values) const;

 private:
  struct Piece {
    enum class Kind { kText, kSample, kDigest, kLast, kRandom, kNumber, kWords, kGroup };
    Kind kind = Kind::kText;
    std::string text;
    std::vector<std::string> words;  // kRandom
    int64_t low = 0, high = 0;       // kNumber; kWords, kGroup: low
  };
  static absl::StatusOr<Piece> Hole(std::string_view inside);

  std::vector<Piece> pieces_;
};

// Words made of a hash alone.
std::string DefaultFakeText(uint64_t hash);
std::string FakeWords(uint64_t hash, int64_t count);

struct FakeScript::Rule {
  std::unique_ptr<const RE2> last, prompt, model;  // null: anything
  std::optional<FakeTemplate> reply;
  std::optional<FakeNumber> score, yes;
  std::optional<absl::Duration> latency, jitter;
  FakeFault fault = FakeFault::kNone;
  double retry_after = 0;
  mutable std::atomic<int64_t> times{INT64_MAX};  // left

  // Takes one of `times` where it matches.
  bool Matches(std::string_view asked_model, std::string_view whole, std::string_view last_message,
               FakeMatch& match) const;
};

absl::StatusOr<std::unique_ptr<FakeScript::Rule>> ReadFakeRule(const nlohmann::ordered_json& object,
                                                               const std::string& path);
absl::Duration ReadMilliseconds(JsonFields& fields, std::string_view key);

}  // namespace temper::agents
