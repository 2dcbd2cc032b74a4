// Labels in brackets by RE2; WildBench by JSON.
#include "agents/select/judgement/verdict.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/normal_text.h"
#include "base/status_macros.h"
#include "base/trim.h"
#include "nlohmann/json.hpp"
#include "re2/re2.h"

namespace temper::agents {
namespace {

constexpr std::array<std::string_view, 5> kLabels = {"A>>B", "A>B", "A=B", "B>A", "B>>A"};

// The group's text of every match.
std::vector<std::string> AllMatches(std::string_view text, const RE2& pattern) {
  std::vector<std::string> found;
  re2::StringPiece rest(text.data(), text.size());
  for (std::string match; RE2::FindAndConsume(&rest, pattern, &match);) found.push_back(match);
  return found;
}

absl::Status NoVerdict(std::string_view what, std::string_view reply) {
  const std::string_view end = reply.substr(reply.size() - std::min<size_t>(reply.size(), 80));
  return absl::InvalidArgumentError(absl::StrCat(std::string(what), " in the reply ", HeadOf(reply),
                                                 ", which ends ", HeadOf(end)));
}

bool AllEqual(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text != texts.front()) return false;
  }
  return true;
}

}  // namespace

std::string_view VerdictLabel(Verdict verdict) { return kLabels[static_cast<size_t>(verdict)]; }

Verdict Swapped(Verdict verdict) {
  return static_cast<Verdict>(kLabels.size() - 1 - static_cast<size_t>(verdict));
}

double Preference(Verdict verdict) { return 1 - static_cast<double>(verdict) / 4; }

absl::StatusOr<Verdict> ParseVerdictLabel(std::string_view label) {
  static constexpr std::array<std::string_view, 5> kMirrored = {"B<<A", "B<A", "B=A", "A<B",
                                                                "A<<B"};
  for (size_t i = 0; i < kLabels.size(); ++i) {
    if (label == kLabels[i] || label == kMirrored[i]) return static_cast<Verdict>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("found ", HeadOf(label), ", expected A>>B, A>B, A=B, B>A or B>>A"));
}

absl::StatusOr<Verdict> ReadArenaVerdict(std::string_view reply, VerdictRule rule) {
  static const RE2& twice = *new RE2(R"(\[\[([AB<>=]+)\]\])");
  static const RE2& once = *new RE2(R"(\[([AB<>=]+)\])");
  const std::string_view answer = AfterThinking(reply);
  const std::string text =
      rule == VerdictRule::kLast ? absl::AsciiStrToUpper(std::string(answer)) : std::string(answer);
  std::vector<std::string> found = AllMatches(text, twice);
  if (found.empty() && rule == VerdictRule::kLast) found = AllMatches(text, once);
  if (found.empty()) return NoVerdict("no verdict such as [[A>B]]", answer);
  if (rule == VerdictRule::kOnly && !AllEqual(found)) {
    return NoVerdict("several different verdicts", answer);
  }
  const auto verdict = ParseVerdictLabel(found.back());
  if (!verdict.ok()) return NoVerdict(std::string(verdict.status().message()), answer);
  return *verdict;
}

absl::StatusOr<double> ReadRating(std::string_view reply) {
  static const RE2& twice = *new RE2(R"(\[\[(\d+\.?\d*)\]\])");
  static const RE2& once = *new RE2(R"(\[(\d+\.?\d*)\])");
  const std::string_view answer = AfterThinking(reply);
  const re2::StringPiece text(answer.data(), answer.size());
  std::string found;
  if (!RE2::PartialMatch(text, twice, &found) && !RE2::PartialMatch(text, once, &found)) {
    return NoVerdict("no rating such as [[7]]", answer);
  }
  const std::optional<double> rating = ReadDecimal(found);
  if (!rating.has_value() || *rating < 1 || *rating > 10) {
    return NoVerdict(absl::StrCat("a rating of ", found, ", expected 1 to 10,"), answer);
  }
  return *rating;
}

absl::StatusOr<Verdict> ReadPairVerdict(std::string_view reply) {
  static const RE2& pattern = *new RE2(R"(\[\[([ABC])\]\])");
  const std::string_view answer = AfterThinking(reply);
  const std::vector<std::string> found = AllMatches(answer, pattern);
  if (found.empty()) return NoVerdict("no verdict [[A]], [[B]] or [[C]]", answer);
  if (!AllEqual(found)) return NoVerdict("several different verdicts", answer);
  return found[0] == "A" ? Verdict::kABetter : found[0] == "B" ? Verdict::kBBetter : Verdict::kTie;
}

absl::StatusOr<Verdict> ReadVerdict(std::string_view reply) {
  const auto graded = ReadArenaVerdict(reply);
  if (graded.ok()) return graded;
  const auto plain = ReadPairVerdict(reply);
  if (plain.ok()) return plain;
  return NoVerdict("no verdict such as [[A>B]] or [[A]]", AfterThinking(reply));
}

absl::StatusOr<Verdict> ReadWildBenchChoice(std::string_view reply) {
  static constexpr std::array<std::string_view, 5> kChoices = {"A++", "A+", "A=B", "B+", "B++"};
  const std::string_view answer = AfterThinking(reply);
  TEMPER_ASSIGN_OR_RETURN(const auto object, LastObjectWith(answer, {"choice"}));
  const auto& choice = object["choice"];
  for (size_t i = 0; choice.is_string() && i < kChoices.size(); ++i) {
    if (Trimmed(choice.get_ref<const std::string&>()) == kChoices[i]) {
      return static_cast<Verdict>(i);
    }
  }
  return NoVerdict("a choice that is none of A++, A+, A=B, B+, B++", answer);
}

absl::StatusOr<double> ReadWildBenchScore(std::string_view reply) {
  const std::string_view answer = AfterThinking(reply);
  TEMPER_ASSIGN_OR_RETURN(const auto object, LastObjectWith(answer, {"score"}));
  TEMPER_ASSIGN_OR_RETURN(const double score, NumberOf(object["score"], "score"));
  if (score < 1 || score > 10) {
    return NoVerdict(absl::StrCat("a score of ", score, ", expected 1 to 10,"), answer);
  }
  return score;
}

}  // namespace temper::agents
