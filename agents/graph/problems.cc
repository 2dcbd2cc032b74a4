// Sorted by place, without repetition.
#include "agents/graph/problems.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace temper::agents {

void Problems::Add(Place place, std::string_view what) {
  AddOther(place, absl::StrCat(path_, ":", place.line, ":", place.column, ": ", std::string(what)));
}

void Problems::AddOther(Place place, std::string_view message) {
  if (full()) return;
  const auto same = [&](const Problem& other) { return other.message == message; };
  if (std::any_of(found_.begin(), found_.end(), same)) return;
  found_.push_back({place, std::string(message)});
}

absl::Status Problems::status() const {
  if (found_.empty()) return absl::OkStatus();
  std::vector<Problem> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  std::string text;
  for (size_t i = 0; i < std::min(sorted.size(), kShownMax); ++i) {
    absl::StrAppend(&text, i > 0 ? "\n" : "", sorted[i].message);
  }
  if (sorted.size() > kShownMax) {
    absl::StrAppend(&text, full() ? "\n(at least " : "\n(", sorted.size() - kShownMax, " more)");
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace temper::agents
