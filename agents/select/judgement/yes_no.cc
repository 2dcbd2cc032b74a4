// Sums of probabilities in log space; an infinitely unlikely token is not listed.
#include "agents/select/judgement/yes_no.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/normal_text.h"
#include "base/trim.h"

namespace temper::agents {
namespace {

// Without blanks and without U+2581 or U+0120, which tokenizers write for a blank.
std::string Word(std::string_view token) {
  constexpr std::string_view kMarks[] = {"\xE2\x96\x81", "\xC4\xA0"};
  for (const std::string_view mark : kMarks) {
    if (token.substr(0, mark.size()) == mark) token.remove_prefix(mark.size());
  }
  return absl::AsciiStrToLower(std::string(Trimmed(token)));
}

void AddTo(std::optional<double>& sum, double logprob) {
  if (!sum.has_value()) {
    sum = logprob;
    return;
  }
  const double high = std::max(*sum, logprob), low = std::min(*sum, logprob);
  sum = high + std::log1p(std::exp(low - high));
}

}  // namespace

absl::StatusOr<YesNo> ReadYesNo(const std::vector<std::pair<std::string, double>>& top) {
  constexpr double kRounding = 1e-3;  // servers round; a probability just above 1 is 1
  std::optional<double> yes, no;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [token, logprob] : top) {
    if (std::isnan(logprob) || logprob > kRounding) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", HeadOf(token), " has ", logprob, ", which is no log-probability"));
    }
    if (std::isinf(logprob)) continue;
    least = std::min(least, logprob);
    const std::string word = Word(token);
    if (word == "yes") AddTo(yes, logprob);
    if (word == "no") AddTo(no, logprob);
  }
  if (!yes.has_value() && !no.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "neither Yes nor No is among the ", top.size(), " tokens listed",
        top.empty() ? "" : absl::StrCat(", which begin with ", HeadOf(top.front().first)),
        "; ask for more top_logprobs, or for an answer of one word"));
  }
  YesNo answer;
  answer.bounded = !yes.has_value() || !no.has_value();
  answer.value = yes.value_or(least) - no.value_or(least);
  return answer;
}

}  // namespace temper::agents
