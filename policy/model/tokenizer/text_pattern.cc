// Compiles patterns and finds their matches with PCRE2, with a bound on its steps and memory.
#include "policy/model/tokenizer/text_pattern.h"

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

constexpr size_t kPatternBytesMax = 4096;
constexpr uint32_t kMatchStepsMax = 1'000'000;
constexpr uint32_t kMatchKibibytesMax = 64 << 10;
constexpr size_t kJitStackMax = 4 << 20;

// Lets unique_ptr free PCRE2's handles.
template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* handle) const {
    kFree(handle);
  }
};

// What matching writes to: one for each thread, so that a match allocates nothing.
struct Workplace {
  Workplace()
      : found(pcre2_match_data_create(1, nullptr)), context(pcre2_match_context_create(nullptr)) {
    TEMPER_CHECK(found != nullptr && context != nullptr);
    pcre2_set_match_limit(context.get(), kMatchStepsMax);
    pcre2_set_heap_limit(context.get(), kMatchKibibytesMax);
  }
  // False when there is no more room to give.
  bool Widen() {
    if (stack != nullptr) return false;
    stack.reset(pcre2_jit_stack_create(32 << 10, kJitStackMax, nullptr));
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    return stack != nullptr;
  }

  std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data_free>> found;
  std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context_free>> context;
  std::unique_ptr<pcre2_jit_stack, Freed<pcre2_jit_stack_free>> stack;
};

size_t AfterCharacter(std::string_view text, size_t at) {
  do ++at;
  while (at < text.size() && (text[at] & 0xC0) == 0x80);
  return at;
}

}  // namespace

struct TextPattern::Code {
  std::unique_ptr<pcre2_code, Freed<pcre2_code_free>> code;
};

absl::StatusOr<TextPattern> TextPattern::Compile(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", pattern.size(), " bytes, more than ", kPatternBytesMax));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string translated, TranslatedPattern(pattern));
  const std::unique_ptr<pcre2_compile_context, Freed<pcre2_compile_context_free>> context(
      pcre2_compile_context_create(nullptr));
  TEMPER_CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  size_t offset = 0;
  auto code = std::make_shared<Code>();
  code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset,
                                 context.get()));
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
  thread_local Workplace workplace;
  size_t at = 0;
  size_t last_end = std::string_view::npos;
  while (at <= text.size()) {
    const int result =
        pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                    PCRE2_NO_UTF_CHECK, workplace.found.get(), workplace.context.get());
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && workplace.Widen()) continue;
    if (result < 0) return;
    const size_t* span = pcre2_get_ovector_pointer(workplace.found.get());
    const size_t begin = span[0], end = span[1];
    TEMPER_CHECK(begin <= end && at <= begin);  // \K, which could do that, is refused
    if (begin == end && end == last_end) {
      at = AfterCharacter(text, at);
      continue;
    }
    matches.push_back({begin, end});
    at = last_end = end;
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

}  // namespace temper::model
