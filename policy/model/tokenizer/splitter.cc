// Patterns translated for PCRE2, and what is done with their matches.
#include "policy/model/tokenizer/splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::model {
namespace {

constexpr uint32_t kMatchStepsMax = 1'000'000;
constexpr size_t kJitStackMax = 4 << 20;

// PCRE2 counts U+180E as a space, Unicode no longer does; and Oniguruma's \w holds marks.
constexpr char kSpace[] =
    "\\t-\\r\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"
    "\\x{3000}";
constexpr char kWord[] = "\\p{L}\\p{M}\\p{N}\\p{Pc}";

// Rewrites a pattern construct by construct.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (at_ < in_.size()) TEMPER_RETURN_IF_ERROR(Step());
    return out_;
  }

 private:
  absl::Status Step() {
    const char c = in_[at_];
    if (c == '\\') return Escape();
    if (in_class_) return InClass(c);
    if (c == '[') {
      in_class_ = true;
      Copy(1);
      if (Peek(0) == '^') Copy(1);
      if (Peek(0) == ']') return Unsupported("an empty character class");
      return absl::OkStatus();
    }
    if (c == '(' && Peek(1) == '?' && (std::isalpha(Peek(2)) || Peek(2) == '-')) return Flags();
    if (c == '(' && Peek(1) == '*') return Unsupported("(*");
    if (c == '{') return Braces();
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status InClass(char c) {
    if (c == '[') return Unsupported("a character class inside another");
    if (c == '&' && Peek(1) == '&') return Unsupported("&& in a character class");
    if (c == ']') in_class_ = false;
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status Escape() {
    const char c = Peek(1);
    switch (c) {
      case 's':
        return Replace(2, in_class_ ? kSpace : absl::StrCat("[", kSpace, "]"));
      case 'S':
        if (in_class_) return Unsupported("\\S in a character class");
        return Replace(2, absl::StrCat("[^", kSpace, "]"));
      case 'w':
        return Replace(2, in_class_ ? kWord : absl::StrCat("[", kWord, "]"));
      case 'W':
        if (in_class_) return Unsupported("\\W in a character class");
        return Replace(2, absl::StrCat("[^", kWord, "]"));
      case 'v':
        return Replace(2, "\\x{0b}");
      case 'u':
        if (in_.size() < at_ + 6) return Unsupported("a \\u without four digits");
        return Replace(6, absl::StrCat("\\x{", std::string(in_.substr(at_ + 2, 4)), "}"));
      case 'p':
      case 'P':
      case 'x': {
        const size_t close = Peek(2) == '{' ? in_.find('}', at_) : at_ + 2;
        if (close == std::string_view::npos) return Unsupported("an open brace");
        Copy(close + 1 - at_);
        return absl::OkStatus();
      }
      default:
        if (std::isalnum(c) && std::string_view("dDbBnrtfAzZ").find(c) == std::string_view::npos) {
          return Unsupported(absl::StrCat("\\", std::string(1, c)));
        }
        Copy(2);
        return absl::OkStatus();
    }
  }

  // (?i) means the same in both; m, s and x do not.
  absl::Status Flags() {
    for (size_t i = 2; Peek(i) != ')' && Peek(i) != ':'; ++i) {
      if (Peek(i) != 'i' && Peek(i) != '-') return Unsupported("flags other than (?i)");
    }
    Copy(2);
    return absl::OkStatus();
  }

  // x{1,3}+ repeats in one and forbids going back in the other.
  absl::Status Braces() {
    const size_t close = in_.find('}', at_);
    if (close != std::string_view::npos && close + 1 < in_.size() && in_[close + 1] == '+') {
      return Unsupported("a + after {...}");
    }
    Copy(1);
    return absl::OkStatus();
  }

  char Peek(size_t ahead) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  void Copy(size_t count) {
    out_.append(in_.substr(at_, count));
    at_ = std::min(in_.size(), at_ + count);
  }
  absl::Status Replace(size_t count, std::string_view text) {
    out_.append(text);
    at_ += count;
    return absl::OkStatus();
  }
  absl::Status Unsupported(std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("at place ", at_, ": ", std::string(what), " is not supported"));
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  bool in_class_ = false;
};

// Lets unique_ptr free PCRE2's handles.
template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* handle) const {
    kFree(handle);
  }
};

}  // namespace

struct TextPattern::Code {
  std::unique_ptr<pcre2_code, Freed<pcre2_code_free>> code;
};

