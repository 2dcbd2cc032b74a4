// Keeps the marks beside the bytes.
#include "policy/model/chat/jinja/text.h"

#include <algorithm>
#include <cstring>

namespace temper::model::jinja {
namespace {

// Up to here looking at all of it at every place is quicker than memmem()'s preparations.
constexpr size_t kShortPart = 16;

}  // namespace

size_t FindText(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.size() <= kShortPart) return text.find(part, from);
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

Text Text::FromInput(std::string bytes) {
  Text text(std::move(bytes));
  text.Mark(0, text.size());
  return text;
}

void Text::Mark(size_t begin, size_t end) {
  if (begin == end) return;
  if (!input_.empty() && input_.back().end == begin) {
    input_.back().end = end;
  } else {
    input_.push_back({begin, end});
  }
}

void Text::Append(const Text& text) {
  const size_t at = size();
  bytes_ += text.bytes_;
  for (const Span& span : text.input_) Mark(at + span.begin, at + span.end);
}

void Text::Append(std::string_view bytes, const Text& source) {
  const size_t at = size();
  bytes_ += bytes;
  if (!source.input_.empty()) Mark(at, size());
}

Text Text::Slice(size_t begin, size_t end) const {
  Text slice(bytes_.substr(begin, end - begin));
  const auto first =
      std::ranges::partition_point(input_, [begin](const Span& span) { return span.end <= begin; });
  for (auto span = first; span != input_.end() && span->begin < end; ++span) {
    slice.Mark(std::max(span->begin, begin) - begin, std::min(span->end, end) - begin);
  }
  return slice;
}

Text Text::Changed(std::string bytes) const {
  return input_.empty() ? Text(std::move(bytes)) : FromInput(std::move(bytes));
}

}  // namespace temper::model::jinja
