// Normal forms from utf8proc's tables; the order of marks is ours, for utf8proc's takes O(n^2).
#include "policy/model/tokenizer/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::model {
namespace {

// The longest decomposition, of U+FDFA, has 18 characters.
constexpr int kDecompositionMax = 32;

bool Composes(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfkc; }
bool IsCompatibility(NormalForm form) {
  return form == NormalForm::kNfkc || form == NormalForm::kNfkd;
}

// True when every character lies below the first one that the form could change.
bool IsPlain(std::string_view text, NormalForm form) {
  // Nothing below U+0300 composes or moves, and 0xCC is the lead byte of U+0300.
  const uint8_t first = form == NormalForm::kNfc ? 0xCC : 0x80;
  return std::all_of(text.begin(), text.end(),
                     [first](char c) { return static_cast<uint8_t>(c) < first; });
}

std::vector<int32_t> Decomposed(std::string_view text, utf8proc_option_t options) {
  std::vector<int32_t> points;
  points.reserve(text.size());
  std::array<utf8proc_int32_t, kDecompositionMax> parts;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = -1;
    const utf8proc_ssize_t size =
        utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    TEMPER_CHECK(size > 0);
    at += size;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(point, parts.data(), parts.size(), options, nullptr);
    TEMPER_CHECK(count > 0 && count <= kDecompositionMax);
    points.insert(points.end(), parts.begin(), parts.begin() + count);
  }
  return points;
}

int Class(int32_t point) { return utf8proc_get_property(point)->combining_class; }

// Puts each run of combining marks into the order of their classes.
void OrderMarks(std::vector<int32_t>& points) {
  const auto is_mark = [](int32_t point) { return Class(point) != 0; };
  for (auto begin = points.begin(); begin != points.end();) {
    begin = std::find_if(begin, points.end(), is_mark);
    const auto end = std::find_if_not(begin, points.end(), is_mark);
    std::stable_sort(begin, end, [](int32_t a, int32_t b) { return Class(a) < Class(b); });
    begin = end;
  }
}

// utf8proc takes U+11A7 for the first of the finals that close a Hangul syllable, and drops it; it
// is none. So what lies between two of them is composed by itself.
std::string Encoded(const std::vector<int32_t>& points, int options) {
  constexpr int32_t kNoFinal = 0x11A7;
  constexpr char kNoFinalText[] = "\xE1\x86\xA7";
  std::string text;
  for (auto begin = points.begin();; ++begin) {
    const auto end = std::find(begin, points.end(), kNoFinal);
    std::vector<int32_t> buffer(begin, end);
    buffer.push_back(0);  // utf8proc ends what it writes with a zero byte
    const utf8proc_ssize_t size =
        utf8proc_reencode(buffer.data(), end - begin, static_cast<utf8proc_option_t>(options));
    TEMPER_CHECK(size >= 0);
    text.append(reinterpret_cast<const char*>(buffer.data()), size);
    if (end == points.end()) return text;
    text += kNoFinalText;
    begin = end;
  }
}

}  // namespace

std::string Normalized(std::string_view text, NormalForm form) {
  if (IsPlain(text, form)) return std::string(text);
  int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (IsCompatibility(form)) options |= UTF8PROC_COMPAT;
  std::vector<int32_t> points = Decomposed(text, static_cast<utf8proc_option_t>(options));
  OrderMarks(points);
  return Encoded(points, Composes(form) ? UTF8PROC_STABLE | UTF8PROC_COMPOSE : UTF8PROC_STABLE);
}

std::string ReplaceStep::Replaced(std::string_view text) const {
  std::vector<TextPattern::Match> matches;
  pattern.FindAll(text, matches);
  std::string replaced;
  size_t at = 0;
  for (const TextPattern::Match& match : matches) {
    replaced.append(text.substr(at, match.begin - at)).append(content);
    at = match.end;
  }
  return replaced.append(text.substr(at));
}

std::string_view Normalizer::Apply(std::string_view text, std::string& storage) const {
  for (const Step& step : steps_) {
    if (const auto* form = std::get_if<NormalForm>(&step)) {
      if (IsPlain(text, *form)) continue;
      storage = Normalized(text, *form);
    } else if (const auto* prepend = std::get_if<PrependStep>(&step)) {
      if (text.empty()) continue;
      storage = absl::StrCat(prepend->text, std::string(text));
    } else {
      storage = std::get<ReplaceStep>(step).Replaced(text);
    }
    text = storage;
  }
  return text;
}

}  // namespace temper::model
