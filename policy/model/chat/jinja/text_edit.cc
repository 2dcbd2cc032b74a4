// Everything is cut with Slice() and put together with Append(), which carry the marks.
#include "policy/model/chat/jinja/text_edit.h"

#include <algorithm>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/unicode.h"

namespace temper::model::jinja {
namespace {

// Where the character that ends before `end` begins.
size_t Before(std::string_view text, size_t end) {
  --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return end;
}

absl::StatusOr<std::vector<Text>> SplitSpaces(Meter& meter, const Text& text, int64_t splits_max,
                                              bool from_right) {
  const std::string& in = text.bytes();
  TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text.size() / kCharactersPerStep)));
  std::vector<Span> words;
  for (size_t at = 0; at < in.size();) {
    const Character c = CharacterAt(in, at);
    if (!IsSpace(c.code)) {
      if (!words.empty() && words.back().end == at) {
        words.back().end = at + c.bytes;
      } else {
        TEMPER_RETURN_IF_ERROR(meter.Steps(kStepsPerPart));
        words.push_back({at, at + c.bytes});
      }
    }
    at += c.bytes;
  }
  std::vector<Text> parts;
  const size_t kept = splits_max < 0 ? words.size() : static_cast<size_t>(splits_max);
  if (words.size() <= kept) {
    for (const Span& word : words) parts.push_back(text.Slice(word.begin, word.end));
  } else if (from_right) {
    // The rest at the left loses the spaces at its right only, and the other way round.
    const size_t first = words.size() - kept;
    parts.push_back(text.Slice(0, words[first - 1].end));
    for (size_t i = first; i < words.size(); ++i) {
      parts.push_back(text.Slice(words[i].begin, words[i].end));
    }
  } else {
    for (size_t i = 0; i < kept; ++i) parts.push_back(text.Slice(words[i].begin, words[i].end));
    parts.push_back(text.Slice(words[kept].begin, in.size()));
  }
  return parts;
}

bool IsLineEnd(char32_t code) {
  return (code >= 0x0a && code <= 0x0d) || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

}  // namespace

Text Strip(const Text& text, Side side, const std::string* chars) {
  const std::string& in = text.bytes();
  const auto goes = [&](size_t at) {
    const Character c = CharacterAt(in, at);
    if (chars == nullptr) return IsSpace(c.code);
    for (size_t i = 0; i < chars->size();) {
      const Character other = CharacterAt(*chars, i);
      if (other.code == c.code) return true;
      i += other.bytes;
    }
    return false;
  };
  size_t begin = 0, end = in.size();
  if (side != Side::kRight) {
    while (begin < end && goes(begin)) begin += CharacterAt(in, begin).bytes;
  }
  if (side != Side::kLeft) {
    while (end > begin && goes(Before(in, end))) end = Before(in, end);
  }
  return text.Slice(begin, end);
}

absl::StatusOr<Text> Replace(Meter& meter, const Text& text, const Text& from, const Text& to,
                             int64_t count) {
  const std::string& in = text.bytes();
  Text result;
  size_t kept = 0;  // up to here the text was copied
  size_t at = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    const size_t found = from.empty() ? at : FindText(in, from.bytes(), at);
    if (found == std::string::npos || found > in.size()) break;
    TEMPER_RETURN_IF_ERROR(
        meter.Steps(1 + static_cast<int64_t>(to.size() / kBytesPerStep + to.input().size())));
    result.Append(text.Slice(kept, found));
    result.Append(to);
    if (result.size() > meter.limits().text_bytes) {
      TEMPER_RETURN_IF_ERROR(meter.Text(result.size()));
    }
    kept = found + from.size();
    at = kept;
    if (from.empty()) {
      if (at == in.size()) break;
      at += CharacterAt(in, at).bytes;
    }
  }
  result.Append(text.Slice(kept, in.size()));
  TEMPER_RETURN_IF_ERROR(meter.Text(result.size()));
  return result;
}

absl::StatusOr<std::vector<Text>> Split(Meter& meter, const Text& text,
                                        const std::string* separator, int64_t splits_max,
                                        bool from_right) {
  if (separator == nullptr) return SplitSpaces(meter, text, splits_max, from_right);
  TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text.size() / kBytesPerStep)));
  const std::string& in = text.bytes();
  std::vector<Text> parts;
  if (from_right) {
    size_t end = in.size();
    while (splits_max < 0 || static_cast<int64_t>(parts.size()) < splits_max) {
      if (end < separator->size()) break;
      const size_t found = in.rfind(*separator, end - separator->size());
      if (found == std::string::npos) break;
      TEMPER_RETURN_IF_ERROR(meter.Steps(kStepsPerPart));
      parts.push_back(text.Slice(found + separator->size(), end));
      end = found;
    }
    parts.push_back(text.Slice(0, end));
    std::ranges::reverse(parts);
    return parts;
  }
  size_t begin = 0;
  while (splits_max < 0 || static_cast<int64_t>(parts.size()) < splits_max) {
    const size_t found = FindText(in, *separator, begin);
    if (found == std::string::npos) break;
    TEMPER_RETURN_IF_ERROR(meter.Steps(kStepsPerPart));
    parts.push_back(text.Slice(begin, found));
    begin = found + separator->size();
  }
  parts.push_back(text.Slice(begin, in.size()));
  return parts;
}

absl::StatusOr<std::vector<Text>> SplitLines(Meter& meter, const Text& text, bool keep_ends) {
  TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text.size() / kCharactersPerStep)));
  const std::string& in = text.bytes();
  std::vector<Text> lines;
  size_t begin = 0;
  for (size_t at = 0; at < in.size();) {
    const Character c = CharacterAt(in, at);
    const size_t end = at;
    at += c.bytes;
    if (!IsLineEnd(c.code)) continue;
    if (c.code == '\r' && at < in.size() && in[at] == '\n') ++at;
    TEMPER_RETURN_IF_ERROR(meter.Steps(kStepsPerPart));
    lines.push_back(text.Slice(begin, keep_ends ? at : end));
    begin = at;
  }
  if (begin < in.size()) lines.push_back(text.Slice(begin, in.size()));
  return lines;
}

absl::StatusOr<Text> Join(Meter& meter, const Text& separator, const std::vector<Text>& parts) {
  Text joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t added = parts[i].size() + separator.size();
    TEMPER_RETURN_IF_ERROR(
        meter.Steps(1 + static_cast<int64_t>(added / kBytesPerStep + parts[i].input().size() +
                                             separator.input().size())));
    if (joined.size() + added > meter.limits().text_bytes + separator.size()) {
      TEMPER_RETURN_IF_ERROR(meter.Text(joined.size() + added));
    }
    if (i > 0) joined.Append(separator);
    joined.Append(parts[i]);
  }
  return joined;
}

Text Centered(const Text& text, int64_t width) {
  const int64_t missing = width - static_cast<int64_t>(CountCharacters(text.bytes()));
  if (missing <= 0) return text;
  // Python's own rule for the odd space.
  const int64_t left = missing / 2 + (missing & width & 1);
  Text centered(std::string(left, ' '));
  centered.Append(text);
  centered.Append(std::string(missing - left, ' '));
  return centered;
}

int64_t CountWords(std::string_view text) {
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    const bool word = c.code == '_' || IsAlpha(c.code) || IsNumeric(c.code);
    words += word && !inside ? 1 : 0;
    inside = word;
    at += c.bytes;
  }
  return words;
}

}  // namespace temper::model::jinja
