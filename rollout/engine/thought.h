// Ends a thought that has grown too long: the closing tag is put in, not sampled.
//
// A model thinks between <think> and </think>. With a budget of N it may think N tokens; then the
// thought ends with the line under way, at the latest 500 tokens on, and the response goes on after
// it. The tokens put in carry the log-probability that the model gave them, and are marked as
// forced: they were not its choice, so nothing is to be learnt from them. Used on the engine's
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/model/tokenizer/tokenizer.h"

namespace temper::rollout {

struct ThinkingBudget {
  int64_t tokens = 0;   // of the thought, before its end is looked for; at least 1
  int64_t grace = 500;  // at most this many more to the end of the line
  // The prompt ends inside of a thought. Else the response may open one with its first words.
  bool open = false;
};

// The tags in a tokenizer's words; one for a group.
struct ThoughtTags {
  explicit ThoughtTags(const model::Tokenizer& tokenizer);

  int32_t open = -1;  // -1: the tag is no token of its own
  int32_t close = -1;
  std::vector<int32_t> at_line_end;  // "</think>\n\n"
  std::vector<int32_t> in_line;      // ".\n</think>\n\n"
};

// Where one sample stands.
class Thought {
 public:
  // No budget: nothing is ever forced. What is passed outlives the thought; tags are given where
  // there is a budget.
  Thought(const ThinkingBudget* budget, const ThoughtTags* tags);

  // The token that must come next; none: any may.
  std::optional<int32_t> Forced() const;
  // After every token: the response's text so far, of which it added the last `added` bytes.
  void Observe(int32_t token, std::string_view text, size_t added);

 private:
  enum class State { kBefore, kInside, kClosing, kOver };

  void ObserveBefore(int32_t token, std::string_view text);
  void ObserveInside(int32_t token, std::string_view text, size_t added);

  const ThinkingBudget* budget_;
  const ThoughtTags* tags_;
  State state_ = State::kOver;
  int64_t tokens_ = 0;  // of the thought so far
  const std::vector<int32_t>* closing_ = nullptr;
  size_t closed_ = 0;  // of `closing_`
};

}  // namespace temper::rollout
