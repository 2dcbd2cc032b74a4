// What every verifier is: a pure judgement of one response in bounded work.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::reward {

// One response and what it is judged by. Views of the caller's bytes; what a verifier does not need
// may be empty.
struct Response {
  std::string_view text;      // the whole response, special tokens left out
  std::string_view gold;      // the gold answer
  std::string_view prompt;    // the problem, or the last thing the user said
  std::string_view chat;      // the whole conversation, as Prompt.chat_json; empty: just a prompt
  std::string_view metadata;  // JSON object, the other keys of the dataset line: "tests", ...
  int tokens = 0;             // length of the response; 0: not known
  int tokens_max = 0;         // the most it could have; 0: not known
  bool truncated = false;     // it ended because tokens_max were made
  bool extracted = false;     // the text is the final answer, or the program, itself
};

// Words of judgements; each verifier documents its own.
inline constexpr std::string_view kEqual = "equal";
inline constexpr std::string_view kNotEqual = "not_equal";
inline constexpr std::string_view kUndecided = "undecided";

// An outcome, not an error.
struct Judgement {
  std::string verdict{kNotEqual};
  double score = 0;     // in [0, 1]; undecided pays what a miss pays
  std::string reason;   // one line of printable ASCII
  std::string details;  // JSON object with what the verifier knows beyond that; often empty
};

// Judge() is const, keeps nothing between calls and never evaluates what a model wrote in its own
// process. Its work is bounded by counted steps, never by a clock, so that a busy machine gives the
// same verdict. Any thread. A failed Status means that no judgement could be made (the
// dataset or we are at fault): such a response has no score at all.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual absl::StatusOr<Judgement> Judge(const Response& response) const = 0;
};

// Quotes what a model wrote for a reason: cut to a few dozen bytes, everything unprintable escaped.
std::string Quoted(std::string_view text);

}  // namespace temper::reward
