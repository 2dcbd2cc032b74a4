// What every verifier is: a pure judgement of one response in bounded work.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::reward {

// One response and what it is judged by. Views of the caller's bytes.
struct Response {
  std::string_view text;
  // The gold answer; empty where the verifier needs none.
  std::string_view gold;
};

enum class Verdict { kEqual, kNotEqual, kUndecided };

// "equal", "not_equal", "undecided".
std::string_view VerdictName(Verdict verdict);

// An outcome, not an error.
struct Judgement {
  Verdict verdict = Verdict::kNotEqual;
  double score = 0;    // in [0, 1]; undecided pays what a miss pays
  std::string reason;  // one line of printable ASCII
};

// Judge() is const, keeps nothing between calls, never evaluates what a model wrote, and takes time
// linear in the response. Any thread. A failed Status means that no judgement could be made (the
// dataset or we are at fault): such a response has no score at all.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual absl::StatusOr<Judgement> Judge(const Response& response) const = 0;
};

// Quotes what a model wrote for a reason: cut to a few dozen bytes, everything unprintable escaped.
std::string Quoted(std::string_view text);

}  // namespace temper::reward
