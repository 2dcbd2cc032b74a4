// Words that every verifier uses in its reasons.
#include "reward/verifier.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace temper::reward {

std::string Quoted(std::string_view text) {
  constexpr size_t kBytesShown = 60;
  const bool cut = text.size() > kBytesShown;
  const std::string shown(text.substr(0, kBytesShown));
  return absl::StrCat("\"", absl::CEscape(shown), cut ? "...\"" : "\"");
}

}  // namespace temper::reward
