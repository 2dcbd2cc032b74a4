// RE2 on the whole text with a moving start: only so does ^ see the line that it is in.
#include "agents/eval/formats/style.h"

#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agents/eval/formats/records.h"
#include "re2/re2.h"

namespace temper::agents {
namespace {

// What Python's \s is, near enough: RE2's is ASCII's.
#define TEMPER_BLANK R"([\s\x0b\x1c-\x1f\x{85}\pZ])"

// Matches that do not overlap, from the left.
int64_t Count(std::string_view text, const RE2& pattern) {
  const re2::StringPiece whole(text.data(), text.size());
  re2::StringPiece match;
  int64_t count = 0;
  size_t at = 0;
  while (at <= text.size() && pattern.Match(whole, at, text.size(), RE2::UNANCHORED, &match, 1)) {
    ++count;
    const size_t end = static_cast<size_t>(match.data() - text.data()) + match.size();
    at = match.empty() ? end + 1 : end;
  }
  return count;
}

std::string WithoutCode(std::string_view answer) {
  static const RE2& block = *new RE2("```([^`]*)```");
  std::vector<std::string> insides;
  re2::StringPiece rest(answer.data(), answer.size());
  for (std::string inside; RE2::FindAndConsume(&rest, block, &inside);) {
    if (!inside.empty()) insides.push_back(inside);
  }
  std::string text(answer);
  for (const std::string& inside : insides) absl::StrReplaceAll({{inside, ""}}, &text);
  return text;
}

int64_t CountAt(const nlohmann::ordered_json& json, const char* key) {
  const std::optional<double> count = FiniteAt(json, key);
  return count.has_value() ? static_cast<int64_t>(*count) : 0;
}

}  // namespace

int64_t AnswerStyle::header_count() const {
  return std::accumulate(headers.begin(), headers.end(), int64_t{0});
}

AnswerStyle CountStyle(std::string_view answer, int64_t token_len) {
  static const RE2& ordered = *new RE2("(?m)^" TEMPER_BLANK R"(*\p{Nd}+\.)" TEMPER_BLANK);
  static const RE2& unordered = *new RE2("(?m)^" TEMPER_BLANK "*[-*+]" TEMPER_BLANK);
  static const RE2& asterisks = *new RE2(R"(\*\*[^*\n]+\*\*)");
  static const RE2& underscores = *new RE2(R"(__[^_\n]+__)");
  static const std::array<RE2, 6>& headers = *new std::array<RE2, 6>{
      RE2("(?m)^#" TEMPER_BLANK),    RE2("(?m)^#{2}" TEMPER_BLANK), RE2("(?m)^#{3}" TEMPER_BLANK),
      RE2("(?m)^#{4}" TEMPER_BLANK), RE2("(?m)^#{5}" TEMPER_BLANK), RE2("(?m)^#{6}" TEMPER_BLANK)};
  const std::string text = WithoutCode(answer);
  AnswerStyle style;
  style.token_len = token_len;
  for (size_t i = 0; i < headers.size(); ++i) style.headers[i] = Count(text, headers[i]);
  style.ordered = Count(text, ordered);
  style.unordered = Count(text, unordered);
  style.bold_asterisks = Count(text, asterisks);
  style.bold_underscores = Count(text, underscores);
  return style;
}

nlohmann::ordered_json StyleToJson(const AnswerStyle& style) {
  nlohmann::ordered_json headers;
  for (size_t i = 0; i < style.headers.size(); ++i) {
    headers[absl::StrCat("h", i + 1)] = style.headers[i];
  }
  return {{"token_len", style.token_len},
          {"header_count", headers},
          {"list_count", {{"ordered", style.ordered}, {"unordered", style.unordered}}},
          {"bold_count", {{"**", style.bold_asterisks}, {"__", style.bold_underscores}}}};
}

std::optional<AnswerStyle> StyleFromJson(const nlohmann::ordered_json& json) {
  if (!FiniteAt(json, "token_len").has_value()) return std::nullopt;
  AnswerStyle style;
  style.token_len = CountAt(json, "token_len");
  const auto part = [&json](const char* key) {
    return json.contains(key) ? json[key] : nlohmann::ordered_json();
  };
  for (size_t i = 0; i < style.headers.size(); ++i) {
    style.headers[i] = CountAt(part("header_count"), absl::StrCat("h", i + 1).c_str());
  }
  style.ordered = CountAt(part("list_count"), "ordered");
  style.unordered = CountAt(part("list_count"), "unordered");
  style.bold_asterisks = CountAt(part("bold_count"), "**");
  style.bold_underscores = CountAt(part("bold_count"), "__");
  return style;
}

#undef TEMPER_BLANK

}  // namespace temper::agents
