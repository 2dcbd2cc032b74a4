// A string that remembers which of its bytes came from the conversation.
//
// What a user wrote must be told apart from what the template wrote when the result becomes tokens:
// only the template may spell special tokens. The marks follow the bytes through slices, joins and
// replacements; where bytes change (upper, title), one marked byte marks them all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace temper::model::jinja {

// Bytes [begin, end).
struct Span {
  size_t begin = 0;
  size_t end = 0;
};

// Where `part` stands in `text`, from byte `from` on; npos when it does not. Linear in the worst
// case.
size_t FindText(std::string_view text, std::string_view part, size_t from = 0);

class Text {
 public:
  Text() = default;
  // What a template wrote.
  explicit Text(std::string bytes) : bytes_(std::move(bytes)) {}
  static Text FromInput(std::string bytes);

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  // In order, apart from each other, none empty.
  const std::vector<Span>& input() const { return input_; }

  void Append(const Text& text);
  void Append(std::string_view bytes) { bytes_ += bytes; }
  // Bytes made of `source`'s.
  void Append(std::string_view bytes, const Text& source);
  Text Slice(size_t begin, size_t end) const;
  // `bytes`, made of this text's.
  Text Changed(std::string bytes) const;
  void Reserve(size_t bytes) { bytes_.reserve(bytes); }

 private:
  void Mark(size_t begin, size_t end);

  std::string bytes_;
  std::vector<Span> input_;
};

}  // namespace temper::model::jinja
