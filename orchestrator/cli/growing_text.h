// What sampled tokens make certain of an answer: text that no later token can take back.
//
// Held back: a character that is not whole, the beginning of what may become a stop string, and of
// what may become the tag that ends a thought. All pieces together are the same whether they are
// looked at one by one or at the end. One for each answer, on one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/model/tokenizer/stream_decoder.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace temper::cli {

// Ends a text before the first stop string in it.
class StopCutter {
 public:
  explicit StopCutter(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  std::string Append(std::string_view text);
  // What was held back and became no stop string.
  std::string Finish();
  const std::optional<std::string>& found() const { return found_; }

 private:
  const std::vector<std::string> stops_;
  std::string held_;
  std::optional<std::string> found_;
};

struct TextPiece {
  std::string reasoning, text;
};

// Parts what a model thinks from what it answers, at <think> and </think>. The tags and the white
// space around them belong to neither.
class ThoughtSplitter {
 public:
  // open: the text begins inside of a thought; else it may open one with its first words.
  explicit ThoughtSplitter(bool open) : state_(open ? State::kInside : State::kBefore) {}

  TextPiece Append(std::string_view text);
  TextPiece Finish();
  bool inside() const { return state_ == State::kInside; }

 private:
  enum class State { kBefore, kInside, kAfter };

  void Before(TextPiece& piece);
  void Inside(TextPiece& piece);
  void After(TextPiece& piece);
  void DropLeadingSpace();

  State state_;
  bool at_start_ = true;  // of a part: white space is dropped
  std::string held_;
};

class GrowingText {
 public:
  struct Options {
    std::vector<std::string> stop;
    bool splits_thoughts = false;
    bool in_thought = false;  // where the prompt ends
  };
  // The tokenizer outlives it.
  GrowingText(const model::Tokenizer& tokenizer, Options options);

  TextPiece Append(int32_t token);
  // After the last token.
  TextPiece Finish();

  // The last token was part of a thought, or opened or closed one.
  bool reasoning() const { return reasoning_; }
  const std::optional<std::string>& stop_string() const { return cutter_.found(); }

 private:
  TextPiece Split(std::string text);
  std::string HiddenTag(int32_t token) const;

  const model::Tokenizer& tokenizer_;
  const bool splits_thoughts_;
  model::StreamDecoder decoder_;
  StopCutter cutter_;
  ThoughtSplitter splitter_;
  bool reasoning_ = false;
};

}  // namespace temper::cli
