// Three filters in a row: tokens to characters, characters to a stop, text to thought and answer.
#include "orchestrator/cli/growing_text.h"

#include <algorithm>
#include <utility>

namespace temper::cli {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";

// Bytes at the end of `text` that `wanted` begins with, less than all of it.
size_t OpenBytes(std::string_view text, std::string_view wanted) {
  for (size_t size = std::min(text.size(), wanted.size() - 1); size > 0; --size) {
    if (wanted.starts_with(text.substr(text.size() - size))) return size;
  }
  return 0;
}

}  // namespace

std::string StopCutter::Append(std::string_view text) {
  if (found_.has_value()) return "";
  held_ += text;
  size_t at = std::string::npos;
  size_t open = 0;
  for (const std::string& stop : stops_) {
    if (const size_t place = held_.find(stop); place < at) {
      at = place;
      found_ = stop;
    }
    open = std::max(open, OpenBytes(held_, stop));
  }
  const size_t certain = found_.has_value() ? at : held_.size() - open;
  std::string cut = held_.substr(0, certain);
  held_ = found_.has_value() ? "" : held_.substr(certain);
  return cut;
}

std::string StopCutter::Finish() { return std::exchange(held_, ""); }

void ThoughtSplitter::DropLeadingSpace() {
  if (!at_start_) return;
  held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
  at_start_ = held_.empty();
}

// White space may come before the tag; anything else means that the answer does not think.
void ThoughtSplitter::Before(TextPiece& piece) {
  const size_t space = std::min(held_.find_first_not_of(kSpace), held_.size());
  const std::string_view words = std::string_view(held_).substr(space);
  if (words.starts_with(kOpen)) {
    held_.erase(0, space + kOpen.size());
    state_ = State::kInside;
    Inside(piece);
  } else if (!kOpen.starts_with(words)) {
    at_start_ = false;  // an answer keeps its own white space
    state_ = State::kAfter;
    After(piece);
  }
}

void ThoughtSplitter::Inside(TextPiece& piece) {
  DropLeadingSpace();
  const size_t close = held_.find(kClose);
  const size_t end = close != std::string::npos ? close : held_.size() - OpenBytes(held_, kClose);
  const size_t last = held_.find_last_not_of(kSpace, end == 0 ? std::string::npos : end - 1);
  const size_t certain = end == 0 || last == std::string::npos ? 0 : last + 1;
  piece.reasoning += held_.substr(0, certain);
  if (close == std::string::npos) {
    held_.erase(0, certain);
    return;
  }
  held_.erase(0, close + kClose.size());
  at_start_ = true;
  state_ = State::kAfter;
  After(piece);
}

void ThoughtSplitter::After(TextPiece& piece) {
  DropLeadingSpace();
  piece.text += std::exchange(held_, "");
}

TextPiece ThoughtSplitter::Append(std::string_view text) {
  held_ += text;
  TextPiece piece;
  if (state_ == State::kBefore) {
    Before(piece);
  } else if (state_ == State::kInside) {
    Inside(piece);
  } else {
    After(piece);
  }
  return piece;
}

TextPiece ThoughtSplitter::Finish() {
  TextPiece piece;
  (state_ == State::kInside ? piece.reasoning : piece.text) = std::exchange(held_, "");
  return piece;
}

GrowingText::GrowingText(const model::Tokenizer& tokenizer, Options options)
    : tokenizer_(tokenizer),
      splits_thoughts_(options.splits_thoughts),
      decoder_(tokenizer, /*skip_special_tokens=*/true),
      cutter_(std::move(options.stop)),
      splitter_(options.in_thought) {}

TextPiece GrowingText::Split(std::string text) {
  if (!splits_thoughts_) return {.text = std::move(text)};
  return splitter_.Append(text);
}

// In some tokenizers the tags are special tokens, which texts leave out.
std::string GrowingText::HiddenTag(int32_t token) const {
  if (!splits_thoughts_ || !tokenizer_.TokenBytes(token, true).empty()) return "";
  const std::string_view bytes = tokenizer_.TokenBytes(token, false);
  return bytes == kOpen || bytes == kClose ? std::string(bytes) : "";
}

TextPiece GrowingText::Append(int32_t token) {
  const bool before = splits_thoughts_ && splitter_.inside();
  TextPiece piece = Split(cutter_.Append(decoder_.Append(token) + HiddenTag(token)));
  reasoning_ = before || (splits_thoughts_ && splitter_.inside());
  return piece;
}

TextPiece GrowingText::Finish() {
  TextPiece piece = Split(cutter_.Append(decoder_.Finish()) + cutter_.Finish());
  if (!splits_thoughts_) return piece;
  TextPiece rest = splitter_.Finish();
  piece.reasoning += rest.reasoning;
  piece.text += rest.text;
  return piece;
}

}  // namespace temper::cli