absl::StatusOr<TextPattern> TextPattern::Compile(std::string_view pattern) {
  TEMPER_ASSIGN_OR_RETURN(const std::string translated, Translator(pattern).Run());
  int error = 0;
  size_t offset = 0;
  auto code = std::make_shared<Code>();
  code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset,
                                 nullptr));
  if (code->code == nullptr) {
    PCRE2_UCHAR words[256];
    pcre2_get_error_message(error, words, sizeof(words));
    return absl::InvalidArgumentError(reinterpret_cast<const char*>(words));
  }
  // Where the machine forbids making code at run time, matching is only slower.
  pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE);
  return TextPattern(std::move(code));
}

void TextPattern::FindAll(std::string_view text, std::vector<Match>& matches) const {
  const std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data_free>> found(
      pcre2_match_data_create(1, nullptr));
  const std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context_free>> context(
      pcre2_match_context_create(nullptr));
  TEMPER_CHECK(found != nullptr && context != nullptr);
  pcre2_set_match_limit(context.get(), kMatchStepsMax);
  std::unique_ptr<pcre2_jit_stack, Freed<pcre2_jit_stack_free>> stack;
  size_t at = 0;
  while (at <= text.size()) {
    const int result = pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                   text.size(), at, PCRE2_NO_UTF_CHECK, found.get(), context.get());
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && stack == nullptr) {
      stack.reset(pcre2_jit_stack_create(32 << 10, kJitStackMax, nullptr));
      pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
      continue;
    }
    if (result < 0) return;
    const size_t* span = pcre2_get_ovector_pointer(found.get());
    const size_t begin = span[0], end = span[1];
    if (end < begin || begin < at) return;  // only \K and the like could do that
    if (end > begin) matches.push_back({begin, end});
    at = end;
    if (end == begin) {  // an empty match splits nothing: go on after the next character
      do ++at;
      while (at < text.size() && (text[at] & 0xC0) == 0x80);
    }
  }
}

std::string EscapedPattern(std::string_view literal) {
  std::string pattern;
  for (const char c : literal) {
    if (static_cast<uint8_t>(c) < 0x80 && std::ispunct(c)) pattern.push_back('\\');
    pattern.push_back(c);
  }
  return pattern;
}

namespace {

struct Part {
  std::string_view text;
  bool match;
};

// Matches and what lies between them, covering the piece; nothing is empty.
std::vector<Part> Parts(const SplitStep& step, std::string_view piece,
                        std::vector<TextPattern::Match>& matches) {
  matches.clear();
  step.pattern.front().FindAll(piece, matches);
  std::vector<Part> parts;
  size_t at = 0;
  for (const TextPattern::Match& match : matches) {
    if (match.begin > at) parts.push_back({piece.substr(at, match.begin - at), step.invert});
    parts.push_back({piece.substr(match.begin, match.end - match.begin), !step.invert});
    at = match.end;
  }
  if (at < piece.size()) parts.push_back({piece.substr(at), step.invert});
  return parts;
}

// True when `part` belongs to the piece that ends before it.
bool Joins(SplitStep::Behavior behavior, bool previous_match, const Part& part) {
  switch (behavior) {
    case SplitStep::Behavior::kMergedWithPrevious:
      return part.match && !previous_match;
    case SplitStep::Behavior::kMergedWithNext:
      return !part.match && previous_match;
    case SplitStep::Behavior::kContiguous:
      return part.match == previous_match;
    default:
      return false;
  }
}

void SplitPiece(const SplitStep& step, std::string_view piece,
                std::vector<TextPattern::Match>& matches, std::vector<std::string_view>& pieces) {
  bool first = true, previous_match = false;
  for (const Part& part : Parts(step, piece, matches)) {
    if (step.behavior == SplitStep::Behavior::kRemoved && part.match) continue;
    if (!first && Joins(step.behavior, previous_match, part)) {
      std::string_view& last = pieces.back();
      last = std::string_view(last.data(), last.size() + part.text.size());
    } else {
      pieces.push_back(part.text);
    }
    first = false;
    previous_match = part.match;
  }
}

}  // namespace

std::vector<std::string_view> Splitter::Split(std::string_view text,
                                              std::deque<std::string>& owned) const {
  std::vector<std::string_view> pieces;
  if (!text.empty()) pieces.push_back(text);
  std::vector<TextPattern::Match> matches;
  for (const SplitStep& step : steps_) {
    std::vector<std::string_view> next;
    for (std::string_view piece : pieces) {
      if (step.add_prefix_space && !piece.starts_with(' ')) {
        piece = owned.emplace_back(absl::StrCat(" ", std::string(piece)));
      }
      if (step.pattern.empty()) {
        next.push_back(piece);
      } else {
        SplitPiece(step, piece, matches, next);
      }
    }
    pieces = std::move(next);
  }
  return pieces;
}

}  // namespace temper::model
