// Counts tags; what stands between them must not be blank.
#include "reward/form/thinking_verifier.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "reward/text/code_points.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

constexpr size_t kTagBytesMax = 64;

std::string Lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lowered;
}

int CountOf(std::string_view text, std::string_view tag) {
  int count = 0;
  for (size_t at = text.find(tag); at != text.npos; at = text.find(tag, at + tag.size())) ++count;
  return count;
}

// Blanks of every script, and characters that show nothing.
bool IsBlank(std::string_view text) {
  const std::u32string points = Decoded(text);
  return std::all_of(points.begin(), points.end(), [](char32_t c) {
    return IsSpace(c) || c < 0x20 || c == 0x7F || c == 0xAD || (c >= 0x200B && c <= 0x200F) ||
           c == 0x2060 || c == 0xFEFF;
  });
}

std::string Found(int count, std::string_view tag) {
  return absl::StrCat("found ", Quoted(tag), " ", count, " times, expected ");
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> ThinkingVerifier::Create(
    const temper::v1::ThinkingOptions& options) {
  auto verifier = std::unique_ptr<ThinkingVerifier>(new ThinkingVerifier);
  if (!options.mode().empty() && options.mode() != "on" && options.mode() != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("thinking.mode: found ", Quoted(options.mode()), ", expected on or off"));
  }
  verifier->on_ = options.mode() != "off";
  verifier->open_ = options.open().empty() ? "<think>" : Lower(options.open());
  verifier->close_ = options.close().empty() ? "</think>" : Lower(options.close());
  const std::string& open = verifier->open_;
  const std::string& close = verifier->close_;
  for (const std::string& tag : {open, close}) {
    if (tag.size() > kTagBytesMax || IsBlank(tag)) {
      return absl::InvalidArgumentError(absl::StrCat("thinking: found the tag ", Quoted(tag),
                                                     ", expected 1 to ", kTagBytesMax,
                                                     " bytes that are not all blank"));
    }
  }
  if (open.find(close) != std::string::npos || close.find(open) != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("thinking: the tags ", Quoted(open), " and ",
                                                   Quoted(close), " cannot be told apart"));
  }
  verifier->opened_by_prompt_ = options.opened_by_prompt();
  verifier->empty_thought_ = options.empty_thought();
  return verifier;
}

std::string ThinkingVerifier::Problem(std::string_view text) const {
  const std::string lowered = Lower(text);
  const int opens = CountOf(lowered, open_);
  const int closes = CountOf(lowered, close_);
  if (!on_) {
    if (opens > 0) return absl::StrCat(Found(opens, open_), "none: thinking is off");
    if (closes > 0) return absl::StrCat(Found(closes, close_), "none: thinking is off");
    return IsBlank(text) ? "the answer is empty" : "";
  }
  const int opens_wanted = opened_by_prompt_ ? 0 : 1;
  if (opens != opens_wanted) {
    return absl::StrCat(Found(opens, open_), opened_by_prompt_ ? "none: the prompt has it" : "1");
  }
  if (closes != 1) return absl::StrCat(Found(closes, close_), "1");
  const size_t open = opened_by_prompt_ ? 0 : lowered.find(open_);
  const size_t thought = opened_by_prompt_ ? 0 : open + open_.size();
  const size_t close = lowered.find(close_);
  if (close < thought) return "the tags stand in the wrong order";
  if (!IsBlank(text.substr(0, open))) return "text stands before the thought";
  if (!empty_thought_ && IsBlank(text.substr(thought, close - thought))) {
    return "the thought is empty";
  }
  return IsBlank(text.substr(close + close_.size())) ? "the answer is empty" : "";
}

absl::StatusOr<Judgement> ThinkingVerifier::Judge(const Response& response) const {
  const std::string problem = Problem(response.text);
  if (!problem.empty()) return Judgement{std::string(kNotEqual), 0, problem};
  return Judgement{std::string(kEqual), 1, on_ ? "one thought, then an answer" : "no thought"};
}

}  // namespace temper::reward
