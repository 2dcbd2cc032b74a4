// One loop each.
#include "agents/select/filters.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/select/constructive.h"
#include "agents/select/normal_text.h"
#include "agents/select/pattern.h"
#include "agents/select/ranked.h"
#include "base/check.h"
#include "base/trim.h"

namespace temper::agents {
namespace {

// Without blanks at the ends of lines and of the whole.
std::string WithoutTrailingBlanks(std::string_view text) {
  std::string kept;
  size_t solid = 0;  // bytes of the line up to its last character that is no blank
  for (const char c : Trimmed(text)) {
    if (c == '\n') {
      kept.resize(solid);
      kept.push_back('\n');
      solid = kept.size();
      continue;
    }
    kept.push_back(c);
    if (c != ' ' && c != '\t' && c != '\r') solid = kept.size();
  }
  return kept;
}

}  // namespace

std::vector<int> KeepConstructive(const std::vector<std::string>& feedbacks, int keep) {
  TEMPER_CHECK(keep >= 1);
  std::vector<std::optional<double>> scores;
  for (const std::string& feedback : feedbacks) {
    scores.emplace_back(MeasureConstructiveness(feedback).score());
  }
  return Ranked(std::move(scores), keep).kept;
}

std::vector<int> KeepDistinct(const std::vector<std::string>& texts) {
  std::vector<int> kept;
  std::set<std::string> seen;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (seen.insert(WithoutTrailingBlanks(texts[i])).second) kept.push_back(static_cast<int>(i));
  }
  return kept;
}

bool IsUnchanged(std::string_view text, std::string_view source) {
  return Trimmed(text) == Trimmed(source);
}

std::vector<int> KeepChanged(const std::vector<std::string>& texts,
                             const std::vector<std::string>& sources) {
  TEMPER_CHECK(texts.size() == sources.size());
  std::vector<int> kept;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!IsUnchanged(texts[i], sources[i])) kept.push_back(static_cast<int>(i));
  }
  return kept;
}

std::vector<int> KeepFirst(int count, int keep) {
  std::vector<int> kept;
  for (int i = 0; i < std::min(count, keep); ++i) kept.push_back(i);
  return kept;
}

absl::StatusOr<PatternFilter> PatternFilter::Create(const std::string& pattern) {
  auto compiled = CompilePattern(pattern);
  if (!compiled.ok()) return compiled.status();
  return PatternFilter(*std::move(compiled));
}

std::vector<int> PatternFilter::Keep(const std::vector<std::string>& texts) const {
  std::vector<int> kept;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (re2::RE2::PartialMatch(texts[i], *pattern_)) kept.push_back(static_cast<int>(i));
  }
  return kept;
}

}  // namespace temper::agents
