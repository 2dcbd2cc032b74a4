// Filters over a list: free, deterministic, in order. Each gives the indices that stay, ascending.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}

namespace temper::agents {

// The `keep` most constructive feedbacks (constructive.h); equal ones: the earlier. keep >= 1.
std::vector<int> KeepConstructive(const std::vector<std::string>& feedbacks, int keep);

// The first of each that are the same: up to blanks at both ends and at ends of lines, and CRLF.
// Case and indentation make a difference: they do in code.
std::vector<int> KeepDistinct(const std::vector<std::string>& texts);

// Those that differ from their source, byte by byte but for blanks at both ends: an edit model that
// gives its draft back has done nothing. sources: one for each text.
std::vector<int> KeepChanged(const std::vector<std::string>& texts,
                             const std::vector<std::string>& sources);
bool IsUnchanged(std::string_view text, std::string_view source);

// The first `keep`.
std::vector<int> KeepFirst(int count, int keep);

// Those in which an RE2 pattern matches somewhere.
class PatternFilter {
 public:
  // INVALID_ARGUMENT: not RE2, or longer than 4096 bytes.
  static absl::StatusOr<PatternFilter> Create(const std::string& pattern);
  std::vector<int> Keep(const std::vector<std::string>& texts) const;

 private:
  explicit PatternFilter(std::shared_ptr<const re2::RE2> pattern) : pattern_(std::move(pattern)) {}
  std::shared_ptr<const re2::RE2> pattern_;
};

}  // namespace temper::agents
